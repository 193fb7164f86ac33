"""HTTP doors of pushes: the device's token, and how its person wants to be woken."""

from django.http import HttpResponse

from accounts.auth import Request
from imsite.core import clock
from imsite.core.doors import Door
from push import preferences, shapes, tokens, why


class Tokens(Door):
    """Register a push token, or list the devices that have one."""

    Body = shapes.Registration

    def limit_for(self, method: str) -> str | None:
        """Count changes only."""
        return "act" if method == "post" else None

    def get(self, request: Request) -> HttpResponse:
        """Return those of one's devices that can be woken, without their tokens."""
        return self.ok(tokens.listed(request.user))

    def post(self, request: Request) -> HttpResponse:
        """Bind a token to this device, in place of its old one; it moves from whoever had it."""
        wanted = self.body(shapes.Registration).wanted()
        return self.ok(tokens.register(request.user, wanted, now=clock.now()))


class RemoveToken(Door):
    """Remove a push token."""

    limit = "act"

    def post(self, request: Request) -> HttpResponse:
        """Wake this device no more, however often."""
        tokens.remove(request.user.device_id)
        return self.ok({})


class WebpushKey(Door):
    """Show the key of Web Push."""

    def get(self, request: Request) -> HttpResponse:
        """Return what browsers want as `applicationServerKey` when they subscribe."""
        # Loaded when a browser asks: what makes keys takes every process 0.1 s to load.
        from push.providers import vapid

        return self.ok({"key": vapid.public_key()})


class Settings(Door):
    """Show or change how one wants to be woken."""

    Body = shapes.Settings

    def limit_for(self, method: str) -> str | None:
        """Count changes only."""
        return "act" if method == "post" else None

    def get(self, request: Request) -> HttpResponse:
        """Return whether pushes may tell what was said, and the quiet hours."""
        return self.ok(preferences.of(request.user.user_id).shape())

    def post(self, request: Request) -> HttpResponse:
        """Change them; quiet hours that are absent stay, null lifts them."""
        body = self.body(shapes.Settings)
        wishes = preferences.change(
            request.user.user_id,
            preview=body.preview,
            quiet=body.quiet_hours.hours() if body.quiet_hours else None,
            keep_quiet="quiet_hours" not in body.model_fields_set,
            now=clock.now(),
        )
        return self.ok(wishes.shape())


class Why(Door):
    """Find out why a message woke one's devices, or did not."""

    Query = shapes.Why
    limit = "search"

    def get(self, request: Request) -> HttpResponse:
        """Return for each of one's devices what was decided about an entry, and why."""
        query, caller = self.query(shapes.Why), request.user
        found = why.explain(
            caller.user_id,
            query.conversation_id,
            query.seq,
            now=clock.now(),
            device_id=caller.device_id,
        )
        return self.ok(found)
