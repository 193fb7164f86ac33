"""HTTP doors of one's own account: in, out, devices, profile, password, the end."""

from django.http import HttpResponse

from accounts import devices, identity, profiles, shapes, tickets, tokens
from accounts.auth import Request
from imsite.core import clock, limits
from imsite.core.doors import Door
from imsite.core.shapes import PageQuery


class PublicDoor(Door):
    """A door for those who have no valid token, so none is read: a stale one must not keep them out."""

    public = True
    authentication_classes = []


class Register(PublicDoor):
    """Make an account."""

    Body = shapes.Registration
    limit = "register"

    def post(self, request: Request) -> HttpResponse:
        """Make an account and sign its first device in."""
        body = self.body(shapes.Registration)
        newcomer = identity.Newcomer(
            username=body.username, password=body.password, display_name=body.display_name
        )
        claim = shapes.claim(body.device)
        return self.ok(identity.register(newcomer, claim, now=clock.now()), status=201)


class Login(PublicDoor):
    """Log in."""

    Body = shapes.Login
    limit = "login"

    def post(self, request: Request) -> HttpResponse:
        """Sign a device in, counted by address and by username."""
        body = self.body(shapes.Login)
        limits.hit("login", identity.name_key(body.username))
        claim = shapes.claim(body.device)
        signed = identity.log_in(body.username, body.password, claim, now=clock.now())
        return self.ok(signed)


class Refresh(PublicDoor):
    """Refresh tokens."""

    Body = shapes.Refresh
    limit = "refresh"

    def post(self, request: Request) -> HttpResponse:
        """Turn a refresh token into fresh tokens; it serves once."""
        body = self.body(shapes.Refresh)
        return self.ok(tokens.refresh(body.refresh, now=clock.now()))


class Logout(Door):
    """Log out."""

    limit = "act"

    def post(self, request: Request) -> HttpResponse:
        """End this device: its tokens, tickets and sockets."""
        caller = request.user
        devices.end(caller.user_id, [caller.device_id], now=clock.now())
        return self.ok({})


class Devices(Door):
    """List one's devices."""

    Query = PageQuery

    def get(self, request: Request) -> HttpResponse:
        """Return a page of the devices that are signed in."""
        query = self.query(PageQuery)
        return self.ok(devices.listed(request.user, cursor=query.cursor, limit=query.limit))


class Revoke(Door):
    """Revoke a device."""

    limit = "act"

    def post(self, request: Request, device_id: int) -> HttpResponse:
        """End one of one's own devices; it is refused within a second."""
        devices.revoke(request.user.user_id, device_id, now=clock.now())
        return self.ok({})


class Me(Door):
    """Show or change one's own profile."""

    Body = shapes.Profile

    def limit_for(self, method: str) -> str | None:
        """Count changes only."""
        return "act" if method == "post" else None

    def get(self, request: Request) -> HttpResponse:
        """Return the profile as its owner sees it."""
        return self.ok(profiles.own(request.user.user_id))

    def post(self, request: Request) -> HttpResponse:
        """Change the fields given and return the profile."""
        changes = self.body(shapes.Profile).changes()
        return self.ok(profiles.change(request.user.user_id, changes))


class Password(Door):
    """Change the password."""

    Body = shapes.NewPassword
    limit = "login"

    def post(self, request: Request) -> HttpResponse:
        """Set another password; all other devices end."""
        body = self.body(shapes.NewPassword)
        identity.change_password(request.user, old=body.old, new=body.new, now=clock.now())
        return self.ok({})


class Delete(Door):
    """Delete the account."""

    Body = shapes.Closing
    limit = "login"

    def post(self, request: Request) -> HttpResponse:
        """Erase the person; what they wrote stays, as from a deleted user."""
        password = self.body(shapes.Closing).password
        identity.close(request.user.user_id, password=password, now=clock.now())
        return self.ok({})


class Export(Door):
    """Export the account."""

    limit = "search"

    def get(self, request: Request) -> HttpResponse:
        """Return all that is stored of the caller."""
        return self.ok(identity.export(request.user.user_id))


class WsTicket(Door):
    """Get a ticket for a socket."""

    limit = "act"

    def post(self, request: Request) -> HttpResponse:
        """Return a ticket that opens one socket within 30 seconds."""
        return self.ok(tickets.issue(request.user, now=clock.now()))
