"""Describes our doors to drf-spectacular: what they take is read off the views, the rest off a catalogue."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from drf_spectacular.drainage import warn
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from pydantic import TypeAdapter

from imsite import answers, catalogue
from imsite.core.doors import Door
from imsite.core.errors import AppError, Code
from imsite.sample import sample

_REQUEST_ID = {"type": "string", "examples": ["5f3a9c1e7b2d4860"]}
_PAIRS = "^[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*$"
_BEARER = {"type": "http", "scheme": "bearer", "description": "The access token."}
# What `data` of a failure tells, where it tells something.
_DETAILS: dict[Code, dict[str, Any]] = {
    Code.INVALID_REQUEST: {"fields": {"text": ["must not be empty"]}},
    Code.MUTED: {"until": None},
    Code.BANNED: {"until": None, "reason": "spam"},
    Code.TOO_LARGE: {"limit": 262_144},
    Code.RATE_LIMITED: {"retry_after_ms": 1500},
    Code.UNAVAILABLE: {"retry_after_ms": 1000},
}


def operation_id(path: str, method: str) -> str:
    """Return the stable name of an operation: its path's words, after `get` if it reads.

    >>> operation_id("/api/v1/accounts/users/{user_id}", "GET")
    'get_accounts_users_by_id'
    """
    steps = _steps(path)
    words = [step for step in steps if not step.startswith("{")]
    if steps[-1].startswith("{"):
        words.append("by_id")
    if method.upper() == "GET":
        words.insert(0, "get")
    return "_".join(words).replace("-", "_")


def sentence(code: Code) -> str:
    """Return what a person is told of a code: the first words of its exception."""
    meant = [each for each in _descendants(AppError) if each.code is code]
    meant.sort(key=lambda each: (each.__module__, each.__qualname__))
    return (
        (meant[0].__doc__ or "").partition("\n")[0]
        if meant
        else f"{code.slug.replace('_', ' ').capitalize()}."
    )


def _descendants(base: type[AppError]) -> Iterable[type[AppError]]:
    for each in base.__subclasses__():
        yield each
        yield from _descendants(each)


def _steps(path: str) -> list[str]:
    return path.removeprefix("/api/v1/").split("/")


def _tag(path: str) -> str:
    return "messages" if "/messages" in path else _steps(path)[0]


def _as_query(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a query parameter; a mapping is written as ID:SEQ pairs."""
    if schema.get("type") == "object":
        return {"type": "string", "pattern": _PAIRS, "examples": ["3:41,4:0"]}
    # Behind a validator that comes first, pydantic leaves the bound under its own name.
    names = {"ge": "minimum", "le": "maximum"}
    return {names.get(key, key): value for key, value in schema.items() if key != "title"}


class DoorSchema(AutoSchema):
    """The description of one door."""

    view: Door  # type: ignore[override]  # get_operation turns away all others

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> dict[str, Any] | None:
        """Return the OpenAPI operation of a door; other views are not part of the API."""
        if not isinstance(self.view, Door):
            return None
        self.registry, self.path, self.method = registry, path, method.upper()
        name = operation_id(path, method)
        found = catalogue.OPERATIONS.get(name)
        if found is None:
            warn(f"{name} is not in imsite.catalogue")
            found = catalogue.Operation({200: answers.Nothing})
        summary, _, rest = (getattr(self.view, method.lower()).__doc__ or "").partition("\n")
        operation: dict[str, Any] = {
            "operationId": name,
            "summary": summary.strip().rstrip("."),
            "description": re.sub(r"\s+", " ", rest).strip(),
            "tags": [_tag(path)],
            "parameters": [*self._path_parameters(), *self._query_parameters()],
            "security": [] if self.view.public else [self._bearer()],
            "responses": self._responses(found),
        }
        if self.method == "POST":
            operation["requestBody"] = self._request_body(found)
        return {key: value for key, value in operation.items() if value or key == "security"}

    def _path_parameters(self) -> list[dict[str, Any]]:
        schema = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
        return [
            {"name": name, "in": "path", "required": True, "schema": schema}
            for name in re.findall(r"{(\w+)}", self.path)
        ]

    def _query_parameters(self) -> list[dict[str, Any]]:
        if self.method != "GET":
            return []
        shape = self.view.Query.model_json_schema()
        required = shape.get("required", [])
        return [
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "schema": _as_query(schema),
                "explode": False,
            }
            for name, schema in shape.get("properties", {}).items()
        ]

    def _request_body(self, found: catalogue.Operation) -> dict[str, Any]:
        app = self.view.Body.__module__.partition(".")[0]
        schema = self._component(self.view.Body, prefix=f"{app}.")
        media = {"schema": schema, "example": dict(found.body)}
        return {"required": True, "content": {"application/json": media}}

    def _responses(self, found: catalogue.Operation) -> dict[str, Any]:
        answered = {str(status): self._answer(status, out) for status, out in found.answers.items()}
        if self.path.endswith("/sync"):
            answered["304"] = {"description": "Nothing new for the ETag in If-None-Match."}
        codes = {*self._common_errors(), *found.errors}
        return {**answered, **self._failures(codes)}

    def _common_errors(self) -> Iterable[Code]:
        yield Code.INVALID_REQUEST
        yield Code.UNAVAILABLE
        if not self.view.public:
            yield from (Code.NOT_AUTHENTICATED, Code.TOKEN_INVALID, Code.TOKEN_EXPIRED, Code.BANNED)
        if "{" in self.path:
            yield Code.NOT_FOUND
        if self.method == "POST":
            yield from (Code.TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
        if self.view.limit_for(self.method.lower()):
            yield Code.RATE_LIMITED

    def _answer(self, status: int, out: Any) -> dict[str, Any]:
        schema = {
            "type": "object",
            "required": ["code", "error", "message", "data", "request_id"],
            "properties": {
                "code": {"const": 0},
                "error": {"type": "null"},
                "message": {"const": "ok"},
                "data": self._component(out),
                "request_id": _REQUEST_ID,
            },
        }
        known = {key: component.schema for (key, _), component in self.registry._components.items()}
        media = {"schema": schema, "example": sample(schema, known)}
        return {
            "description": HTTPStatus(status).phrase,
            "content": {"application/json": media},
        }

    def _failures(self, codes: Iterable[Code]) -> dict[str, Any]:
        failures: dict[str, Any] = {}
        for code in sorted(codes, key=lambda each: each.value):
            answer = failures.setdefault(
                str(code.status),
                {
                    "description": HTTPStatus(code.status).phrase,
                    "content": {
                        "application/json": {
                            "schema": self._component(answers.Failure),
                            "examples": {},
                        }
                    },
                },
            )
            answer["content"]["application/json"]["examples"][code.slug] = self._failure(code)
        return failures

    def _failure(self, code: Code) -> dict[str, str]:
        value = {
            "code": code.value,
            "error": code.slug,
            "message": sentence(code),
            "data": _DETAILS.get(code),
            "request_id": _REQUEST_ID["examples"][0],
        }
        return self._put(ResolvedComponent.EXAMPLE, code.slug, {"value": value})

    def _component(self, model: Any, *, prefix: str = "") -> dict[str, Any]:
        """Return a reference to the schema of a model; what it is made of is put beside it."""
        schema = TypeAdapter(model).json_schema(
            ref_template="#/components/schemas/" + prefix + "{model}",
        )
        for name, part in schema.pop("$defs", {}).items():
            self._put(ResolvedComponent.SCHEMA, prefix + name, part)
        name = re.sub(r"\W", "", model.__name__)
        return self._put(ResolvedComponent.SCHEMA, prefix + name, schema)

    def _bearer(self) -> dict[str, list[str]]:
        self._put(ResolvedComponent.SECURITY_SCHEMA, "bearer", _BEARER)
        return {"bearer": []}

    def _put(self, kind: str, name: str, schema: dict[str, Any]) -> dict[str, str]:
        component = ResolvedComponent(name=name, type=kind, schema=schema, object=name)
        known = self.registry._components.get(component.key)
        if known is not None and known.schema != schema:
            warn(f"two different {kind} are called {name}")
        self.registry.register_on_missing(component)
        ref: dict[str, str] = component.ref
        return ref
