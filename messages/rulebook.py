"""What content rules leave behind: the rules, the row that says they changed, held messages."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class PolicyRule(models.Model):
    """A content rule: what it looks for, where, and what becomes of a message that it hits."""

    KINDS = (
        ("phrases", "phrases"),
        ("regex", "regular expressions"),
        ("domains", "link domains"),
        ("flood", "flood of one text"),
    )
    ACTIONS = (("reject", "reject"), ("hold", "hold"), ("flag", "flag"), ("mask", "mask"))
    SCOPES = (
        ("everywhere", "everywhere"),
        ("direct", "direct conversations"),
        ("group", "groups"),
        ("conversation", "one conversation"),
    )
    COUNTED = (("sender", "of one sender"), ("anyone", "of anyone"))

    name = models.CharField(max_length=100)
    enabled = models.BooleanField(default=False)
    kind = models.CharField(max_length=10, choices=KINDS)
    # One a line; empty for a flood.
    patterns = models.TextField(blank=True, default="")
    action = models.CharField(max_length=10, choices=ACTIONS)
    scope = models.CharField(max_length=15, choices=SCOPES, default="everywhere")
    conversation_id = models.BigIntegerField(null=True, blank=True)
    # Owner and admins of a group are not held against it.
    exempt_admins = models.BooleanField(default=False)
    # A flood: the same text, of at least so many characters, more than `times` in `seconds`.
    times = models.PositiveIntegerField(default=5)
    seconds = models.PositiveIntegerField(default=60)
    counted = models.CharField(max_length=10, choices=COUNTED, default="sender")
    least = models.PositiveIntegerField(default=10)
    # What the sender of a refused message is told, if not the usual sentence.
    told = models.CharField(max_length=200, blank=True, default="")
    changed_at = models.DateTimeField()
    hits = models.BigIntegerField(default=0)
    hit_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "content rule"
        indexes = [models.Index(fields=["id"], condition=Q(enabled=True), name="rule_in_force")]
        permissions = [("write_rules", "Can make, change, test and switch content rules")]

    def __str__(self) -> str:
        return f"rule {self.pk}"


class PolicyState(models.Model):
    """The one row by which each process sees that rules changed, and whether messages are held."""

    version = models.BigIntegerField(default=0)
    holding = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"rules {self.version}"


class Held(models.Model):
    """A message that waits for a moderator; its content goes when it was decided."""

    STATES = (
        ("waiting", "waiting"),
        ("releasing", "being released"),
        ("released", "released"),
        ("refused", "refused"),
    )

    conversation_id = models.BigIntegerField()
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    client_id = models.UUIDField()
    digest = models.BinaryField(max_length=8)
    # JSON: kind, text, body, reply_to, mentions.
    message = models.TextField()
    rule_id = models.BigIntegerField()
    rule_name = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=STATES, default="waiting")
    held_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by_id = models.BigIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True, default="")
    # Where it was appended.
    seq = models.BigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = "held message"
        constraints = [
            models.UniqueConstraint(
                fields=["conversation_id", "sender", "client_id"], name="held_once"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(decided_at=None), name="held_waiting"),
            models.Index(
                fields=["decided_at"], condition=Q(decided_at__isnull=False), name="held_decided"
            ),
            models.Index(fields=["sender"], name="held_of"),
        ]
        permissions = [("decide_held", "Can let held messages through and refuse them")]

    def __str__(self) -> str:
        return f"{self.conversation_id} by {self.sender_id}: {self.state}"
