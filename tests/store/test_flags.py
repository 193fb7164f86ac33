"""What content rules flag: a report by nobody, once an entry, beside those of people."""

from django.db import transaction

from imsite.core import clock
from messages import flags
from messages.models import Case, Entry, Report, packed
from messages.moderation import cases, dossier
from messages.moderation.cases import Outcome
from tests import desk
from tests.rules import ruled
from tests.staff import warrant


def flags_of(talk) -> list[Report]:
    return list(Report.objects.filter(conversation_id=talk.id, reporter=None).order_by("seq", "pk"))


def flag(talk, seq: int, reason: str) -> flags.Flag:
    entry = Entry.objects.get(pk=packed(talk.id, seq))
    return flags.Flag(
        conversation_id=talk.id,
        seq=seq,
        sender_id=entry.sender_id,
        wire=entry.wire,
        reason=reason,
    )


def test_a_flag_is_filed_once_an_entry_beside_the_reports_of_people(talk, alice, bob):
    seqs = [talk.say(alice, text)["seq"] for text in ("one", "two")]
    bob.post(f"{talk.path}/messages/{seqs[0]}/report", {"reason": "rude"})
    for _ in range(2):
        with transaction.atomic():
            flags.file([flag(talk, seq, "spam") for seq in seqs], now=clock.now())
    found = flags_of(talk)
    assert [each.seq for each in found] == seqs
    assert [each.excerpt for each in found] == [
        Entry.objects.get(pk=packed(talk.id, seq)).wire for seq in seqs
    ]
    assert Report.objects.filter(conversation_id=talk.id).count() == 3


def test_what_was_flagged_can_still_be_reported(talk, alice, bob):
    seq = talk.say(alice)["seq"]
    with transaction.atomic():
        flags.file([flag(talk, seq, "spam")], now=clock.now())
    answer = bob.post(f"{talk.path}/messages/{seq}/report", {"reason": "rude"})
    assert Report.objects.get(pk=answer["id"]).reporter_id == bob.id


def test_what_comes_again_after_its_case_was_closed_is_filed_anew(talk, alice):
    rule = {"conversation_id": talk.id, "patterns": ["cheap"], "action": "flag"}
    with ruled(rule):
        seq = talk.say(alice, "cheap watches")["seq"]
        for text in ("cheap shoes", "cheap hats"):
            cases.adopt(now=clock.now())
            case = Case.objects.get(conversation_id=talk.id, seq=seq, closed_at=None)
            cases.close(warrant(), case.pk, Outcome(name="dismiss"))
            alice.post(f"{talk.path}/messages/{seq}/edit", {"text": text})
    assert all(text in each.excerpt for text, each in zip(TEXTS, flags_of(talk), strict=True))
    assert [each.closed_at is None for each in flags_of(talk)] == [False, False, True]


TEXTS = ["watches", "shoes", "hats"]


def test_moderators_read_what_a_mask_hides_until_the_case_is_closed(talk, alice, bob):
    masks = {"conversation_id": talk.id, "patterns": ["hiddenword"], "action": "mask"}
    flagging = {"conversation_id": talk.id, "patterns": ["cheap"], "action": "flag"}
    with ruled(masks, flagging):
        sent = talk.say(alice, "cheap hiddenword")["seq"]
        edited = talk.say(alice, "harmless")["seq"]
        alice.post(f"{talk.path}/messages/{edited}/edit", {"text": "hiddenword so cheap"})
        plain = talk.say(alice, "cheap only")["seq"]
    assert [each.original is not None for each in flags_of(talk)] == [True, True, False]
    assert not [each for each in flags_of(talk) if "hiddenword" in each.excerpt]
    assert b"hiddenword" not in b"".join(bytes(each.original or b"") for each in flags_of(talk))
    cases.adopt(now=clock.now())
    actor = warrant()
    moderator = desk.browser(desk.new_staff("Moderator"))
    for seq, said in ((sent, "cheap hiddenword"), (edited, "hiddenword so cheap"), (plain, None)):
        case = Case.objects.get(conversation_id=talk.id, seq=seq)
        seen = dossier.one(actor.actor_id, case.pk, now=actor.now)
        assert (seen.original and seen.original["text"]) == said
        page = moderator.get(f"/admin/messagelog/case/{case.pk}/change/").content.decode()
        assert ("hiddenword" in page) == bool(said)
        cases.close(warrant(), case.pk, Outcome(name="dismiss"))
        assert dossier.one(actor.actor_id, case.pk, now=actor.now).original is None
    for who in (alice, bob):
        assert b"hiddenword" not in who.request("GET", "accounts/export").content
        assert "hiddenword" not in str(talk.all(who))
