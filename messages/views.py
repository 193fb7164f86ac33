"""HTTP doors of the log: send, pages, correct, react, report, search."""

from django.http import HttpResponse

from accounts import presence
from accounts.auth import Request
from imsite.core import clock, limits
from imsite.core.doors import Door
from messages import (
    batches,
    corrections,
    drafts,
    history,
    reactions,
    reports,
    search,
    shapes,
    writer,
)
from messages.history import Ask


class PageDoor(Door):
    """A door to pages."""

    def show(self, request: Request, page: history.Page) -> HttpResponse:
        """Answer with a page; the caller's device need not be woken for what is in it."""
        presence.pulled(request.user.device_id, page.reached.items())
        return self.ok_bytes(page.body)


class Messages(PageDoor):
    """Send a message, or pull a page of a log."""

    Query = shapes.PagePosition
    Body = drafts.Message
    short = frozenset({"GET", "POST"})
    reads_body = False

    def limit_for(self, method: str) -> str | None:
        """Charge sends; pulls are free."""
        return "send" if method == "post" else None

    def get(self, request: Request, conversation_id: int) -> HttpResponse:
        """Return a page of the log: before, after or around a seq, or the newest."""
        query = self.query(shapes.PagePosition)
        ask = Ask(
            limit=query.limit,
            chat=query.view == "chat",
            before=query.before,
            after=query.after,
            around=query.around,
        )
        return self.show(request, history.page(request.user.user_id, conversation_id, ask))

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Append a message; a retry under the same client_id gets the first answer."""
        draft = drafts.parse(conversation_id, request.user.user_id, self.raw_body)
        receipt = writer.send(draft)
        return self.ok(receipt.shape(), status=200 if receipt.duplicate else 201)


class AtTime(PageDoor):
    """Jump to a time."""

    Query = shapes.AtTime
    short = frozenset({"GET"})

    def get(self, request: Request, conversation_id: int) -> HttpResponse:
        """Return the page around the first item at or after a time."""
        query = self.query(shapes.AtTime)
        ask = Ask(limit=query.limit, chat=query.view == "chat")
        user_id = request.user.user_id
        page = history.page_at(user_id, conversation_id, moment=query.time, ask=ask)
        return self.show(request, page)


class Many(PageDoor):
    """Send to, or pull from, several conversations at once."""

    Query = shapes.Places
    Body = shapes.Batch
    short = frozenset({"GET", "POST"})

    def get(self, request: Request) -> HttpResponse:
        """Return a page of each conversation after its seq; null for what one may not read."""
        query = self.query(shapes.Places)
        page = history.pages(request.user.user_id, query.after, limit=query.limit)
        return self.show(request, page)

    def post(self, request: Request) -> HttpResponse:
        """Send up to 100 messages, each for itself, in the order given."""
        items = self.body(shapes.Batch).items
        limits.hit("send", self.limit_key(request), cost=len(items))
        return self.ok({"items": batches.send(request.user.user_id, items)})


class Recall(Door):
    """Take a message back."""

    limit = "act"

    def post(self, request: Request, conversation_id: int, seq: int) -> HttpResponse:
        """Recall an own message within two minutes, or any as owner or admin."""
        user_id = request.user.user_id
        return self.ok(corrections.recall(user_id, conversation_id, seq, now=clock.now()))


class Edit(Door):
    """Change a message."""

    limit = "act"
    Body = drafts.Revision
    reads_body = False

    def post(self, request: Request, conversation_id: int, seq: int) -> HttpResponse:
        """Edit an own message within 24 hours; what is not given stays."""
        edit = drafts.parse_edit(self.raw_body)
        user_id = request.user.user_id
        item = corrections.edit(user_id, conversation_id, seq, edit=edit, now=clock.now())
        return self.ok(item)


class React(Door):
    """Add or remove an emoji."""

    limit = "act"
    Body = shapes.React

    def post(self, request: Request, conversation_id: int, seq: int) -> HttpResponse:
        """React to an item, once per emoji."""
        body = self.body(shapes.React)
        item = reactions.react(
            request.user.user_id,
            conversation_id,
            seq,
            emoji=body.emoji,
            add=body.op == "add",
            now=clock.now(),
        )
        return self.ok(item)


class Pin(Door):
    """Pin an item."""

    limit = "act"
    pinned = True

    def post(self, request: Request, conversation_id: int, seq: int) -> HttpResponse:
        """Pin or unpin: owner and admins, in a direct conversation both."""
        item = corrections.pin(
            request.user.user_id, conversation_id, seq, pinned=self.pinned, now=clock.now()
        )
        return self.ok(item)


class Unpin(Pin):
    """Unpin an item."""

    pinned = False


class ReportEntry(Door):
    """Report an item to the moderators."""

    limit = "act"
    Body = shapes.Reported

    def post(self, request: Request, conversation_id: int, seq: int) -> HttpResponse:
        """Report an item; the same person's second report is the first."""
        body = self.body(shapes.Reported)
        found = reports.report(
            request.user.user_id,
            conversation_id=conversation_id,
            seq=seq,
            reason=body.reason,
            note=body.note,
            now=clock.now(),
        )
        return self.ok({"id": found})


class Search(Door):
    """Find messages by their words."""

    limit = "search"
    Query = shapes.SearchQuery

    def get(self, request: Request) -> HttpResponse:
        """Return a page of what the caller may read and holds every word, the newest first."""
        query = self.query(shapes.SearchQuery)
        found = search.find(
            request.user.user_id,
            q=query.q,
            conversation_id=query.conversation_id,
            cursor=query.cursor,
            limit=query.limit,
        )
        return self.ok(found)
