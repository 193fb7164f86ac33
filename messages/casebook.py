"""What moderation leaves behind: cases, orders to recall, sealed contents, letters owed."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Case(models.Model):
    """What was reported about one entry until it is closed; a later report opens another."""

    OUTCOMES = tuple(
        (each, each) for each in ("dismiss", "recall", "warn", "mute", "ban", "dissolve")
    )

    conversation_id = models.BigIntegerField()
    seq = models.BigIntegerField()
    accused = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # The item as it stood when it was first reported: it outlives edit, recall and expiry.
    excerpt = models.TextField()
    opened_at = models.DateTimeField()
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    claimed_until = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    outcome = models.CharField(max_length=10, choices=OUTCOMES, blank=True, default="")
    reason = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation_id", "seq"],
                condition=Q(closed_at__isnull=True),
                name="case_open_once",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(closed_at__isnull=True), name="case_queue"),
            models.Index(fields=["accused", "id"], name="cases_against"),
        ]
        permissions = [
            ("handle_reports", "Can work on the queue of reports and warn people"),
            ("recall_entries", "Can recall a message and put it back"),
            ("recall_many", "Can recall many messages at once and put them back"),
        ]

    def __str__(self) -> str:
        return f"case {self.pk}: {self.conversation_id}:{self.seq}"


class RecallOrder(models.Model):
    """One act of moderators that recalls many entries: which, how far it is, whether it was undone."""

    ordered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    ordered_at = models.DateTimeField()
    reason = models.TextField()
    # The selection as JSON: see messages/moderation/selection.
    chosen = models.TextField()
    # How many were found before it began; bounded, so it may be less than there are.
    expected = models.IntegerField()
    # Entries are taken in the order of their packed ids; these move with each batch.
    through_id = models.BigIntegerField(default=0)
    recalled = models.IntegerField(default=0)
    touched_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    undone_at = models.DateTimeField(null=True)
    restored = models.IntegerField(default=0)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["touched_at"],
                condition=Q(done_at__isnull=True)
                | Q(undone_at__isnull=False, settled_at__isnull=True),
                name="order_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return f"recall order {self.pk}"


class Sealed(models.Model):
    """The content of an entry that moderators recalled, encrypted, while it can be put back."""

    # The packed id of the entry.
    entry_id = models.BigIntegerField(primary_key=True)
    order = models.ForeignKey(RecallOrder, on_delete=models.CASCADE, db_index=False)
    until = models.DateTimeField(db_index=True)
    content = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["order", "entry_id"], name="sealed_by")]

    def __str__(self) -> str:
        return f"sealed {self.entry_id}"


class Letter(models.Model):
    """What the site owes to tell somebody; sent once, under the client_id kept here."""

    to = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    client_id = models.UUIDField(unique=True)
    text = models.TextField()
    owed_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    # Why it could not be sent, if it could not: a stable error name.
    refused = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=Q(sent_at__isnull=True), name="letter_owed"),
        ]

    def __str__(self) -> str:
        return f"letter {self.pk} to {self.to_id}"
