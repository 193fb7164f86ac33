"""Where devices can be woken, and how their people want to be."""

from django.conf import settings
from django.db import models

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

    def __str__(self) -> str:
        return f"push settings of {self.user_id}"
