"""Conversations and memberships in the admin: to look at."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin import ByPerson, person
from conversations import acts  # noqa: F401 - offers its acts
from conversations.models import Conversation, Membership
from imsite.core.desk import shown
from imsite.core.desk.acts import Acting
from imsite.core.desk.parts import Panel, panels
from imsite.core.desk.typed import Typed, number

# Rows of a panel: the rest is in the list.
_SHOWN = 20


class OfPerson(Typed):
    """Conversations that somebody is or was in."""

    title = "member (id or name)"
    parameter_name = "member"

    def find(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the conversations of this person."""
        theirs = Membership.objects.filter(user_id=person(value))
        return rows.filter(pk__in=theirs.values("conversation_id"))


@admin.register(Conversation)
class ConversationAdmin(Acting):
    """Conversations: head, floor and settings."""

    task = "Conversations"
    subject = "conversation"
    list_display = ["id", "called", "member_count", "head_seq", "last_at", "created_at", "state"]
    list_filter = [OfPerson, "kind", "join"]
    list_select_related = ["low", "high"]
    search_fields = ["title"]
    search_help_text = "A part of a title, or an id."
    fields = [
        "id", "kind", "called", "announcement", "member_count", "state", "mute_all", "join",
        "history", "retention_days", "created_at", "last_at", "head_seq", "head_ordinal",
        "floor_seq", "links",
    ]  # fmt: skip

    def search(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Find conversations by a part of the title, or by id."""
        given = number(term)
        return rows.filter(title__icontains=term) if given is None else rows.filter(pk=given)

    @admin.display(description="title")
    def called(self, conversation: Conversation) -> Any:
        """Return the title, or whose direct conversation it is."""
        return called(conversation)

    @admin.display(description="state")
    def state(self, conversation: Conversation) -> str:
        """Say whether it goes on."""
        ended: datetime | None = conversation.dissolved_at
        if ended is None and conversation.frozen_at is not None:
            return f"frozen {conversation.frozen_at:%Y-%m-%d %H:%M}"
        return f"dissolved {ended:%Y-%m-%d %H:%M}" if ended else "active"

    @admin.display(description="more")
    def links(self, conversation: Conversation) -> Any:
        """Link the members and the log."""
        members = reverse("admin:conversations_membership_changelist")
        log = reverse("admin:messagelog_entry_changelist")
        ask = f"?conversation={conversation.pk}"
        return format_html(
            '<a href="{}">members</a> · <a href="{}">log</a>', members + ask, log + ask
        )


def called(conversation: Conversation) -> Any:
    """Return what staff see as the name of a conversation."""
    if conversation.kind == "group":
        return shown.text(conversation.title or "", 60)
    return shown.text(f"{conversation.low} – {conversation.high}", 80)


class ByConversation(Typed):
    """Rows of one conversation, by id."""

    title = "conversation (id)"
    parameter_name = "conversation"

    def find(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the rows of this conversation."""
        return rows.filter(conversation_id=number(value) or 0)


@admin.register(Membership)
class MembershipAdmin(Acting):
    """Who is where, and how far they have read."""

    task = "Conversations"
    list_display = [
        "id",
        "conversation",
        "user",
        "role",
        "state",
        "read_seq",
        "joined_at",
        "muted_until",
    ]
    list_filter = [ByConversation, ByPerson]
    list_select_related = ["conversation", "user"]
    fields = [
        "conversation", "user", "role", "state", "joined_at", "visible_from", "left_seq",
        "read_seq", "read_ordinal", "muted_until", "notify", "pinned", "hidden",
        "nickname",
    ]  # fmt: skip


def memberships(user_id: int, *, now: datetime) -> Panel:
    """Return where a person is, the newest memberships first."""
    seats = Membership.objects.filter(user_id=user_id).order_by("-pk")
    found = list(seats.select_related("conversation__low", "conversation__high")[:_SHOWN])
    listed = reverse("admin:conversations_membership_changelist")
    return Panel(
        title="Conversations",
        columns=[
            "conversation",
            "title",
            "role",
            "state",
            "read to",
            "of",
            "notify",
            "muted until",
        ],
        rows=[_row(seat, now) for seat in found],
        url=f"{listed}?user={user_id}" if len(found) == _SHOWN else "",
    )


def _row(seat: Membership, now: datetime) -> list[Any]:
    where = seat.conversation
    link = reverse("admin:conversations_conversation_change", args=[where.pk])
    muted = seat.muted_until if seat.muted_until and seat.muted_until > now else None
    return [
        format_html('<a href="{}">{}</a>', link, where.pk),
        called(where),
        seat.role,
        seat.state,
        seat.read_seq,
        where.head_seq if seat.left_seq is None else seat.left_seq,
        seat.notify,
        f"{muted:%Y-%m-%d %H:%M}" if muted else "–",
    ]


panels.register("conversations.view_membership", memberships)
