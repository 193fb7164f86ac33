"""What the admin keeps for itself: points of its charts, and permissions that belong to no table."""

from django.db import models


class Sample(models.Model):
    """How things stood at one moment: counters only grow, so two samples give a rate."""

    at = models.DateTimeField(unique=True)
    # Countable entries ever appended, over all conversations.
    sent = models.BigIntegerField()
    # People with a device that was seen within the hour, and within the day.
    active_hour = models.IntegerField()
    active_day = models.IntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"sample {self.pk}"


class Power(models.Model):
    """No table: it only carries permissions."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("end_devices", "Can end a person's devices"),
            ("export_person", "Can export what is stored of a person"),
            ("erase_person", "Can erase a person on request"),
            ("explain_badge", "Can see the entries behind a person's badge"),
            ("reset_codes", "Can take away somebody's one-time codes"),
        ]

    def __str__(self) -> str:
        return "power"
