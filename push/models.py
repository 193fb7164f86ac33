"""Where devices can be woken, how their people want to be, what is owed to them, and why not."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Device


class PushToken(models.Model):
    """What a provider calls one device; one token belongs to one device, and moves with it."""

    PROVIDERS = (("fcm", "fcm"), ("apns", "apns"), ("webpush", "webpush"))

    device = models.OneToOneField(
        Device, on_delete=models.CASCADE, primary_key=True, related_name="push_token"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="push_tokens"
    )
    provider = models.CharField(max_length=10, choices=PROVIDERS)
    # The client's application, where a provider serves several (APNs: the topic).
    app = models.CharField(max_length=100, blank=True, default="")
    # The token as given; of Web Push the subscription, as JSON.
    token = models.TextField()
    # SHA-256 over provider and token (of Web Push: the endpoint): tokens are too long for an index.
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.provider} of device {self.device_id}"


class PushSettings(models.Model):
    """How somebody wants to be woken; who has no row is woken at any hour, with previews."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    preview = models.BooleanField(default=True)
    # Minutes after midnight in `quiet_tz`; the end may lie on the next day. Null: no quiet hours.
    quiet_start = models.SmallIntegerField(null=True, blank=True)
    quiet_end = models.SmallIntegerField(null=True, blank=True)
    quiet_tz = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        verbose_name_plural = "push settings"

    def __str__(self) -> str:
        return f"push settings of {self.user_id}"


class Debt(models.Model):
    """What one device is owed, and was told, of one conversation; writer: push/debts.

    Owed while `due_at` is set: a push that tells of `seq` (merged: the newest entry owed; `from_seq`
    the oldest). Kept on without `due_at` for as long as it says what the device was told, so that
    nothing is told twice and what was read elsewhere can be cleared.
    """

    device = models.ForeignKey(
        Device, on_delete=models.CASCADE, related_name="debts", db_index=False
    )
    user_id = models.BigIntegerField()
    conversation_id = models.BigIntegerField()
    provider = models.CharField(max_length=10)
    from_seq = models.BigIntegerField(default=0)
    seq = models.BigIntegerField(default=0)
    owed_since = models.DateTimeField(null=True)
    # When it may be tried: at once, at the end of quiet hours, after a pause. Null: nothing is owed.
    due_at = models.DateTimeField(null=True)
    # Whoever tries has it until then; null: nobody.
    leased_until = models.DateTimeField(null=True)
    # Attempts that failed since the last that did not.
    failures = models.IntegerField(default=0)
    # The newest entry that the provider took a push of; up to `cleared_seq` it shows no more.
    told_seq = models.BigIntegerField(default=0)
    cleared_seq = models.BigIntegerField(default=0)
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device", "conversation_id"], name="debt_once"),
        ]
        indexes = [
            models.Index(
                fields=["provider", "due_at"],
                condition=Q(due_at__isnull=False),
                name="debts_due",
            ),
            models.Index(fields=["user_id", "conversation_id"], name="debts_of"),
            models.Index(
                fields=["conversation_id", "told_seq"],
                condition=Q(told_seq__gt=F("cleared_seq")),
                name="debts_shown",
            ),
        ]

    def __str__(self) -> str:
        return f"device {self.device_id}, {self.conversation_id}: {self.seq} / {self.told_seq}"


class Decision(models.Model):
    """What was decided about telling a device of entries from_seq..to_seq; writer: push/decisions.

    Never changed, and gone after the offline window. `outcome` is one of OUTCOMES; `detail` says
    more where there is more: what the provider answered, until when it is quiet, which device read.
    A device without a row was skipped when a Look was taken (it is in `Look.online`, or its member
    had read already), or not looked at at all: its member wants no pushes, or it has no token.
    """

    OUTCOMES = tuple(
        (name, name)
        for name in (
            "pushed",  # the provider took it; earlier entries of the range are collapsed into to_seq
            "failed",  # the provider did not take it, it will be tried again (detail: what it said)
            "gone",  # the provider does not know the token any more, which was forgotten
            "given_up",  # tried in vain until nobody wants it any more
            "no_token",  # the device has no token any more
            "online",  # it holds a socket; looked at again when that must have said something
            "pulled",  # the device has pulled up to there
            "read",  # the member has read up to there (detail: `device N` if it is known which)
            "muted",  # notify says no
            "quiet",  # quiet hours (detail: until when, RFC 3339); tried again at their end
            "blocked",  # one of the two blocks the other
            "recalled",  # nothing is left to be told
            "expired",  # older than the offline window
            "left",  # the member is not in the conversation any more, or it was dissolved
            "ended",  # the device has ended, or its account is banned
            "cleared",  # a silent push took it off the screen: read elsewhere
        )
    )

    device_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    conversation_id = models.BigIntegerField()
    from_seq = models.BigIntegerField()
    to_seq = models.BigIntegerField()
    outcome = models.CharField(max_length=10, choices=OUTCOMES)
    detail = models.CharField(max_length=200, default="", blank=True)
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [
            models.Index(fields=["user_id", "conversation_id", "to_seq"], name="decided_for"),
        ]

    def __str__(self) -> str:
        return f"device {self.device_id}, {self.from_seq}–{self.to_seq}: {self.outcome}"


class Look(models.Model):
    """That members of a conversation were looked at for entries from_seq..to_seq; writer: push/looks.

    `online`: the devices not owed because they held a socket (`decisions.unpack` gives their ids).
    A socket may be dead without anybody knowing, so they are looked at again at `again_at`, when each
    socket that lives has been heard since. Gone after the offline window.
    """

    conversation_id = models.BigIntegerField()
    from_seq = models.BigIntegerField()
    to_seq = models.BigIntegerField()
    at = models.DateTimeField(db_index=True)
    online = models.BinaryField(default=b"")
    # Null: done.
    again_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["conversation_id", "to_seq"], name="looks_at"),
            models.Index(
                fields=["again_at"], condition=Q(again_at__isnull=False), name="looks_again"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id}: looked at {self.from_seq}–{self.to_seq}"
