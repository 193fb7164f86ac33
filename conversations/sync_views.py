"""The HTTP door of sync."""

from hashlib import blake2b
from typing import Annotated

from django.conf import settings
from django.http import HttpResponse, HttpResponseNotModified

from accounts import presence
from accounts.auth import Request
from conversations import sync
from imsite.core import clock
from imsite.core.doors import Door
from imsite.core.shapes import Limit, PageQuery, QueryInt, at_most

# Items in one answer: with more of them asked for, it shows fewer heads at once.
_MOST_ITEMS = 2_000


class Sync(Door):
    """Pull every head that changed since a cursor."""

    limit = "sync"
    short = frozenset({"GET"})

    class Query(PageQuery):
        """Where to go on, how much to take, how long to wait."""

        limit: Limit = 100
        wait: Annotated[QueryInt, at_most(55)] = 0
        messages: Annotated[QueryInt, at_most(20)] = 0

    def get(self, request: Request) -> HttpResponse:
        """Return the changed heads and the cursor that goes on; 304 if the caller holds them.

        Waiting is done in front of this door (conversations.longpoll), where it costs no thread.
        """
        query = self.query(self.Query)
        user_id = request.user.user_id
        limit = min(query.limit, _MOST_ITEMS // max(1, query.messages))
        found = sync.changes(user_id, cursor_text=query.cursor, limit=limit)
        etag = self.etag(found.mark, query.messages, None if found.quiet else found.total)
        if etag in request.META.get("HTTP_IF_NONE_MATCH", ""):
            return self.marked(HttpResponseNotModified(), etag, found.quiet)
        if query.messages:
            sync.with_items(user_id, found, query.messages)
            reached = [(head["id"], head["last_seq"]) for head in found.items if head["items"]]
            presence.pulled(request.user.device_id, reached)
        total = sync.unread_total(user_id) if found.total is None else found.total
        return self.marked(self.ok(self.answer(found, total)), etag, found.quiet)

    @staticmethod
    def answer(found: sync.Changes, total: int) -> dict[str, object]:
        """Return the data of the answer."""
        return {
            "cursor": found.cursor,
            "more": found.more,
            "reset": found.reset,
            "items": found.items,
            "unread_total": total,
            "next_poll_ms": 0 if found.more else settings.IM_POLL_MS,
            "server_time": clock.wire(clock.now()),
        }

    @staticmethod
    def etag(mark: str, messages: int, total: int | None) -> str:
        """Return the ETag of what is shown (for a quiet answer the cursor implies the total)."""
        content = f"{mark}:{messages}:{total}".encode()
        return f'"{blake2b(content, digest_size=12).hexdigest()}"'

    def marked(self, response: HttpResponse, etag: str, quiet: bool) -> HttpResponse:
        """Add the headers of a sync answer; a private one tells the long-poll to go on waiting."""
        response.headers["ETag"] = etag
        response.headers["Cache-Control"] = "private, no-cache"
        if quiet and self.request.META.get("imsite.waits"):
            response.headers["IM-Quiet"] = "1"
        return response
