"""HTTP doors of conversations: opening, lists, heads, own settings, joining."""

from typing import Annotated, ClassVar, cast

from django.http import HttpResponse
from pydantic import Field

from accounts.auth import Request
from conversations import (
    headview,
    lists,
    markers,
    members,
    opening,
    shapes,
)
from imsite.core import clock
from imsite.core.doors import Door
from imsite.core.errors import NotFound
from imsite.core.shapes import PageQuery, QueryInt, Visible


class HeadDoor(Door):
    """A door that answers with the caller's head."""

    limit: ClassVar[str | None] = "act"

    def show(self, conversation_id: int, *, status: int = 200) -> HttpResponse:
        """Answer with the head as the caller sees it now."""
        request = cast(Request, self.request)
        head = headview.one(request.user.user_id, conversation_id)
        if head is None:
            raise NotFound
        return self.ok(head, status=status)


class Conversations(HeadDoor):
    """List the conversations, or open one."""

    Query = PageQuery
    Body = shapes.Opening

    def get(self, request: Request) -> HttpResponse:
        """List the active heads, pinned first, then the newest activity first."""
        query = self.query(PageQuery)
        return self.ok(
            lists.conversations(request.user.user_id, cursor_text=query.cursor, limit=query.limit)
        )

    def post(self, request: Request) -> HttpResponse:
        """Open a direct conversation or a group, once however often it is asked for."""
        body = self.body(shapes.Opening)
        user_id = request.user.user_id
        if body.kind == "direct":
            assert body.user_id is not None  # the shape demands it
            found, new = opening.direct(user_id, peer_id=body.user_id, now=clock.now())
        else:
            wanted = opening.Group(
                title=body.title or "",
                member_ids=tuple(body.member_ids or ()),
                client_id=body.client_id,
                settings=body.settings.changes() if body.settings else {},
            )
            found, new = opening.group(user_id, wanted, now=clock.now())
        return self.show(found, status=201 if new else 200)


class OneHead(HeadDoor):
    """Show one head."""

    limit = None
    short = frozenset({"GET"})

    def get(self, request: Request, conversation_id: int) -> HttpResponse:
        """Return the head as the caller sees it, after leaving too."""
        return self.show(conversation_id)


class Members(Door):
    """List the members."""

    class Query(PageQuery):
        """A page, of those whose name begins with `q`."""

        q: Annotated[str, Field(min_length=1, max_length=100), Visible] | None = None

    def get(self, request: Request, conversation_id: int) -> HttpResponse:
        """Return a page of members."""
        query = self.query(self.Query)
        page = lists.members(
            request.user.user_id,
            conversation_id,
            q=query.q,
            cursor_text=query.cursor,
            limit=query.limit,
        )
        return self.ok(page)


class Requests(Door):
    """List those who ask to be let in."""

    Query = PageQuery

    def get(self, request: Request, conversation_id: int) -> HttpResponse:
        """Return a page of requests."""
        query = self.query(PageQuery)
        page = lists.requests(
            request.user.user_id, conversation_id, cursor_text=query.cursor, limit=query.limit
        )
        return self.ok(page)


class Reads(Door):
    """List who has read how far."""

    class Query(PageQuery):
        """A page of those at or past `seq`."""

        seq: QueryInt

    def get(self, request: Request, conversation_id: int) -> HttpResponse:
        """Return a page of readers."""
        query = self.query(self.Query)
        page = lists.reads(
            request.user.user_id,
            conversation_id,
            seq=query.seq,
            cursor_text=query.cursor,
            limit=query.limit,
        )
        return self.ok(page)


class Join(HeadDoor):
    """Join an open group, or ask to be let in."""

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Join (200, the head) or ask (202)."""
        if members.join(request.user.user_id, conversation_id, now=clock.now()):
            return self.show(conversation_id)
        return self.ok({"state": "pending"}, status=202)


class Read(HeadDoor):
    """Move the read marker."""

    Body = shapes.Reading
    short = frozenset({"POST"})

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Move the marker forward, or back with `force`."""
        body = self.body(shapes.Reading)
        caller = request.user
        markers.move(
            caller.user_id,
            conversation_id,
            seq=body.seq,
            force=body.force,
            device_id=caller.device_id,
        )
        return self.show(conversation_id)


class Settings(HeadDoor):
    """Change one's own view of a conversation."""

    Body = shapes.OwnSettings

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Change notify, pinned, hidden or nickname."""
        changes = self.body(shapes.OwnSettings).changes()
        markers.settle(request.user.user_id, conversation_id, changes=changes)
        return self.show(conversation_id)


class Typing(HeadDoor):
    """Tell the others that one is typing."""

    def post(self, request: Request, conversation_id: int) -> HttpResponse:
        """Send a typing ping, at most one in three seconds."""
        markers.typing(request.user.user_id, conversation_id)
        return self.show(conversation_id)
