"""What content rules flag: a report by nobody, once an entry, beside those of people."""

from django.db import transaction

from imsite.core import clock
from messages import flags
from messages.models import Entry, Report, packed


def flags_of(talk) -> list[Report]:
    return list(Report.objects.filter(conversation_id=talk.id, reporter=None).order_by("seq"))


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
