"""The log in the admin: entries as they stand, to look at and never to write."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import ByPerson, person
from conversations.admin import ByConversation
from conversations.models import Membership
from imsite.core.desk import keyset, shown
from imsite.core.desk.acts import Acting
from imsite.core.desk.typed import number
from messages import (  # noqa: F401 - most register themselves
    acts,
    badgeacts,
    casedesk,
    helddesk,
    recalldesk,
    ruledesk,
    search,
    wire,
)
from messages.models import SEQ_BITS, Entry, packed


class InLog(ByConversation):
    """One log: a range of keys."""

    def find(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the entries of this conversation."""
        place = number(value) or 0
        if place >> (63 - SEQ_BITS):
            return rows.none()
        return rows.filter(pk__gt=packed(place, 0), pk__lt=packed(place + 1, 0))


class BySender(ByPerson):
    """What one person sent: looked for in the logs that they are or were in."""

    title = "sender (id or name)"
    parameter_name = "sender"

    def find(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return what this person sent; notices are the server's, whoever they are about."""
        sender_id = person(value)
        theirs = Membership.objects.filter(user_id=sender_id).values("conversation_id")
        # By the index that keeps client_ids once, conversation by conversation.
        return rows.filter(conversation_id__in=theirs, sender_id=sender_id, client_id__isnull=False)


@admin.register(Entry)
class EntryAdmin(Acting):
    """Entries, the newest of a log first, logs by their number."""

    task = "Conversations"
    subject = "entry"
    list_display = [
        "place",
        "sender",
        "kind",
        "said",
        "created_at",
        "recalled_at",
    ]
    list_filter = [InLog, BySender]
    list_select_related = ["sender"]
    search_fields = ["wire"]
    search_help_text = "Words; the last may go on."
    fields = [
        "place", "sender", "kind", "said", "ordinal", "created_at", "recalled_at", "client_id",
    ]  # fmt: skip

    def search(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Find entries by their words, through the index of them."""
        below, above = (keyset.position(request, name) for name in (keyset.AFTER, keyset.BEFORE))
        count = self.list_per_page + 1
        return rows.filter(pk__in=search.places(term, below=below, above=above, count=count))

    @admin.display(description="place")
    def place(self, entry: Entry) -> str:
        """Return conversation and seq."""
        return f"{entry.conversation_id}:{entry.seq}"

    @admin.display(description="text")
    def said(self, entry: Entry) -> Any:
        """Return what it says, of whatever kind."""
        return said(entry.wire)


def said(text: str, limit: int = 300) -> Any:
    """Return what a wire says as one text."""
    item = wire.decode(text)
    if "recalled_at" in item:
        return "recalled"
    return shown.text(casedesk.words(item), limit)
