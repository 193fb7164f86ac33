"""Users, their devices, one-use tickets, blocks and the audit log."""

from typing import Any, NoReturn

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

from accounts import names
from imsite.core import clock


class UserManager(BaseUserManager["User"]):
    """Makes users; `createsuperuser` comes through here too."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find a user by name, however it is typed."""
        return self.get(username_key=names.key(username or ""))

    def create_user(self, username: str, password: str | None = None, **more: Any) -> "User":
        """Create and return a user; without a password nobody can log in as them."""
        more.setdefault("created_at", clock.now())
        user = self.model(username=username, username_key=names.key(username), **more)
        user.call(user.display_name or username)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str, **more: Any) -> "User":
        """Create and return a user who may do everything in the admin."""
        return self.create_user(username, password, is_staff=True, is_superuser=True, **more)


class User(AbstractBaseUser, PermissionsMixin):
    """A person or a bot. Once deleted the row stays, empty, so that the log keeps its senders."""

    KINDS = (("person", "person"), ("bot", "bot"))

    username = models.CharField(max_length=40, unique=True)
    # What names are compared by (NFKC, no case); `~ID` once deleted, which nobody can type.
    username_key = models.CharField(max_length=100, unique=True)
    display_name = models.CharField(max_length=100)
    display_key = models.CharField(max_length=200, db_index=True)
    bio = models.CharField(max_length=500, blank=True, default="")
    avatar_media_id = models.BigIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=10, choices=KINDS, default="person")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, blank=True)
    banned_at = models.DateTimeField(null=True, blank=True)
    # Null with banned_at set: banned for good.
    banned_until = models.DateTimeField(null=True, blank=True)
    ban_reason = models.CharField(max_length=500, blank=True, default="")

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = []

    class Meta:
        permissions = [("ban_user", "Can ban accounts and lift bans")]

    objects = UserManager()

    def __str__(self) -> str:
        return self.username

    def call(self, display_name: str) -> None:
        """Set the name shown, and the key that it is searched by."""
        self.display_name = display_name
        # NFKC can make a name eighteen times as long: a key is for prefixes, its start is enough.
        self.display_key = names.key(display_name)[:200]


class Device(models.Model):
    """One signed-in client; its epoch grows when all tokens it was given must die."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices")
    platform = models.CharField(max_length=40, blank=True, default="")
    name = models.CharField(max_length=100, blank=True, default="")
    epoch = models.IntegerField(default=1)
    # The refresh token is an HMAC over these; nothing that could be stolen from here is a token.
    salt = models.BinaryField(max_length=16)
    generation = models.IntegerField(default=1)
    rotated_at = models.DateTimeField()
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        # No text of strangers: this is shown in titles and in lists of choices.
        return f"device {self.pk}"


class Ticket(models.Model):
    """A one-use pass to open a socket; the row goes when it is used."""

    digest = models.BinaryField(primary_key=True, max_length=32)
    device = models.ForeignKey(Device, on_delete=models.CASCADE)
    epoch = models.IntegerField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"ticket of device {self.device_id}"


class Block(models.Model):
    """`blocker` does not want direct messages with `blocked`."""

    blocker = models.ForeignKey(User, on_delete=models.CASCADE, related_name="blocking")
    blocked = models.ForeignKey(User, on_delete=models.CASCADE, related_name="blocked_by")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["blocker", "blocked"], name="block_once"),
        ]

    def __str__(self) -> str:
        return f"{self.blocker_id} blocks {self.blocked_id}"


class AuditEntry(models.Model):
    """What a member of staff did, to whom and why; each row carries the hash of the one before it.

    `accounts.audit` appends; triggers of the database refuse every change and deletion.
    """

    # Dense from 1, so that a missing row shows.
    number = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    # Null for what the server did by itself, or a command at its console.
    actor = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    act = models.CharField(max_length=40)
    # KIND:ID, with more ids behind further colons.
    target = models.CharField(max_length=120)
    reason = models.CharField(max_length=500)
    # Canonical JSON as text, as it was hashed: a JSON column would give other bytes back.
    before = models.TextField(null=True)  # noqa: DJ001
    after = models.TextField(null=True)  # noqa: DJ001
    address = models.CharField(max_length=64)
    # Unique, so that no two rows can follow the same one.
    prior = models.BinaryField(max_length=32, unique=True)
    digest = models.BinaryField(max_length=32)

    class Meta:
        verbose_name_plural = "audit log"
        default_permissions = ("view",)
        permissions = [("export_auditentry", "Can export the audit log")]
        indexes = [
            models.Index(fields=["target", "number"], name="audit_of_target"),
            models.Index(fields=["actor", "number"], name="audit_of_actor"),
            models.Index(fields=["act", "number"], name="audit_of_act"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.act} {self.target}"

    def save(self, **_: Any) -> NoReturn:
        """Refuse: `audit.record` is the only way in."""
        raise TypeError("the audit log is appended to by accounts.audit alone")

    def delete(self, **_: Any) -> NoReturn:  # type: ignore[override]
        """Refuse."""
        raise TypeError("the audit log keeps everything")
