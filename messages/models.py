"""Entries of the logs, the days they open, reactions and reports."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from messages.casebook import Case, Letter, RecallOrder, Sealed
from messages.rulebook import Held, PolicyRule, PolicyState

__all__ = [
    "Case",
    "DayMark",
    "Entry",
    "Held",
    "Letter",
    "PolicyRule",
    "PolicyState",
    "Reaction",
    "RecallOrder",
    "Report",
    "Sealed",
    "packed",
]

SEQ_BITS = 32


def packed(conversation_id: int, seq: int) -> int:
    """Return the primary key of an entry: pages of one conversation are one range of keys."""
    return conversation_id << SEQ_BITS | seq


class PackedId(models.BigIntegerField):  # type: ignore[type-arg]  # not generic at run time
    """A bigint that SQLite takes as its rowid, so that a log is clustered there."""

    def db_type(self, connection: Any) -> str:
        """Return `integer` on SQLite: only that very word makes a primary key the rowid."""
        return "integer" if connection.vendor == "sqlite" else "bigint"


class Entry(models.Model):
    """One item of a log; `wire` is the item as clients get it, rewritten on edit and recall."""

    id = PackedId(primary_key=True)
    conversation_id = models.BigIntegerField()
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    # Null for what the server appends.
    client_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=20)
    ordinal = models.BigIntegerField()
    created_at = models.DateTimeField()
    recalled_at = models.DateTimeField(null=True)
    wire = models.TextField()
    # The content as first sent: a retry is compared with it, whatever became of the message since.
    digest = models.BinaryField(max_length=8, null=True)

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(
                fields=["conversation_id", "sender", "client_id"],
                condition=Q(client_id__isnull=False),
                name="entry_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["recalled_at"],
                condition=Q(recalled_at__isnull=False),
                name="entry_recalled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id}:{self.seq} {self.kind}"

    @property
    def seq(self) -> int:
        """The position in the log of its conversation."""
        return int(self.id) & (1 << SEQ_BITS) - 1


class DayMark(models.Model):
    """The first seq of a conversation on a day (UTC, date.toordinal), written by its first append."""

    conversation_id = models.BigIntegerField()
    day = models.IntegerField()
    seq = models.BigIntegerField()
    # The ordinal before that seq.
    ordinal = models.BigIntegerField()
    # Whether the day may still be within the offline window: those to be looked at are few.
    in_backlog = models.BooleanField(default=True, db_default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation_id", "day"], name="day_once"),
        ]
        indexes = [
            models.Index(fields=["day"], condition=Q(in_backlog=True), name="day_in_backlog"),
            models.Index(fields=["day", "conversation_id"], name="day_of"),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.day}: {self.seq}"


class Purge(models.Model):
    """A conversation whose floor rose: rows up to it are still to go, whoever does it and when."""

    conversation_id = models.BigIntegerField(primary_key=True)
    # Up to here nothing is left of the content, and up to here nothing at all.
    hollow_seq = models.BigIntegerField()
    gone_seq = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.conversation_id}: gone up to {self.gone_seq}"


class Spared(models.Model):
    """An entry below the floor that was left for the moderators, because a report of it is open."""

    conversation_id = models.BigIntegerField()
    seq = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation_id", "seq"], name="spared_once"),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id}:{self.seq}"


class Reaction(models.Model):
    """One person's emoji on an entry."""

    conversation_id = models.BigIntegerField()
    seq = models.BigIntegerField()
    emoji = models.CharField(max_length=16)
    user_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation_id", "seq", "emoji", "user_id"], name="reaction_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.emoji} of {self.user_id} on {self.conversation_id}:{self.seq}"


class Report(models.Model):
    """Somebody finds an entry wrong; the excerpt survives what becomes of the entry."""

    conversation_id = models.BigIntegerField()
    seq = models.BigIntegerField()
    # Null for what a content rule flagged.
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reports", null=True
    )
    # Null until the next sweep for what a content rule flagged, or an older release wrote.
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="reports")
    reason = models.CharField(max_length=100)
    note = models.TextField(blank=True, default="")
    excerpt = models.TextField()
    # What a masked message said as it was sent, sealed, until the report is closed.
    original = models.BinaryField(null=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation_id", "seq", "reporter"], name="report_once"
            ),
            models.UniqueConstraint(
                fields=["conversation_id", "seq"],
                condition=Q(reporter__isnull=True, closed_at__isnull=True),
                name="flag_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id}:{self.seq} reported by {self.reporter_id or 'a rule'}"
