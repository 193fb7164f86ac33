"""Conversations, memberships, and the exceptions to counting by ordinals."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Site(models.Model):
    """The one row that tells this database from its copies, and orders changes on SQLite."""

    epoch = models.CharField(max_length=32)
    # Bumped in each writing transaction on SQLite; PostgreSQL has transaction ids instead.
    stamp = models.BigIntegerField(default=1)
    # The database that this epoch began in, as it names itself: in another one its stamps mean nothing.
    origin = models.CharField(max_length=64, default="", blank=True)

    def __str__(self) -> str:
        return self.epoch


class Conversation(models.Model):
    """A conversation: its head (newest seq and ordinal), its floor and its settings.

    Nothing that a send changes is indexed, so that each send stays a HOT update on PostgreSQL.
    """

    KINDS = (("direct", "direct"), ("group", "group"))
    JOINS = (("invite", "invite"), ("approve", "approve"), ("open", "open"))
    HISTORIES = (("since_join", "since_join"), ("all", "all"))

    kind = models.CharField(max_length=10, choices=KINDS)
    # What makes it one: "d:LOW:HIGH", the two people of a direct one, or "g:MAKER:CLIENT_ID".
    direct_key = models.CharField(max_length=80, unique=True, null=True, blank=True)
    # The content first asked for under a client_id: a retry must ask for the same.
    digest = models.BinaryField(max_length=8, null=True, blank=True)
    # The two people of a direct conversation, the lower id first; null in groups.
    low = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    high = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    title = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    avatar_media_id = models.BigIntegerField(null=True, blank=True)
    announcement = models.TextField(blank=True, default="")
    mute_all = models.BooleanField(default=False)
    join = models.CharField(max_length=10, choices=JOINS, default="invite")
    history = models.CharField(max_length=10, choices=HISTORIES, default="since_join")
    retention_days = models.IntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    dissolved_at = models.DateTimeField(null=True, blank=True)
    # Moderators made it read-only, for its owner too.
    frozen_at = models.DateTimeField(null=True, blank=True)
    member_count = models.IntegerField(default=0)

    head_seq = models.BigIntegerField(default=0)
    head_ordinal = models.BigIntegerField(default=0)
    # Time of the newest entry that is not a mere change of another: conversations are listed by it.
    last_at = models.DateTimeField()
    # The newest countable entry: its seq, and the rendered JSON of the head's `preview`.
    preview_seq = models.BigIntegerField(default=0)
    preview = models.TextField(default="null")
    floor_seq = models.BigIntegerField(default=0)
    floor_ordinal = models.BigIntegerField(default=0)
    # Once dissolved, the floor as it stood then: those who were there go on seeing it.
    shown_floor_seq = models.BigIntegerField(null=True, blank=True)
    # Entries up to here are older than the offline window.
    backlog_seq = models.BigIntegerField(default=0)
    # Offline members were looked at up to here.
    push_seq = models.BigIntegerField(default=0)
    # The newest entry by which somebody lost access: a hub that has not seen it asks before it pings.
    parted_seq = models.BigIntegerField(default=0)
    # The highest seq among Uncounted rows for everyone: nobody above it needs to look there.
    uncounted_seq = models.BigIntegerField(default=0)
    # The newest day (date.toordinal) that has a mark; the append that opens another writes one.
    marked_day = models.IntegerField(default=0)
    version = models.BigIntegerField(default=1)
    stamp = models.BigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(retention_days__isnull=False),
                name="conversation_retains",
            ),
        ]
        permissions = [
            ("mute_member", "Can mute members of a conversation and lift it"),
            ("freeze_conversation", "Can make a conversation read-only and let it go on"),
            ("dissolve_conversation", "Can dissolve a group"),
            ("hand_over_conversation", "Can make another member the owner of a group"),
        ]

    def __str__(self) -> str:
        # Not the title, which strangers write: this is shown in titles and in lists of choices.
        return f"{self.kind} {self.pk}"


class Membership(models.Model):
    """One person's place in a conversation: role, window, marker and own settings."""

    ROLES = (("owner", "owner"), ("admin", "admin"), ("member", "member"))
    STATES = (("active", "active"), ("left", "left"), ("removed", "removed"))
    NOTIFY = (("all", "all"), ("mentions", "mentions"), ("none", "none"))

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="memberships",
        db_index=False,
    )
    role = models.CharField(max_length=10, choices=ROLES, default="member")
    state = models.CharField(max_length=10, choices=STATES, default="active")
    joined_at = models.DateTimeField()
    # The window opens here; with `history: all` it opens at 1 whatever stands here.
    visible_from = models.BigIntegerField(default=1)
    # The ordinal before visible_from.
    visible_ordinal = models.BigIntegerField(default=0)
    # What an ended membership goes on showing.
    left_seq = models.BigIntegerField(null=True, blank=True)
    left_floor_seq = models.BigIntegerField(null=True, blank=True)
    read_seq = models.BigIntegerField(default=0)
    read_ordinal = models.BigIntegerField(default=0)
    # How far the marker stood when it was moved back by force; own entries below need Uncounted rows.
    rewound_seq = models.BigIntegerField(default=0)
    muted_until = models.DateTimeField(null=True, blank=True)
    notify = models.CharField(max_length=10, choices=NOTIFY, default="all")
    pinned = models.BooleanField(default=False)
    hidden = models.BooleanField(default=False)
    nickname = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001
    # While active a head's version is this plus the conversation's; once ended it is this alone.
    version = models.BigIntegerField(default=1)
    stamp = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "conversation"], name="member_once"),
            models.CheckConstraint(condition=Q(read_seq__gte=0), name="marker_not_negative"),
        ]
        indexes = [
            models.Index(fields=["conversation", "id"], name="members_of"),
            # In a large group few have this, and a push must not look at the others. Sends change
            # none of these columns, so that they stay HOT.
            models.Index(
                fields=["conversation", "id"],
                condition=Q(notify="all", state="active"),
                name="members_told_all",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.conversation_id}: {self.state}"


class Unlooked(models.Model):
    """A conversation whose head moved past `push_seq`: nobody looked yet who is to be pushed for it.

    Written in the transaction that moves the head, under its lock, at most once until somebody has
    looked; so those to be looked at are found without a look at all others.
    """

    conversation_id = models.BigIntegerField(primary_key=True)
    # Whoever looks has it until then; null: nobody.
    leased_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.conversation_id} is to be looked at"


class ChoreRun(models.Model):
    """How a chore (imsite.core.chores) last went; one row each."""

    name = models.CharField(primary_key=True, max_length=40)
    ended_at = models.DateTimeField()
    # By when nothing was left that should have gone; null: never yet.
    clear_at = models.DateTimeField(null=True)
    # What went in the last run, by kind.
    gone = models.JSONField(default=dict)
    # The reading of the clock (imsite.core.caution) by which it ran, and since when one is doubted.
    reading = models.JSONField()
    doubt = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.name} {self.ended_at}"


class JoinRequest(models.Model):
    """Somebody asks to be let in."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "user"], name="request_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} asks to join {self.conversation_id}"


class Uncounted(models.Model):
    """A countable entry that does not count: recalled (user_id 0: for everyone), or a member's own
    above a marker that was moved back by force (for that member)."""

    conversation_id = models.BigIntegerField()
    user_id = models.BigIntegerField(default=0)
    seq = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation_id", "user_id", "seq"], name="uncounted_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id}:{self.seq} for {self.user_id or 'all'}"


class Mention(models.Model):
    """An entry that mentions a member (user_id 0: all of them); gone when the entry is recalled."""

    conversation_id = models.BigIntegerField()
    user_id = models.BigIntegerField(default=0)
    seq = models.BigIntegerField()
    sender_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation_id", "user_id", "seq"], name="mention_once"
            ),
        ]
        # Who is pushed for the newest entries: of an old group nobody reads all of its mentions.
        indexes = [models.Index(fields=["conversation_id", "seq"], name="mentions_at")]

    def __str__(self) -> str:
        return f"{self.conversation_id}:{self.seq} mentions {self.user_id or 'all'}"
