"""What one answer may cost: its bytes, its time, and what it needs besides the database."""

import time
import uuid

import pytest

from conversations import site
from messages import history, writer
from tests.cast import talk_of


@pytest.fixture
def talks(alice, bob):
    """Several conversations with some messages each."""
    made = [talk_of(alice, bob) for _ in range(4)]
    for talk in made:
        for n in range(5):
            talk.say(alice, f"{n} " + "x" * 200)
    return made


def pull_all(who, places: dict[int, int], limit: int) -> dict[int, list[dict]]:
    """Follow several logs until no page says that there is more."""
    held: dict[int, list[dict]] = {each: [] for each in places}
    for _ in range(100):
        after = ",".join(f"{cid}:{seq}" for cid, seq in places.items())
        pages = who.get(f"messages?after={after}&limit={limit}")
        for cid in places:
            page = pages[str(cid)]
            held[cid] += page["items"]
            assert [each["seq"] for each in page["items"]] == list(
                range(page["from_seq"], page["to_seq"] + 1)
            )
            places[cid] = page["to_seq"]
        if not any(page["has_after"] for page in pages.values()):
            return held
    raise AssertionError("the pages make no progress")


@pytest.mark.parametrize(("at_once", "enough"), [(1_000, 2**23), (3, 2**23), (3, 500), (1, 1)])
def test_a_large_answer_is_cut_and_can_be_followed(alice, talks, monkeypatch, at_once, enough):
    monkeypatch.setattr(history, "_AT_ONCE", at_once)
    monkeypatch.setattr(history, "_ENOUGH", enough)
    held = pull_all(alice, {talk.id: 0 for talk in talks}, limit=3)
    assert held == {talk.id: talk.all(alice) for talk in talks}


def test_what_does_not_fit_is_left_empty_and_says_so(alice, carol, talks, monkeypatch):
    monkeypatch.setattr(history, "_AT_ONCE", 5)
    monkeypatch.setattr(history, "_ENOUGH", 1)
    hidden = talk_of(carol)
    after = ",".join(f"{each.id}:2" for each in [*talks, hidden])
    pages = alice.get(f"messages?after={after}&limit=4")
    first, second = pages[str(talks[0].id)], pages[str(talks[1].id)]
    assert first["to_seq"] == 6
    assert second["items"] == [] and second["has_after"]
    assert (second["from_seq"], second["to_seq"]) == (3, 2)
    assert pages[str(hidden.id)] is None


def test_a_batch_waits_no_longer_than_a_single_send(alice, talk, monkeypatch):
    monkeypatch.setattr(writer, "_PATIENCE", 0.3)
    append = writer.Writer.append
    written = []

    def slowly(self, group) -> None:
        for each in group:
            time.sleep(0.15)
            append(self, [each])
            written.append(each)

    monkeypatch.setattr(writer.Writer, "append", slowly)
    items = [
        {"conversation_id": talk.id, "client_id": str(uuid.uuid4()), "text": str(n)}
        for n in range(10)
    ]
    answers = alice.post("messages", {"items": items})["items"]
    assert len(written) < len(items), "it waited for all"
    assert answers[-1]["error"] == "unavailable"
    monkeypatch.undo()
    # A retry says what became of each, and keeps none twice.
    again = alice.post("messages", {"items": items})["items"]
    seqs = [each["seq"] for each in again]
    assert seqs == list(range(seqs[0], seqs[0] + 10))


def test_sync_goes_on_when_its_watch_cannot_be_kept(alice, talk, monkeypatch, tmp_path):
    alice.get("sync")
    [watch] = site._watch
    monkeypatch.setattr(watch, "path", tmp_path / "missing" / "watch.json")
    monkeypatch.setattr(watch, "due", 0.0)
    heads, _ = alice.sync_all()
    assert talk.id in heads


def test_many_items_mean_fewer_heads_at_once(alice, talks):
    seen, cursor, more = {}, None, True
    while more:
        page = alice.get("sync?limit=200&messages=20" + (f"&cursor={cursor}" if cursor else ""))
        assert sum(len(head["items"]) for head in page["items"]) <= 2_000
        seen |= {head["id"]: head["items"] for head in page["items"]}
        cursor, more = page["cursor"], page["more"]
    assert {talk.id for talk in talks} <= seen.keys()
