"""HTTP doors to other people: profiles, search, blocks."""

from django.http import HttpResponse

from accounts import blocks, profiles, shapes
from accounts.auth import Request
from imsite.core import clock
from imsite.core.doors import Door
from imsite.core.shapes import PageQuery


class OneUser(Door):
    """Show a user."""

    def get(self, request: Request, user_id: int) -> HttpResponse:
        """Return the profile of anyone, deleted users included."""
        return self.ok(profiles.one(user_id))


class Users(Door):
    """Show some users."""

    Query = shapes.Some

    def get(self, request: Request) -> HttpResponse:
        """Return the profiles in the order of the ids; unknown ids are left out."""
        return self.ok({"items": profiles.some(self.query(shapes.Some).ids), "next": None})


class SearchUsers(Door):
    """Search for users."""

    Query = shapes.Search
    limit = "search"

    def get(self, request: Request) -> HttpResponse:
        """Return a page of those whose username or display name begins with `q`."""
        query = self.query(shapes.Search)
        page = profiles.search(
            request.user.user_id, query.q, cursor=query.cursor, limit=query.limit
        )
        return self.ok(page)


class Blocks(Door):
    """List one's blocks."""

    Query = PageQuery

    def get(self, request: Request) -> HttpResponse:
        """Return a page of the users one blocks."""
        query = self.query(PageQuery)
        page = blocks.listed(request.user.user_id, cursor=query.cursor, limit=query.limit)
        return self.ok(page)


class AddBlock(Door):
    """Block a user."""

    Body = shapes.Someone
    limit = "act"

    def post(self, request: Request) -> HttpResponse:
        """Want no direct messages with someone, either way; groups are not touched."""
        other_id = self.body(shapes.Someone).user_id
        blocks.add(request.user.user_id, other_id, now=clock.now())
        return self.ok({})


class RemoveBlock(Door):
    """Unblock a user."""

    Body = shapes.Someone
    limit = "act"

    def post(self, request: Request) -> HttpResponse:
        """Take a block back."""
        blocks.remove(request.user.user_id, self.body(shapes.Someone).user_id)
        return self.ok({})
