"""The base of every HTTP door of the API: method, credentials, limit, strict parsing, then one call."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.views import APIView

from imsite.core import limits, strict
from imsite.core.envelope import NotAllowed, ok, ok_bytes, on_exception
from imsite.core.errors import AppError, Code
from imsite.core.shapes import NoBody, NoQuery, Shape

S = TypeVar("S", bound=Shape)


class NotAuthenticated(AppError):
    """Log in first and send the access token as a bearer token."""

    code = Code.NOT_AUTHENTICATED


class Door(APIView):
    """A route: declares what it takes, and how often; its method makes one domain call and answers.

    `Query` is read for GET, `Body` for POST; a route that declares none takes none.
    """

    Query: ClassVar[type[Shape]] = NoQuery
    Body: ClassVar[type[Shape]] = NoBody
    public: ClassVar[bool] = False
    limit: ClassVar[str | None] = None
    # Methods that do so little that they need no thread of their own: no file, no password, no search.
    short: ClassVar[frozenset[str]] = frozenset()
    # False where the domain has a parser of its own that takes `raw_body` (messages).
    reads_body: ClassVar[bool] = True
    # The costly frames of DRF that a JSON-only API does not need.
    renderer_classes = []

    def __init_subclass__(cls) -> None:
        """Answer HEAD as GET: what has a body is cut off by the server."""
        if "get" in vars(cls):
            cls.head = cls.get  # type: ignore[attr-defined]

    @classmethod
    def as_view(cls) -> Callable[..., HttpResponse]:  # type: ignore[override]
        """Return what Django calls for each request: Django's and DRF's own check and copy the same again."""

        def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            door = cls()
            door.request = request  # type: ignore[assignment]
            return door.dispatch(request, *args, **kwargs)

        # By these the description of the API, and the bridge, know a door.
        view.cls, view.initkwargs = cls, {}  # type: ignore[attr-defined]
        return view

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer a request; DRF's own frame negotiates formats and headers that we do not have.

        Doors get Django's request as it is: DRF's wrap around it costs more than the rest of this.
        """
        try:
            self.initial(request, *args, **kwargs)
            handler = getattr(self, (request.method or "").lower())
            response: HttpResponse = handler(request, *args, **kwargs)
        except Exception as error:
            response = on_exception(error, {"request": request})
            if isinstance(error, NotAllowed):
                response.headers["Allow"] = self._allow()
        return response

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Refuse what must not reach the domain; keep the parsed query and body."""
        method = (request.method or "").lower()
        if method not in self.http_method_names or not hasattr(self, method):
            raise NotAllowed
        if method == "options":
            return
        request.user = self.caller(request)
        if not self.public and request.user is None:
            raise NotAuthenticated
        if scope := self.limit_for(method):
            limits.hit(scope, self.limit_key(request))
        reads = method in ("get", "head")
        found = strict.parse_query(request.META.get("QUERY_STRING", ""))
        self._query = (self.Query if reads else NoQuery).read(found)
        self.raw_body = {} if reads else self.json(request)
        if self.reads_body and not reads:
            self._body = self.Body.read(self.raw_body)

    def caller(self, request: HttpRequest) -> Any:
        """Return who calls, by what REST_FRAMEWORK names as authentication; None without credentials."""
        for each in self.authentication_classes:
            if found := each().authenticate(request):  # type: ignore[arg-type]  # it reads META alone
                return found[0]
        return None

    def limit_for(self, method: str) -> str | None:
        """Say which limit a method is under."""
        return self.limit

    def limit_key(self, request: HttpRequest) -> str:
        """Say whose budget this request uses: the user's, else the address's."""
        caller: Any = request.user
        if caller is not None:
            return f"u{caller.user_id}"
        return "a" + limits.address(request.META)

    def json(self, request: HttpRequest) -> dict[str, Any]:
        """Return the body as an object: size first, then media type, then content."""
        meta = request.META
        limit = settings.IM_MAX_BODY
        length = meta.get("CONTENT_LENGTH") or "0"
        if length.isascii() and length.isdigit() and int(length) > limit:
            raise strict.TooLarge(data={"limit": limit})
        raw = request.read(limit + 1)
        if len(raw) > limit:
            raise strict.TooLarge(data={"limit": limit})
        strict.check_media_type(meta.get("CONTENT_TYPE", ""), meta.get("HTTP_CONTENT_ENCODING", ""))
        return strict.parse_object(raw)

    def query(self, shape: type[S]) -> S:
        """Return the query, already checked."""
        return cast(S, self._query)

    def body(self, shape: type[S]) -> S:
        """Return the body, already checked."""
        return cast(S, self._body)

    def ok(self, data: Any, *, status: int = 200) -> HttpResponse:
        """Answer with `data`."""
        return ok(self.request, data, status=status)

    def ok_bytes(self, data: bytes, *, status: int = 200) -> HttpResponse:
        """Answer with JSON that is already rendered."""
        return ok_bytes(self.request, data, status=status)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Say which methods there are."""
        return HttpResponse(status=204, headers={"Allow": self._allow()})

    def _allow(self) -> str:
        return ", ".join(self.allowed_methods)
