"""What is too old: backlogs and floors by the days, rows after them, and nothing that stays behind."""

import uuid

import orjson
import pytest

from conversations import markers
from imsite.core import clock
from imsite.core.chores import Done
from imsite.core.pace import Pace
from messages import history, retention
from messages.models import Report
from messages.retention import floors, purging, surveying
from tests.aging import calendar, left
from tests.cast import Person, Talk, talk_of

WEEK = 8  # days after which a whole day lies before the offline window of seven


def shown(who: Person, talk: Talk, word: str) -> list[str]:
    """Return the routes that show a word: of all that could show something of a message."""
    paths = [
        "sync?messages=20",
        "conversations",
        talk.path,
        f"{talk.path}/messages",
        f"{talk.path}/messages?view=chat",
        f"{talk.path}/messages?around=2",
        f"{talk.path}/messages?after=0&limit=200",
        f"{talk.path}/messages/at?time=2020-01-01T00:00:00Z",
        f"messages?after={talk.id}:0",
        f"messages/search?q={word}",
        f"messages/search?q={word}&conversation_id={talk.id}",
        "accounts/export",
    ]
    answers = {path: who.request("GET", path) for path in paths}
    assert {each.status_code for each in answers.values()} == {200}
    return [path for path, each in answers.items() if f"{word} ".encode() in each.content]


def word() -> str:
    return f"w{uuid.uuid4().hex}"


class TestBacklog:
    def test_it_moves_by_whole_days_and_the_head_says_so(self, alice, bob, talk):
        with calendar(alice, bob) as days:
            old = [talk.say(alice)["seq"] for _ in range(3)][-1]
            days.go_on(3)
            talk.say(alice)
            before, cursor = bob.head(talk.id), bob.sync_all()[1]
            days.go_on(WEEK - 4)
            days.expire()
            assert bob.head(talk.id) == before, "seven days have not passed"
            days.go_on(1)
            days.expire()
            after = bob.head(talk.id)
            assert (before["backlog_from"], after["backlog_from"]) == (1, old + 1)
            assert after["version"] > before["version"]
            assert bob.sync_all(cursor)[0][talk.id] == after
            assert (after["unread"], after["floor_seq"]) == (before["unread"], 0), "history stays"
            days.expire()
            assert bob.head(talk.id) == after, "twice is once"

    def test_a_log_that_fell_silent_has_none(self, alice, bob, talk):
        with calendar(alice, bob) as days:
            seq = talk.say(alice)["seq"]
            days.go_on(400)
            assert days.expire().gone["backlogs"] >= 1
            assert bob.head(talk.id)["backlog_from"] == seq + 1
            talk.say(alice)
            assert bob.head(talk.id)["backlog_from"] == seq + 1


class TestHistory:
    def test_what_expires_is_nowhere(self, alice, bob, carol):
        talk, said = talk_of(alice, bob, retention_days=30), word()
        with calendar(alice, bob, carol) as days:
            seqs = [talk.say(alice, f"{said} {n}", mentions="all")["seq"] for n in range(5)]
            bob.post(f"{talk.path}/messages/{seqs[0]}/react", {"emoji": "👍", "op": "add"})
            alice.post(f"{talk.path}/messages/{seqs[1]}/recall")
            bob.post(f"{talk.path}/read", {"seq": seqs[0]})
            talk.say(bob, f"{said} mine")
            bob.post(f"{talk.path}/read", {"seq": 2, "force": True})
            alice.post(f"{talk.path}/messages/{seqs[2]}/edit", {"text": f"{said} better"})
            for who in (alice, bob):
                assert shown(who, talk, said)
            days.go_on(30)
            days.expire()
            assert shown(bob, talk, said), "thirty days have not passed"
            last = bob.head(talk.id)["last_seq"]
            days.go_on(1)
            done = days.expire()
            assert done.gone["entries"] >= last
            for who in (alice, bob):
                assert not shown(who, talk, said)
            head = bob.head(talk.id)
            assert (head["unread"], head["mentions"], head["preview"]) == (0, 0, None)
            assert (head["floor_seq"], head["last_seq"], head["backlog_from"]) == (
                last,
                last,
                last + 1,
            )
            assert talk.page(bob, "?after=0") == {
                "items": [],
                "from_seq": last + 1,
                "to_seq": last,
                "last_seq": last,
                "floor_seq": last,
                "has_before": False,
                "has_after": False,
            }
            assert not any(left(talk.id).values()), left(talk.id)
            assert talk.say(alice)["seq"] == last + 1
            assert bob.head(talk.id)["unread"] == 1

    def test_only_what_is_old_goes(self, alice, bob):
        talk = talk_of(alice, bob, retention_days=10)
        with calendar(alice, bob) as days:
            old = talk.say(alice, "old")["seq"]
            days.go_on(5)
            new = talk.say(alice, "new")["seq"]
            days.go_on(6)
            days.expire()
            head = bob.head(talk.id)
            assert (head["floor_seq"], head["unread"]) == (old, 1)
            assert [each["seq"] for each in talk.all(bob)] == [new]
            assert left(talk.id)["entries"] == left(talk.id)["daymark"] == [new]

    def test_the_shorter_term_counts(self, alice, bob, settings):
        settings.IM_HISTORY_DAYS = 20
        long, short = talk_of(alice, bob, retention_days=40), talk_of(alice, bob, retention_days=10)
        with calendar(alice, bob) as days:
            for talk in (long, short):
                talk.say(alice)
            days.go_on(12)
            days.expire()
            assert [bool(bob.head(talk.id)["floor_seq"]) for talk in (long, short)] == [False, True]
            days.go_on(9)
            days.expire()
            assert bob.head(long.id)["floor_seq"] == bob.head(long.id)["last_seq"]

    def test_a_dissolved_group_is_shown_as_it_ended(self, alice, bob):
        talk = talk_of(alice, bob, retention_days=10)
        with calendar(alice, bob) as days:
            talk.say(alice, "the end")
            alice.post(f"{talk.path}/dissolve")
            before, cursor = bob.head(talk.id), bob.sync_all()[1]
            days.go_on(12)
            days.expire()
            assert bob.head(talk.id) == before
            assert bob.sync_all(cursor)[0] == {}
            assert not any(left(talk.id).values())


class TestActs:
    @pytest.fixture
    def aged(self, alice, bob, carol):
        """A group whose first message expired; Carol came after it."""
        talk = talk_of(alice, bob, retention_days=9)
        with calendar(alice, bob, carol) as days:
            talk.gone = talk.say(alice, "old")["seq"]
            alice.post(f"{talk.path}/members/add", {"user_ids": [carol.id]})
            days.go_on(11)
            talk.kept = talk.say(alice, "new")["seq"]
            days.expire()
            yield talk

    @pytest.mark.parametrize(
        "act, body",
        [
            ("recall", {}),
            ("edit", {"text": "x"}),
            ("react", {"emoji": "👍", "op": "add"}),
            ("pin", {}),
            ("unpin", {}),
            ("report", {"reason": "spam"}),
        ],
    )
    def test_what_expired_says_so_to_those_who_could_read_it(self, aged, alice, carol, act, body):
        path = f"{aged.path}/messages/{aged.gone}/{act}"
        assert alice.refused("POST", path, body) == "expired"
        assert carol.refused("POST", path, body) == "not_found"
        beyond = f"{aged.path}/messages/{aged.kept + 1}/{act}"
        assert alice.refused("POST", beyond, body) == "not_found"

    def test_so_does_a_reply(self, aged, alice, carol):
        message = {"client_id": str(uuid.uuid4()), "text": "what?", "reply_to": aged.gone}
        assert alice.refused("POST", f"{aged.path}/messages", message) == "expired"
        assert carol.refused("POST", f"{aged.path}/messages", message) == "invalid_request"

    def test_a_marker_may_stand_there(self, aged, bob):
        for seq, force in ((aged.gone, False), (1, True), (aged.kept, False), (aged.gone, True)):
            bob.post(f"{aged.path}/read", {"seq": seq, "force": force})
            assert bob.head(aged.id)["unread"] == (seq < aged.kept)


class TestRetries:
    def test_a_retry_is_known_for_as_long_as_the_offline_window(self, alice, bob):
        talk, said = talk_of(alice, bob, retention_days=1), word()
        message = {"client_id": str(uuid.uuid4()), "text": f"{said} x"}
        with calendar(alice, bob) as days:
            first = alice.post(f"{talk.path}/messages", message)
            days.go_on(3)
            days.expire()
            assert not shown(bob, talk, said)
            assert said not in orjson.dumps(left(talk.id)).decode()
            assert talk.page(bob)["items"] == []
            days.go_on(4)
            days.expire()
            again = alice.post(f"{talk.path}/messages", message)
            assert again == first | {"duplicate": True}
            assert alice.refused("POST", f"{talk.path}/messages", message | {"text": "x"}) == (
                "client_id_conflict"
            )
            days.go_on(1)
            days.expire()
            assert not any(left(talk.id).values())
            later = alice.post(f"{talk.path}/messages", message)
            assert (later["duplicate"], later["seq"]) == (False, first["seq"] + 1)


class TestHeld:
    def test_what_is_reported_stays_until_that_is_closed(self, alice, bob):
        talk, said = talk_of(alice, bob, retention_days=10), word()
        with calendar(alice, bob) as days:
            talk.say(alice, "before")
            seq = talk.say(alice, f"{said} bad", mentions="all")["seq"]
            talk.say(alice, "after")
            bob.post(f"{talk.path}/messages/{seq}/report", {"reason": "spam"})
            days.go_on(12)
            days.expire()
            kept = left(talk.id)
            assert kept.pop("entries") == kept.pop("spared") == [seq]
            assert not any(kept.values())
            assert not shown(bob, talk, said)
            days.expire()
            assert left(talk.id)["entries"] == [seq]
            Report.objects.filter(conversation_id=talk.id).update(closed_at=clock.now())
            days.expire()
            assert not any(left(talk.id).values())
            assert said in Report.objects.get(conversation_id=talk.id).excerpt

    def test_so_does_one_whose_retry_must_still_be_known(self, alice, bob):
        talk = talk_of(alice, bob, retention_days=1)
        with calendar(alice, bob) as days:
            seq = talk.say(alice, "bad")["seq"]
            bob.post(f"{talk.path}/messages/{seq}/report", {"reason": "spam"})
            days.go_on(3)
            days.expire()
            assert talk.page(bob)["items"] == []
            Report.objects.filter(conversation_id=talk.id).update(closed_at=clock.now())
            days.expire()
            assert seq in left(talk.id)["entries"] and not left(talk.id)["spared"]
            days.go_on(6)
            days.expire()
            assert not any(left(talk.id).values())


class TestHalfWay:
    @pytest.fixture
    def risen(self, alice, bob):
        """A group whose floor rose, and nothing else happened yet."""
        talk = talk_of(alice, bob, retention_days=10)
        with calendar(alice, bob) as days:
            talk.said = word()
            for n in range(40):
                talk.say(alice, f"{talk.said} {n}", mentions="all")
            bob.post(f"{talk.path}/read", {"seq": 20})
            days.go_on(12)
            talk.kept = talk.say(alice, "new")["seq"]
            talk.stale = history.readable(bob.id, talk.id)
            floors.raise_all(Done(), now=clock.now(), pace=Pace(rest=0))
            talk.days = days
            yield talk

    def test_every_reader_stops_at_the_floor(self, risen, alice, bob):
        for who in (alice, bob):
            assert not shown(who, risen, risen.said)
        head = bob.head(risen.id)
        assert (head["floor_seq"], head["unread"], head["mentions"]) == (risen.kept - 1, 1, 0)

    def test_a_run_that_is_stopped_goes_on_the_next_time(self, risen, alice, bob):
        before = left(risen.id)["entries"]
        pace = Pace(rest=0)
        pace.size = 7
        owed = purging._turn(risen.id, risen.kept - 1, Done(), pace)
        assert owed and left(risen.id)["entries"] == before[7:]
        over = Pace(rest=0, budget=0)
        assert retention.expire(now=clock.now(), pace=over).left
        assert not risen.days.expire().left
        assert left(risen.id)["entries"] == [risen.kept]
        assert bob.head(risen.id)["unread"] == 1

    @pytest.mark.parametrize("chat", [False, True])
    def test_a_reader_who_looked_before_looks_again(self, risen, bob, chat):
        """Its window is of before the floor rose, its rows of after some went: no hole."""
        ask = history.Ask(limit=30, chat=chat, after=0)
        risen.days.expire()
        with pytest.raises(history.Risen):
            history._page(risen.stale, ask)
        page = orjson.loads(history.page(bob.id, risen.id, ask).body)
        assert [each["seq"] for each in page["items"]] == [risen.kept]

    def test_a_marker_that_was_under_way_finds_the_floor(self, risen, bob):
        from conversations import access

        seat = access.seat_of(bob.id, risen.id)
        seat.conversation.floor_seq = seat.conversation.floor_ordinal = 0
        risen.days.expire()
        markers._forward(seat, 30)
        head = bob.head(risen.id)
        assert (head["read_seq"], head["unread"]) == (30, 1)

    @pytest.mark.parametrize("turns", [0, 1, 3])
    def test_what_would_go_is_what_goes(self, risen, bob, turns):
        """A survey says of each kind what the run then does, however far another run had come."""
        bob.post(f"{risen.path}/messages/{risen.kept}/report", {"reason": "spam"})
        pace = Pace(rest=0)
        pace.size = 7
        for _ in range(turns):
            purging._turn(risen.id, risen.kept - 1, Done(), pace)
        risen.days.go_on(5)
        risen.say(bob, "of another day")
        risen.days.go_on(6)
        told = {each.kind: each.number for each in surveying.survey(clock.now())}
        assert told["floors"] >= 1 and told["mentions"] >= 1
        # The one that is reported is held, the last is young.
        assert told["entries"] >= len(left(risen.id)["entries"]) - 2
        done = risen.days.expire().gone
        assert done == {kind: number for kind, number in told.items() if number}
        after = surveying.survey(clock.now())
        assert not any(each.number for each in after)
