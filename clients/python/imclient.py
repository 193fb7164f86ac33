"""The reference client of imsite: one file to read, to import, or to copy from.

The protocol in thirty lines. Every conversation is a log of items numbered by `seq`: 1, 2, 3 …
without holes. The server pushes no messages to you. You pull them, and three questions suffice.

1. What changed?  GET /sync?cursor=C answers with the *heads* that changed since C, and with the
   next cursor. A head is the state of a conversation (title, last_seq, unread …), never a delta:
   the newest `version` wins, so an answer may come twice, late or in parallel and do no harm.
   Save the cursor together with the heads it covers. `more`: ask again at once. `reset`: the
   server was restored, so forget what you hold. 304: nothing new. `next_poll_ms`: come back then.
2. What was said?  GET /conversations/ID/messages?after=SEQ gives the page after what you hold.
   Pull until you hold head.last_seq. Seqs are dense, so plain arithmetic proves nothing is missing.
   Edits, recalls, reactions and pins are items too; each names its `target`, which the server
   rewrote: pull the target again and you hold the present state.
3. Is it time to ask?  A websocket sends pings: `seq` (these logs grew, pull them) and `sync`
   (something else changed, sync). Pings carry no content and may get lost. You poll as well, only
   more seldom. A client that ignores pings is slower, never wrong.

Sending: make one `client_id` (a UUID) per message, write the message to the outbox, then POST it.
No answer means unknown, not failed. Post again with the same client_id, as often as it takes: the
server keeps one copy and answers with the first seq.

Tokens: `access` is short-lived. On `token_expired` refresh, and save the new pair before its first
use, because a refresh token serves only once.

    async with Client("http://127.0.0.1:8000", "me.db") as client:
        await client.login("alice", "correct horse")
        async for change in client.watch():
            print(change.kind, change.conversation_id, change.data)

The classes, bottom up: `Store` (SQLite), `Http` (envelope, tokens), `Feed` (who hears of changes),
`Syncer` (questions 1 and 2), `Pinger` (question 3), `Outbox` (sending), `Client`, `CLI`.
Failures: `ApiError` (the server refused), `Unreachable` (nobody knows), `ProtocolError` (a hole).
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import io
import json
import logging
import os
import random
import sqlite3
import sys
import time
import unicodedata
import uuid
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO, TypeVar
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

Json = dict[str, Any]
Query = Mapping[str, str | int | None]
View = Literal["log", "chat"]
Kind = Literal["head", "item", "typing", "read", "sent", "refused", "reset"]
T = TypeVar("T")

log = logging.getLogger("imclient")

PAGE = 200  # the most the server gives at once
PAGE_OF_MANY = 50  # per conversation, when many are pulled together
PULL_TOGETHER = 100  # conversations in one GET /messages
BATCH_BYTES = 200_000  # a request body may hold 256 KiB
FRAME_BYTES = 32_000  # a websocket frame may hold 32 KiB
HEADS_WITHIN = 5.0  # a seq ping brings items only; unread counts follow by a sync this much later
POLL_BESIDE_SOCKET = 60.0  # lost pings cost at most this long
STEADY = 30.0  # a socket that lived this long was a good one: start the backoff afresh
RENEWABLE = ("not_authenticated", "token_expired", "token_invalid")


class ImError(Exception):
    """Whatever this client raises on purpose."""

    retry_after: float = 0.0


class Unreachable(ImError):
    """No answer, or none from an imsite server: whether it was done is unknown."""


class ProtocolError(ImError):
    """The server broke a promise of the protocol, such as a hole in a log."""


class ApiError(ImError):
    """The server understood and refused; `error` is the stable name to branch on."""

    def __init__(
        self,
        status: int,
        code: int,
        error: str,
        message: str,
        data: Json | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{message} ({error}, {code})")
        self.status, self.code, self.error = status, code, error
        self.message, self.data, self.request_id = message, data, request_id
        self.retry_after = float((data or {}).get("retry_after_ms") or 0) / 1000

    @property
    def ends_session(self) -> bool:
        """Trying again is useless before someone logs in."""
        return self.status == 401 or self.error == "banned"


def passing(error: ImError) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, ApiError):
        return error.status == 429 or error.status >= 500
    return True


class Backoff:
    """Full jitter: a random wait below a doubling ceiling, so that a crowd spreads out."""

    def __init__(self, base: float = 0.5, cap: float = 30.0) -> None:
        self.base, self.cap, self.tries = base, cap, 0

    def reset(self) -> None:
        self.tries = 0

    def delay(self, error: ImError | None = None) -> float:
        """How long to wait now; what the server asked for comes first, the jitter on top."""
        ceiling = min(self.cap, self.base * 2 ** min(self.tries, 16))
        self.tries += 1
        return (error.retry_after if error else 0.0) + random.uniform(0, ceiling)


async def patiently(
    attempt: Callable[[], Awaitable[T]], *, tries: int = 4, longest: float = 30.0
) -> T:
    """Repeat what may safely be repeated; give up on a lasting error or too long a wait."""
    backoff = Backoff()
    while True:
        try:
            return await attempt()
        except ImError as error:
            delay = backoff.delay(error)
            if backoff.tries >= tries or delay > longest or not passing(error):
                raise
        await asyncio.sleep(delay)


def dumps(value: object) -> str:
    """Encode compactly; a lone surrogate stays escaped, for the server (not us) to refuse."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text


def loads(text: str) -> Json:
    value: Json = json.loads(text)
    return value


def given(**fields: Any) -> Json:
    """The fields that were given: the server refuses what it does not expect."""
    return {name: value for name, value in fields.items() if value is not None}


class Unsent(NamedTuple):
    """A row of the outbox."""

    client_id: str
    conversation_id: int
    draft: Json
    tries: int


class Span(NamedTuple):
    """What is held of a log: first..last without holes (nothing, if first = last + 1)."""

    first: int
    last: int


class Store:
    """What survives a restart: session, cursor, heads, items, outbox; for one account.

    Several processes may share a file. What they learn from the server is guarded by compare and
    set (`apply_sync`, `put_page`), so whoever comes second changes nothing.
    """

    SCHEMA = """
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS heads (
            id INTEGER PRIMARY KEY, version INTEGER NOT NULL, active INTEGER NOT NULL,
            goal INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
            head TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS items (
            conversation_id INTEGER, seq INTEGER, item TEXT NOT NULL,
            PRIMARY KEY (conversation_id, seq)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS outbox (
            n INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT NOT NULL UNIQUE,
            conversation_id INTEGER NOT NULL, draft TEXT NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0);
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        if str(path) != ":memory:":
            # The file holds tokens: nobody else may read it, from the first byte on.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(str(path), isolation_level=None, timeout=10)
        self._db.executescript(self.SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # The session.

    def get(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def _set(self, **values: object) -> None:
        rows = [(name, None if value is None else str(value)) for name, value in values.items()]
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def begin_session(self, server: str, session: Json) -> None:
        """Keep a fresh login; if it is another account's, nothing of the old one stays."""
        user_id = str(session["user"]["id"])
        with self._transaction():
            if (self.get("server"), self.get("user_id")) != (server, user_id):
                self._wipe()
            self._set(server=server, user_id=user_id, device_id=session["device_id"])
            self._set_tokens(session)

    def save_tokens(self, pair: Json) -> None:
        with self._transaction():
            self._set_tokens(pair)

    def _set_tokens(self, pair: Json) -> None:
        self._set(**{name: pair[name] for name in ("access", "access_expires_at", "refresh")})

    def drop_tokens(self) -> None:
        """The session is over; heads, items and outbox wait for the next login."""
        with self._transaction():
            self._set(access=None, refresh=None)

    def wipe(self) -> None:
        with self._transaction():
            self._wipe()

    def _wipe(self) -> None:
        for table in ("meta", "heads", "items", "outbox"):
            self._db.execute(f"DELETE FROM {table}")

    # Heads and the cursor.

    def apply_sync(self, asked: str | None, answer: Json) -> list[Json] | None:
        """Save heads and cursor as one; return the news. None: another was faster, ask anew."""
        with self._transaction():
            if self.get("cursor") != asked:
                return None
            if answer["reset"]:
                self._forget()
            news = [head for head in answer["items"] if self._put_head(head)]
            self._set(cursor=answer["cursor"])
            return news

    def put_head(self, head: Json) -> bool:
        """Keep a head that came as the answer to something else; tell whether it is news."""
        with self._transaction():
            return self._put_head(head)

    def _put_head(self, head: Json) -> bool:
        row = self._db.execute(
            "SELECT version, active, first, last FROM heads WHERE id = ?", (head["id"],)
        ).fetchone()
        if row and head["version"] < row[0]:
            return False  # an old answer that came late
        span = self._span_under(head, Span(*row[2:]) if row and row[1] else None)
        values = (head["version"], head["state"] == "active", head["last_seq"], *span, dumps(head))
        self._db.execute(
            "INSERT OR REPLACE INTO heads VALUES (?,?,?,?,?,?,?)", (head["id"], *values)
        )
        self._drop_below(head["id"], span.first)
        return not row or head["version"] > row[0]

    @staticmethod
    def _span_under(head: Json, held: Span | None) -> Span:
        """What is still held of a log once its head reads like this."""
        if head["state"] != "active":
            return Span(head["last_seq"] + 1, head["last_seq"])
        start = min(max(head["floor_seq"], head["backlog_from"] - 1), head["last_seq"])
        # Nothing yet, or away so long that what lies between is history, to be paged when wanted.
        # Then the older part goes: a store with a hole would be worse than a short one.
        if held is None or held.last < start:
            return Span(start + 1, start)
        return Span(max(held.first, head["floor_seq"] + 1), held.last)

    def _drop_below(self, conversation_id: int, first: int) -> None:
        self._db.execute(
            "DELETE FROM items WHERE conversation_id = ? AND seq < ?", (conversation_id, first)
        )

    def forget(self, cursor: str) -> bool:
        """Drop all that came with this cursor; keep session and outbox. False: it has moved on."""
        with self._transaction():
            if self.get("cursor") != cursor:
                return False
            self._forget()
            return True

    def _forget(self) -> None:
        self._db.execute("DELETE FROM heads")
        self._db.execute("DELETE FROM items")
        self._set(cursor=None)

    def heads(self) -> list[Json]:
        rows = self._db.execute("SELECT head FROM heads ORDER BY id").fetchall()
        return [loads(row[0]) for row in rows]

    def head(self, conversation_id: int) -> Json | None:
        row = self._db.execute("SELECT head FROM heads WHERE id = ?", (conversation_id,)).fetchone()
        return loads(row[0]) if row else None

    # Items.

    def aim(self, conversation_id: int, seq: int) -> bool:
        """Note that the log reaches `seq`, as a ping said; False if no such head is held."""
        done = self._db.execute(
            "UPDATE heads SET goal = max(goal, ?) WHERE id = ?", (seq, conversation_id)
        )
        return done.rowcount > 0

    def behind(self) -> list[tuple[int, int]]:
        """(conversation, last seq held) of every log known to be longer than what is held."""
        return self._db.execute(
            "SELECT id, last FROM heads WHERE active AND last < goal ORDER BY id"
        ).fetchall()

    def span(self, conversation_id: int) -> Span | None:
        row = self._db.execute(
            "SELECT first, last FROM heads WHERE id = ?", (conversation_id,)
        ).fetchone()
        return Span(*row) if row else None

    def ends(self) -> list[tuple[int, int]]:
        """(conversation, last seq held) of every log that holds anything."""
        return self._db.execute("SELECT id, last FROM heads WHERE last >= first").fetchall()

    def put_page(self, conversation_id: int, after: int, page: Json, again: list[Json]) -> bool:
        """Append a checked page and rewrite the older items it changed, as one transaction."""
        start = max(after, page["floor_seq"])
        last = start + len(page["items"])
        with self._transaction():
            held = self.span(conversation_id)
            if held is None or held.last != after:
                return False  # another task or process stored it meanwhile
            self._insert(conversation_id, page["items"])
            self._rewrite(conversation_id, again)
            first = held.first if start == after else start + 1  # what lay between has expired
            self._db.execute(
                "UPDATE heads SET first = ?, last = ?, goal = ? WHERE id = ?",
                (first, last, max(last, page["last_seq"]), conversation_id),
            )
            self._drop_below(conversation_id, first)
        return True

    def _insert(self, conversation_id: int, items: Iterable[Json]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?)",
            [(conversation_id, item["seq"], dumps(item)) for item in items],
        )

    def _rewrite(self, conversation_id: int, items: Iterable[Json]) -> None:
        self._db.executemany(
            "UPDATE items SET item = ? WHERE conversation_id = ? AND seq = ?",
            [(dumps(item), conversation_id, item["seq"]) for item in items],
        )

    def items(self, conversation_id: int, after: int = 0, limit: int = PAGE) -> list[Json]:
        """Held items above `after`, ascending, in their present state."""
        rows = self._db.execute(
            "SELECT item FROM items WHERE conversation_id = ? AND seq > ? ORDER BY seq LIMIT ?",
            (conversation_id, after, limit),
        ).fetchall()
        return [loads(row[0]) for row in rows]

    # The outbox.

    def queue(self, conversation_id: int, draft: Json) -> None:
        """Keep a message until the server has answered; the same client_id is queued once."""
        self._db.execute(
            "INSERT OR IGNORE INTO outbox (client_id, conversation_id, draft) VALUES (?, ?, ?)",
            (draft["client_id"], conversation_id, dumps(draft)),
        )

    def unsent(self, limit: int = 100) -> list[Unsent]:
        rows = self._db.execute(
            "SELECT client_id, conversation_id, draft, tries FROM outbox ORDER BY n LIMIT ?",
            (limit,),
        ).fetchall()
        return [Unsent(row[0], row[1], loads(row[2]), row[3]) for row in rows]

    def count_try(self, client_id: str) -> None:
        self._db.execute("UPDATE outbox SET tries = tries + 1 WHERE client_id = ?", (client_id,))

    def unqueue(self, client_id: str) -> None:
        self._db.execute("DELETE FROM outbox WHERE client_id = ?", (client_id,))


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful answer: `data` of the envelope, or nothing with status 304."""

    status: int
    headers: httpx.Headers
    data: Json


class Http:
    """Requests in, `data` or an exception out; keeps the tokens alive."""

    def __init__(
        self,
        base_url: str,
        store: Store,
        *,
        credentials: Callable[[], tuple[str, str]] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"not an http(s) address: {base_url}")
        self.base_url = base_url.rstrip("/")
        self.store = store
        self.credentials = credentials
        self._renewing = asyncio.Lock()
        agent = {"User-Agent": "imclient/1", "Accept": "application/json"}
        self._http = httpx.AsyncClient(transport=transport, timeout=15, headers=agent)

    async def aclose(self) -> None:
        await self._http.aclose()

    @property
    def access(self) -> str | None:
        """The token, read from the store each time: another process may have renewed it."""
        # Tokens go to the server that gave them and to no other.
        return self.store.get("access") if self.store.get("server") == self.base_url else None

    async def call(
        self, method: str, path: str, query: Query | None = None, body: Json | None = None
    ) -> Json:
        """Ask for `path` under /api/v1 and return `data`.

        A GET is repeated when the network or the server stumbles, which is always safe. A POST is
        tried once: only the caller knows whether it may be repeated.
        """
        if method != "GET":
            return (await self.ask(method, path, query, body)).data
        return (await patiently(lambda: self.ask(method, path, query))).data

    async def ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Json | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 15.0,
    ) -> Reply:
        """One request, and once more with a new token if the old one has ended."""
        access = self.access
        request = self._request(method, path, query, body)
        request.headers.update(headers or {})
        request.extensions["timeout"] = httpx.Timeout(timeout).as_dict()
        try:
            return await self._send(request, access)
        except ApiError as error:
            if error.error not in RENEWABLE:
                raise
        return await self._send(request, await self.renew(access))

    def _request(
        self, method: str, path: str, query: Query | None = None, body: Json | None = None
    ) -> httpx.Request:
        url = f"{self.base_url}/api/v1/{path.lstrip('/')}"
        params = given(**(query or {}))
        if method != "POST":
            return self._http.build_request(method, url, params=params)
        request = self._http.build_request(
            method, url, params=params, content=dumps(body or {}).encode()
        )
        request.headers["Content-Type"] = "application/json"
        return request

    async def _send(self, request: httpx.Request, access: str | None) -> Reply:
        request.headers.pop("Authorization", None)
        if access:
            request.headers["Authorization"] = f"Bearer {access}"
        try:
            response = await self._http.send(request)
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"{self.base_url} does not answer: {reason}") from error
        return self._read(response)

    def _read(self, response: httpx.Response) -> Reply:
        """Open the envelope. What is no envelope came from something in between."""
        status = response.status_code
        if status == 304:
            return Reply(status, response.headers, {})
        try:
            envelope = response.json()
            if 200 <= status < 300 and envelope["code"] == 0:
                return Reply(status, response.headers, envelope["data"])
            names = ("code", "error", "message", "data", "request_id")
            error: ImError = ApiError(status, *(envelope[name] for name in names))
        except (ValueError, KeyError, TypeError):
            error = self._foreign(response)
        error.retry_after = max(error.retry_after, _seconds(response.headers.get("Retry-After")))
        raise error

    @staticmethod
    def _foreign(response: httpx.Response) -> ImError:
        status = response.status_code
        said = f"{status} {response.reason_phrase}".strip()
        # A proxy's 413 will stay a 413; its 502, or a hotel's login page, passes.
        if 400 <= status < 500:
            return ApiError(status, status * 100, f"http_{status}", said)
        return Unreachable(f"{response.url.host} answered, but not as an imsite server: {said}")

    # Tokens.

    async def sign_in(self, route: Literal["login", "register"], fields: Json) -> Json:
        """Start a session and keep it; a device known to this store is used again."""
        device = {"platform": "python", "name": "imclient"}
        if route == "login" and (device_id := self.store.get("device_id")):
            fields = {**fields, "device": {"id": int(device_id), **device}}
        else:
            fields = {**fields, "device": device}
        reply = await self._send(self._request("POST", f"accounts/{route}", body=fields), None)
        self.store.begin_session(self.base_url, reply.data)
        return reply.data

    async def renew(self, stale: str | None) -> str:
        """Return an access token other than `stale`, however many ask for it at once."""
        async with self._renewing:
            if (access := self.access) and access != stale:
                return access  # another task, or another process, was faster
            try:
                await self._refresh()
            except ApiError as error:
                if error.status != 401 or self.credentials is None:
                    raise
                username, password = self.credentials()
                await self.sign_in("login", {"username": username, "password": password})
            return self.access or ""

    async def _refresh(self) -> None:
        refresh = self.store.get("refresh")
        if refresh is None or self.store.get("server") != self.base_url:
            raise ApiError(401, 40100, "not_authenticated", "log in first")
        request = self._request("POST", "accounts/token/refresh", body={"refresh": refresh})
        # The reply may get lost. For 10 s the same token gets the same answer: so be quick.
        request.extensions["timeout"] = httpx.Timeout(3).as_dict()
        try:
            reply = await patiently(lambda: self._send(request, None), tries=3, longest=2)
        except ApiError as error:
            if error.status == 401:
                self.store.drop_tokens()
            raise
        # On disk before its first use: after a crash, the old one is worth nothing any more.
        self.store.save_tokens(reply.data)


def _seconds(header: str | None) -> float:
    """Read a Retry-After; the form with a date counts as none."""
    return float(header) if header and header.isascii() and header.isdigit() else 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """Something a bot or a screen may want to know.

    head: `data` is the new head · item: an item, `new` or changed by an edit, recall … · typing,
    read: `user_id` (and `seq`) of someone else · sent, refused: `client_id`, `draft`, and `seq` or
    `error` · reset: all heads and items are void, what follows begins anew.
    """

    kind: Kind
    conversation_id: int | None
    data: Json
    new: bool = True


class Watcher:
    """One reader of what changed, who remembers how far each log was told.

    New items wait in the store, not here, so a slow reader costs no memory; and what another
    process has pulled into the same store is told as well.
    """

    def __init__(self, store: Store, *, unread: bool) -> None:
        self._store = store
        self._unread = unread
        self._queue: asyncio.Queue[Change | int | Exception] = asyncio.Queue()
        self._moved: set[int] = set()
        self._told: dict[int, int] = {}
        for head in store.heads():
            span = store.span(head["id"])
            self._told[head["id"]] = head["read_seq"] if unread else span.last if span else 0
            self.moved(head["id"])

    def tell(self, change: Change) -> None:
        self._queue.put_nowait(change)

    def fail(self, error: Exception) -> None:
        self._queue.put_nowait(error)

    def moved(self, conversation_id: int) -> None:
        """Note that there may be new items; many notes are one."""
        if conversation_id not in self._moved:
            self._moved.add(conversation_id)
            self._queue.put_nowait(conversation_id)

    def look(self) -> None:
        """Find what another process has pulled into the store."""
        for conversation_id, last in self._store.ends():
            if last > self._told.get(conversation_id, 0):
                self.moved(conversation_id)

    async def changes(self) -> AsyncIterator[Change]:
        while True:
            news = await self._queue.get()
            if isinstance(news, Exception):
                raise news
            if isinstance(news, Change):
                if news.kind == "reset":
                    self._told.clear()
                yield news
                continue
            self._moved.discard(news)
            for change in self._new_items(news):
                yield change

    def _new_items(self, conversation_id: int) -> Iterator[Change]:
        told = self._told.get(conversation_id)
        if told is None:
            head = self._store.head(conversation_id) if self._unread else None
            told = self._told[conversation_id] = head["read_seq"] if head else 0
        while items := self._store.items(conversation_id, after=told, limit=100):
            for item in items:
                self._told[conversation_id] = told = item["seq"]
                yield Change("item", conversation_id, item)


class Feed:
    """Passes on what changed to every watcher there is."""

    def __init__(self) -> None:
        self.watchers: set[Watcher] = set()

    def tell(self, change: Change) -> None:
        for watcher in self.watchers:
            watcher.tell(change)

    def moved(self, conversation_id: int) -> None:
        for watcher in self.watchers:
            watcher.moved(conversation_id)

    def look(self) -> None:
        for watcher in self.watchers:
            watcher.look()

    def fail(self, error: Exception) -> None:
        for watcher in self.watchers:
            watcher.fail(error)


def check_page(page: Json, after: int) -> None:
    """Prove by arithmetic that nothing is missing between `after` and the end of this page."""
    start = max(after, page["floor_seq"])
    seqs = [item["seq"] for item in page["items"]]
    if seqs != list(range(start + 1, start + 1 + len(seqs))):
        raise ProtocolError(f"a hole in the log after {start}: {seqs[:5]} …")
    if seqs and (page["from_seq"], page["to_seq"]) != (seqs[0], seqs[-1]):
        raise ProtocolError(f"a page of {seqs[0]}..{seqs[-1]} that claims another range")
    if not seqs and page["last_seq"] > start:
        raise ProtocolError(f"nothing after {start}, yet the log reaches {page['last_seq']}")


def changed_targets(items: Iterable[Json], below: int) -> list[int]:
    """Seqs below this page that it changed; those inside it show the present state already."""
    bodies = [item.get("body") or {} for item in items if item.get("event")]
    return sorted({body["target"] for body in bodies if body.get("target", below) < below})


class Syncer:
    """Keeps the store equal to the server: heads by sync, items by pages.

    It works from what the store lacks, never from what an event says, so that it may be
    interrupted anywhere and simply run again.
    """

    def __init__(self, http: Http, store: Store, feed: Feed, *, wait: int = 0) -> None:
        self.http, self.store, self.feed = http, store, feed
        self.wait = wait
        self.unread_total = 0
        self.next_poll = 5.0
        self._etag: tuple[Query, str | None] = ({}, None)
        self._live = False
        self._asked = True
        self._wanted = False
        self._due = 0.0
        self._wake = asyncio.Event()

    # What others may ask of the loop.

    def ask(self) -> None:
        """Sync at once."""
        self._asked = True
        self._wake.set()

    def want(self, conversation_id: int, seq: int) -> None:
        """Pull this log up to `seq`; one that we do not know yet takes a sync."""
        if not self.store.aim(conversation_id, seq):
            self._asked = True
        self._wanted = True
        self._wake.set()

    def soon(self) -> None:
        """Sync within a few seconds, once for all that happens meanwhile."""
        self._due = min(self._due, time.monotonic() + HEADS_WITHIN)
        self._wake.set()

    def online(self, live: bool) -> None:
        """A socket opened (pings may have been lost before that) or closed (poll from now on)."""
        if live == self._live:
            return
        self._live = live
        self._due = min(self._due, time.monotonic() + (0.0 if live else self.next_poll))
        self._wake.set()

    def learn(self, head: Json) -> Json:
        """Keep a head that some call answered with, and hand it back."""
        if self.store.put_head(head):
            self.feed.tell(Change("head", head["id"], head))
            self.want(head["id"], head["last_seq"])
        return head

    # The loop.

    async def run(self) -> None:
        """Follow the server until cancelled or logged out."""
        backoff = Backoff(base=1.0, cap=60.0)
        self.ask()
        while True:
            try:
                await self._turn()
                backoff.reset()
            except ImError as error:
                if not passing(error):
                    raise
                log.warning("sync failed, trying again: %s", error)
                await asyncio.sleep(backoff.delay(error))
                self._asked = True

    async def _turn(self) -> None:
        await self._until_due()
        if self._asked or time.monotonic() >= self._due:
            self._asked = self._wanted = False
            await self._poll()
        elif self._wanted:
            self._wanted = False
            await self.catch_up()
            self.soon()

    async def _until_due(self) -> None:
        # No await between the check and the wait: what is asked meanwhile sets the event.
        if not (self._asked or self._wanted):
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._due - time.monotonic())):
                    await self._wake.wait()
        self._wake.clear()

    async def _poll(self) -> None:
        wait = 0 if self._live else self.wait
        news = await self.sync(wait)
        pause = max(self.next_poll, POLL_BESIDE_SOCKET) if self._live else self.next_poll
        # Having waited for news, wait for more at once. Without news the server may have answered
        # early, as it is free to do: then pause, or this would spin.
        if wait and news:
            pause = 0.0
        self._due = time.monotonic() + pause * random.uniform(0.9, 1.1)

    # Question 1: what changed?

    async def sync(self, wait: int = 0) -> list[Json]:
        """Bring the store up to date; return the heads that changed."""
        changed: list[Json] = []
        more = True
        while more:
            cursor = self.store.get("cursor")
            query: Query = {"cursor": cursor, "limit": PAGE, "wait": wait or None}
            reply = await self._ask_sync(query)
            if reply is None:
                continue
            if reply.status == 304:
                break
            news = self._apply(cursor, reply.data)
            changed += news or []
            more = news is None or reply.data["more"]
            if news is not None and reply.data["cursor"] == cursor:
                # Only an answer that is stored, and only if the next request will be this one
                # again: a 304 in place of an answer that we lost would hide it for ever.
                self._etag = (query, reply.headers.get("ETag"))
            wait = 0
        await self.catch_up()
        return changed

    async def _ask_sync(self, query: Query) -> Reply | None:
        """One request of the chain. None: the cursor was worthless and is gone, begin without."""
        asked, etag = self._etag
        headers = {"If-None-Match": etag} if etag and asked == query else {}
        timeout = 15.0 + int(query["wait"] or 0)
        try:
            return await patiently(
                lambda: self.http.ask("GET", "sync", query, headers=headers, timeout=timeout)
            )
        except ApiError as error:
            if error.error != "invalid_cursor" or query["cursor"] is None:
                raise
        # A first sync lists active conversations only. What we hold may have been left since.
        if self.store.forget(str(query["cursor"])):
            self.feed.tell(Change("reset", None, {}))
        return None

    def _apply(self, cursor: str | None, answer: Json) -> list[Json] | None:
        """Store an answer and tell its news. None: another task or process moved the cursor."""
        news = self.store.apply_sync(cursor, answer)
        if news is None:
            return None
        if answer["reset"]:
            self.feed.tell(Change("reset", None, {}))
        for head in news:
            self.feed.tell(Change("head", head["id"], head))
        self.unread_total = answer["unread_total"]
        self.next_poll = max(0.1, answer["next_poll_ms"] / 1000)
        return news

    # Question 2: what was said?

    async def catch_up(self) -> None:
        """Pull until every log reaches as far as we know that it does."""
        skip: set[int] = set()  # left meanwhile: the head that says so is on its way
        while behind := [row for row in self.store.behind() if row[0] not in skip]:
            pages = await self._pull(behind[:PULL_TOGETHER])
            for conversation_id, after in behind[:PULL_TOGETHER]:
                if not await self._take(conversation_id, after, pages.get(conversation_id)):
                    skip.add(conversation_id)
        self.feed.look()

    async def _pull(self, behind: Sequence[tuple[int, int]]) -> dict[int, Json | None]:
        if len(behind) == 1:
            conversation_id, after = behind[0]
            return {conversation_id: await self._page(conversation_id, after, PAGE)}
        wanted = ",".join(f"{conversation_id}:{after}" for conversation_id, after in behind)
        pages = await self.http.call("GET", "messages", {"after": wanted, "limit": PAGE_OF_MANY})
        return {int(conversation_id): page for conversation_id, page in pages.items()}

    async def _page(self, conversation_id: int, after: int, limit: int) -> Json | None:
        try:
            return await self.http.call(
                "GET", f"conversations/{conversation_id}/messages", {"after": after, "limit": limit}
            )
        except ApiError as error:
            if error.error != "not_found":
                raise
            return None

    async def _take(self, conversation_id: int, after: int, page: Json | None) -> bool:
        """Check a page, fetch what it changed further up, store both; False if there is none."""
        if page is None:
            return False
        check_page(page, after)
        # Before storing: a crash in between must not leave an old text under a stored edit.
        again = await self._again(conversation_id, changed_targets(page["items"], after + 1))
        if self.store.put_page(conversation_id, after, page, again):
            for item in again:
                self.feed.tell(Change("item", conversation_id, item, new=False))
        self.feed.moved(conversation_id)
        return True

    async def _again(self, conversation_id: int, targets: list[int]) -> list[Json]:
        """The present state of these held items, neighbours fetched together."""
        span = self.store.span(conversation_id) or Span(1, 0)
        targets = [seq for seq in targets if seq >= span.first]
        found: list[Json] = []
        while targets:
            first = targets[0]
            last = max(seq for seq in targets if seq < first + PAGE)
            page = await self._page(conversation_id, first - 1, last - first + 1)
            found += [item for item in (page or {"items": []})["items"] if item["seq"] in targets]
            targets = [seq for seq in targets if seq > last]
        return found


class Pinger:
    """Holds the websocket that says when to ask; all it carries may get lost without harm."""

    def __init__(self, http: Http, store: Store, syncer: Syncer, feed: Feed) -> None:
        self.http, self.store, self.syncer, self.feed = http, store, syncer, feed
        self._socket: ClientConnection | None = None
        self._heartbeat = 30.0
        self._last_frame = 0.0
        self._numbers = count(1)
        self._acks: dict[int, asyncio.Future[Json]] = {}

    @property
    def open(self) -> bool:
        return self._socket is not None

    async def run(self) -> None:
        """Stay connected until cancelled or logged out."""
        backoff = Backoff(base=1.0, cap=60.0)
        while True:
            began = time.monotonic()
            error = await self._attempt()
            if time.monotonic() - began > STEADY:
                backoff.reset()
            await asyncio.sleep(backoff.delay(error))

    async def _attempt(self) -> ImError | None:
        """Connect once and listen until the end; return what ended it."""
        access = self.http.access
        try:
            code = await self._session()
            log.info("socket closed: %s", code)
            if code == 4401:
                await self.http.renew(access)  # raises if the device has been revoked
            return _overload() if code in (4429, 1013) else None
        except ApiError as error:
            if error.ends_session:
                raise
            return error
        except Unreachable as error:
            return error
        except (OSError, TimeoutError, WebSocketException, KeyError, ValueError) as error:
            log.info("no socket: %s", error)
            return None

    async def _session(self) -> int | None:
        # A URL ends up in logs, so it carries a ticket that is worthless once used.
        ticket = (await self.http.call("POST", "accounts/ws-ticket"))["ticket"]
        query = urlencode({"id": self.store.get("user_id") or "", "token": ticket})
        url = f"ws{self.http.base_url.removeprefix('http')}/ws?{query}"
        # The library's own pings notice a dead peer; the heartbeat below is for the server.
        async with connect(url, ping_interval=30, open_timeout=10) as socket:
            with suppress(ConnectionClosed):
                await self._greet(socket)
                heart = asyncio.create_task(self._beat(socket))
                try:
                    await self._listen(socket)
                finally:
                    heart.cancel()
                    self._ended()
        return socket.close_code

    async def _greet(self, socket: ClientConnection) -> None:
        """Wait for the hello: only now does this socket count, and what was missed is synced."""
        async with asyncio.timeout(10):
            hello = json.loads(await socket.recv())
        self._socket, self._heartbeat = socket, float(hello["heartbeat"])
        self.syncer.online(True)

    async def _listen(self, socket: ClientConnection) -> None:
        while True:
            frame = await socket.recv()
            try:
                self._take(json.loads(frame))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                log.warning("a frame that makes no sense: %r", error)

    def _take(self, frame: Json) -> None:
        """Act on one frame; what we do not know is from a newer server and none of our business."""
        match frame["t"]:
            case "seq":
                for conversation_id, seq in frame["c"]:
                    self.syncer.want(int(conversation_id), int(seq))
            case "sync":
                self.syncer.ask()
            case "typing":
                self.feed.tell(Change("typing", frame["c"], {"user_id": frame["u"]}))
            case "read":
                data = {"user_id": frame["u"], "seq": frame["seq"]}
                self.feed.tell(Change("read", frame["c"], data))
                self.syncer.soon()  # the head tells it too, as peer_read_seq
            case "ack" | "err":
                self._answered(frame)

    def _ended(self) -> None:
        self._socket = None
        for future in self._acks.values():
            if not future.done():
                future.set_exception(Unreachable("the socket closed before the answer"))
        self.syncer.online(False)

    async def _beat(self, socket: ClientConnection) -> None:
        """Say something 30 s after we last did, or the server takes us for dead."""
        self._last_frame = time.monotonic()
        with suppress(ConnectionClosed):
            while True:
                silence = time.monotonic() - self._last_frame
                if silence < self._heartbeat:
                    await asyncio.sleep(self._heartbeat - silence)
                else:
                    await self._write(socket, {"t": "ping"})

    async def _write(self, socket: ClientConnection, frame: Json) -> None:
        self._last_frame = time.monotonic()
        await socket.send(dumps(frame))

    # What a client may say over the socket.

    async def typing(self, conversation_id: int) -> bool:
        """Tell that we type; False if there is no socket."""
        if self._socket is None:
            return False
        with suppress(ConnectionClosed):
            await self._write(self._socket, {"t": "typing", "c": conversation_id})
        return True

    async def send(self, conversation_id: int, draft: Json, timeout: float = 15.0) -> Json:
        """Send a message and wait for its ack: the promises of POST, without its overhead."""
        if self._socket is None:
            raise Unreachable("no socket")
        number = next(self._numbers)
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._acks[number] = answer
        try:
            frame = {"t": "send", "n": number, "c": conversation_id, "m": draft}
            await self._write(self._socket, frame)
            async with asyncio.timeout(timeout):
                return await answer
        except (ConnectionClosed, TimeoutError) as error:
            raise Unreachable("no ack") from error
        finally:
            answer.cancel()
            del self._acks[number]

    def _answered(self, frame: Json) -> None:
        answer = self._acks.get(frame["n"])
        if answer is None or answer.done():
            return
        if frame["t"] == "err":
            answer.set_exception(_error_in(frame))
        else:
            names = ("seq", "ordinal", "sent_at", "duplicate")
            answer.set_result({name: frame[name] for name in names})


def _overload() -> Unreachable:
    error = Unreachable("the server is overloaded")
    error.retry_after = 5.0
    return error


def _error_in(part: Json) -> ApiError:
    """The error of one message among several: an `err` frame, or an item of a batch."""
    data = part.get("data") or given(retry_after_ms=part.get("retry_after_ms"))
    code = part["code"]
    return ApiError(code // 100, code, part["error"], part["message"], data)


class Outbox:
    """Sends what is queued, in order, until the server has answered each message.

    A row is written before the first try and deleted after the answer. Its client_id never
    changes, so trying again is safe whoever does it: this task, the next start, another process.
    """

    def __init__(
        self, http: Http, store: Store, feed: Feed, *, socket: Pinger | None = None
    ) -> None:
        self.http, self.store, self.feed, self.socket = http, store, feed, socket
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[Json]] = {}

    async def send(self, conversation_id: int, draft: Json) -> Json:
        """Queue a message and wait for its seq.

        Whoever stops waiting (a time limit, Ctrl-C) leaves the message in the outbox.
        """
        client_id = draft["client_id"]
        answer = self._waiting.get(client_id) or asyncio.get_running_loop().create_future()
        try:
            while not answer.done():
                # Queued again if it is gone without an answer: then another process sent it, and
                # sending it once more tells us the seq.
                self._waiting[client_id] = answer
                self.store.queue(conversation_id, draft)
                sender = self.kick()
                await asyncio.wait({answer, sender}, return_when=asyncio.FIRST_COMPLETED)
                if sender.done() and not answer.done():
                    sender.result()  # raises if the session has ended
            return answer.result()
        finally:
            self._waiting.pop(client_id, None)

    def kick(self) -> asyncio.Task[None]:
        """Begin to send, unless that is under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
            # Whoever waits sees the error; if nobody does, the rows stay and nothing is lost.
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._task

    async def flush(self) -> None:
        """Wait until nothing is left to send; raise if the session has ended."""
        await asyncio.shield(self.kick())

    async def aclose(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _drain(self) -> None:
        backoff = Backoff(cap=15.0)
        while rows := self._next_rows():
            try:
                await self._deliver(rows)
                backoff.reset()
            except ImError as error:
                if isinstance(error, ApiError) and error.ends_session:
                    raise
                log.info("not sent yet: %s", error)
                await asyncio.sleep(backoff.delay(error))

    def _next_rows(self) -> list[Unsent]:
        """The oldest rows, as many as one request may carry."""
        rows, size = self.store.unsent(), 0
        for index, row in enumerate(rows):
            size += len(dumps(row.draft).encode()) + 40
            if size > BATCH_BYTES and index:
                return rows[:index]
        return rows

    async def _deliver(self, rows: list[Unsent]) -> None:
        """Send these rows and settle each; raise the first error that asks to try again."""
        outcomes = await self._post(rows)
        errors = [
            error
            for row, outcome in zip(rows, outcomes, strict=True)
            if (error := self._settle(row, outcome))
        ]
        if errors:
            raise errors[0]

    async def _post(self, rows: list[Unsent]) -> list[Json | ImError]:
        if self._fits_socket(rows):
            return await self._post_frames(rows)
        if len(rows) == 1:
            return [await self._post_one(rows[0])]
        return await self._post_batch(rows)

    def _fits_socket(self, rows: list[Unsent]) -> bool:
        if self.socket is None or not self.socket.open:
            return False
        return all(len(dumps(row.draft).encode()) < FRAME_BYTES - 200 for row in rows)

    async def _post_frames(self, rows: list[Unsent]) -> list[Json | ImError]:
        assert self.socket
        # gather starts them in this order, so the frames leave, and the seqs come, in this order.
        sends = [self.socket.send(row.conversation_id, row.draft) for row in rows]
        outcomes: list[Json | ImError] = []
        for outcome in await asyncio.gather(*sends, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, ImError):
                raise outcome
            outcomes.append(outcome)
        return outcomes

    async def _post_one(self, row: Unsent) -> Json | ImError:
        path = f"conversations/{row.conversation_id}/messages"
        try:
            return await self.http.call("POST", path, body=row.draft)
        except ImError as error:
            return error

    async def _post_batch(self, rows: list[Unsent]) -> list[Json | ImError]:
        items = [{"conversation_id": row.conversation_id, **row.draft} for row in rows]
        try:
            answer = await self.http.call("POST", "messages", body={"items": items})
        except ApiError as error:
            if error.ends_session or (passing(error) and error.status != 500):
                raise
            # One bad message may spoil a batch; alone, each gets its own answer.
            return [await self._post_one(row) for row in rows]
        return [item if item["ok"] else _error_in(item) for item in answer["items"]]

    def _settle(self, row: Unsent, outcome: Json | ImError) -> ImError | None:
        """Delete a row that has its answer; return the error if the row has to stay."""
        if isinstance(outcome, ImError) and self._stays(row, outcome):
            self.store.count_try(row.client_id)
            return outcome
        self.store.unqueue(row.client_id)
        answer = self._waiting.get(row.client_id)
        waits = answer is not None and not answer.done()
        if isinstance(outcome, ImError):
            self._tell(row, "refused", error=getattr(outcome, "error", ""), message=str(outcome))
            if answer and waits:
                answer.set_exception(outcome)
        else:
            self._tell(row, "sent", seq=outcome["seq"])
            if answer and waits:
                answer.set_result(outcome)
        return None

    def _tell(self, row: Unsent, kind: Literal["sent", "refused"], **data: Any) -> None:
        about = {"client_id": row.client_id, "draft": row.draft, **data}
        self.feed.tell(Change(kind, row.conversation_id, about))

    @staticmethod
    def _stays(row: Unsent, error: ImError) -> bool:
        if isinstance(error, ApiError) and error.status == 500:
            return row.tries < 5  # a message that breaks the server must not block the others
        return passing(error) or (isinstance(error, ApiError) and error.ends_session)


class Client:
    """An account on one server: named methods for the protocol, `call` for the rest of it.

    `wait`: long-poll for this many seconds while no socket is open. `credentials`: asked for
    (username, password) when the session has ended for good; without it, the ApiError is raised.
    """

    def __init__(
        self,
        base_url: str,
        store: str | Path | Store = ":memory:",
        *,
        pings: bool = True,
        wait: int = 0,
        over_socket: bool = False,
        credentials: Callable[[], tuple[str, str]] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.store = store if isinstance(store, Store) else Store(store)
        self.http = Http(base_url, self.store, credentials=credentials, transport=transport)
        self.feed = Feed()
        self.syncer = Syncer(self.http, self.store, self.feed, wait=wait)
        self.pinger = Pinger(self.http, self.store, self.syncer, self.feed)
        socket = self.pinger if over_socket else None
        self.outbox = Outbox(self.http, self.store, self.feed, socket=socket)
        self._pings = pings
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Client:
        self._resume()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._stop()
        await self.outbox.aclose()
        await self.http.aclose()
        self.store.close()

    def _resume(self) -> None:
        """Send what an earlier run could not."""
        if self.http.access and self.store.unsent(1):
            self.outbox.kick()

    async def call(
        self, method: str, path: str, query: Query | None = None, body: Json | None = None
    ) -> Json:
        """Any request of the contract; see `Http.call`."""
        return await self.http.call(method, path, query, body)

    async def each(self, path: str, **query: str | int | None) -> AsyncIterator[Json]:
        """Walk a list of the contract (items, next) to its end."""
        cursor: str | None = None
        while True:
            page = await self.call("GET", path, {**query, "cursor": cursor})
            for item in page["items"]:
                yield item
            cursor = page["next"]
            if cursor is None:
                return

    # Following.

    async def watch(self, *, unread: bool = False) -> AsyncIterator[Change]:
        """Keep the store in step with the server and yield what changes, until logged out.

        Items begin where the store ended when the watch began. With `unread` they begin at the
        read marker instead: a bot that calls `read` once it has dealt with an item loses none by a
        crash, and may see one twice.
        """
        watcher = Watcher(self.store, unread=unread)
        self.feed.watchers.add(watcher)
        self._start()
        try:
            async for change in watcher.changes():
                yield change
        finally:
            self.feed.watchers.discard(watcher)
            if not self.feed.watchers:
                await self._stop()

    def _start(self) -> None:
        if any(not loop.done() for loop in self._loops):
            return
        self._resume()
        runs = [self.syncer.run(), self.pinger.run()] if self._pings else [self.syncer.run()]
        self._loops = [asyncio.create_task(run) for run in runs]
        for loop in self._loops:
            loop.add_done_callback(self._loop_ended)

    def _loop_ended(self, loop: asyncio.Task[None]) -> None:
        if not loop.cancelled() and isinstance(error := loop.exception(), Exception):
            self.feed.fail(error)

    async def _stop(self) -> None:
        loops, self._loops = self._loops, []
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    async def sync(self, wait: int = 0) -> list[Json]:
        """Sync once, pull what is missing, return the heads that changed."""
        return await self.syncer.sync(wait)

    # Accounts.

    @property
    def user_id(self) -> int | None:
        """The account that is logged in here."""
        user_id = self.store.get("user_id") if self.http.access else None
        return int(user_id) if user_id else None

    async def register(self, username: str, password: str, display_name: str | None = None) -> Json:
        fields = given(username=username, password=password, display_name=display_name)
        return await self.http.sign_in("register", fields)

    async def login(self, username: str, password: str) -> Json:
        """Log in. A store serves one account: another one's login empties it first."""
        session = await self.http.sign_in("login", {"username": username, "password": password})
        self._resume()
        return session

    async def refresh(self) -> None:
        """Renew the tokens now; normally done when the server says token_expired."""
        await self.http.renew(self.http.access)

    async def logout(self) -> None:
        """End this device at the server, and empty the store."""
        try:
            await self.call("POST", "accounts/logout")
        except ApiError as error:
            if not error.ends_session:
                raise
        await self._stop()
        await self.outbox.aclose()
        self.store.wipe()

    async def me(self) -> Json:
        return await self.call("GET", "accounts/me")

    async def update_me(self, **fields: Any) -> Json:
        return await self.call("POST", "accounts/me", body=fields)

    async def change_password(self, old: str, new: str) -> Json:
        return await self.call("POST", "accounts/password", body={"old": old, "new": new})

    async def delete_account(self, password: str) -> Json:
        return await self.call("POST", "accounts/delete", body={"password": password})

    async def export_account(self) -> Json:
        return await self.call("GET", "accounts/export")

    def devices(self) -> AsyncIterator[Json]:
        return self.each("accounts/devices")

    async def revoke_device(self, device_id: int) -> Json:
        return await self.call("POST", f"accounts/devices/{device_id}/revoke")

    async def user(self, user_id: int) -> Json:
        return await self.call("GET", f"accounts/users/{user_id}")

    async def users(self, ids: Iterable[int]) -> list[Json]:
        """Up to 100 users; those that do not exist are left out."""
        wanted = ",".join(map(str, ids))
        items: list[Json] = (await self.call("GET", "accounts/users", {"ids": wanted}))["items"]
        return items

    def search_users(self, q: str) -> AsyncIterator[Json]:
        return self.each("accounts/users/search", q=q)

    async def block(self, user_id: int) -> Json:
        return await self.call("POST", "accounts/blocks/add", body={"user_id": user_id})

    async def unblock(self, user_id: int) -> Json:
        return await self.call("POST", "accounts/blocks/remove", body={"user_id": user_id})

    def blocks(self) -> AsyncIterator[Json]:
        return self.each("accounts/blocks")

    # Pushes.

    async def register_push(self, provider: str, token: str | Json, app: str | None = None) -> Json:
        """Have this device woken; `token` of webpush is the subscription."""
        field = "subscription" if provider == "webpush" else "token"
        body = given(provider=provider, app=app) | {field: token}
        return await self.call("POST", "push/tokens", body=body)

    async def remove_push(self) -> None:
        await self.call("POST", "push/tokens/remove")

    def push_tokens(self) -> AsyncIterator[Json]:
        return self.each("push/tokens")

    async def webpush_key(self) -> str:
        return str((await self.call("GET", "push/webpush-key"))["key"])

    async def push_settings(self, **fields: Any) -> Json:
        """How one is woken; `preview` and `quiet_hours` (absent: they stay, None: none) change it."""
        if not fields:
            return await self.call("GET", "push/settings")
        if "preview" not in fields:
            fields["preview"] = (await self.call("GET", "push/settings"))["preview"]
        return await self.call("POST", "push/settings", body=fields)

    async def push_why(self, conversation_id: int, seq: int) -> Json:
        query = {"conversation_id": conversation_id, "seq": seq}
        return await self.call("GET", "push/why", query)

    # Conversations. Every head that comes back goes into the store as well.

    def conversations(self) -> AsyncIterator[Json]:
        return self.each("conversations")

    async def conversation(self, conversation_id: int) -> Json:
        return self.syncer.learn(await self.call("GET", f"conversations/{conversation_id}"))

    async def open_direct(self, user_id: int) -> Json:
        """The conversation with this person, made if need be."""
        return await self._create({"kind": "direct", "user_id": user_id})

    async def create_group(
        self,
        title: str,
        member_ids: Iterable[int] = (),
        *,
        settings: Json | None = None,
        client_id: str | None = None,
    ) -> Json:
        """Make a group; the client_id makes sure that repeating it makes one."""
        body = given(title=title, member_ids=list(member_ids), settings=settings)
        client_id = client_id or str(uuid.uuid4())
        return await self._create({"kind": "group", "client_id": client_id, **body})

    async def _create(self, body: Json) -> Json:
        head = await patiently(lambda: self.call("POST", "conversations", body=body))
        return self.syncer.learn(head)

    async def act(self, conversation_id: int, act: str, **body: Any) -> Json:
        """POST to a route of the conversation that answers with its head."""
        path = f"conversations/{conversation_id}/{act}"
        answer = await self.call("POST", path, body=body)
        return self.syncer.learn(answer) if "version" in answer else answer

    async def update_group(self, conversation_id: int, **fields: Any) -> Json:
        return await self.act(conversation_id, "update", **fields)

    async def add_members(self, conversation_id: int, user_ids: Iterable[int]) -> Json:
        return await self.act(conversation_id, "members/add", user_ids=list(user_ids))

    async def remove_members(self, conversation_id: int, user_ids: Iterable[int]) -> Json:
        return await self.act(conversation_id, "members/remove", user_ids=list(user_ids))

    async def mute_member(self, conversation_id: int, user_id: int, seconds: int | None) -> Json:
        return await self.act(conversation_id, "members/mute", user_id=user_id, seconds=seconds)

    async def set_role(
        self, conversation_id: int, user_id: int, role: Literal["admin", "member"]
    ) -> Json:
        return await self.act(conversation_id, "members/role", user_id=user_id, role=role)

    async def transfer(self, conversation_id: int, user_id: int) -> Json:
        return await self.act(conversation_id, "transfer", user_id=user_id)

    async def dissolve(self, conversation_id: int) -> Json:
        return await self.act(conversation_id, "dissolve")

    async def leave(self, conversation_id: int) -> Json:
        return await self.act(conversation_id, "leave")

    async def join(self, conversation_id: int) -> Json:
        """The head, or {"state": "pending"} where somebody has to approve."""
        return await self.act(conversation_id, "join")

    def join_requests(self, conversation_id: int) -> AsyncIterator[Json]:
        return self.each(f"conversations/{conversation_id}/requests")

    async def decline_requests(self, conversation_id: int, user_ids: Iterable[int]) -> Json:
        return await self.act(conversation_id, "requests/decline", user_ids=list(user_ids))

    async def read(self, conversation_id: int, seq: int, *, force: bool = False) -> Json:
        """Move the read marker up to `seq`; with `force` also back (mark as unread)."""
        return await self.act(conversation_id, "read", **given(seq=seq, force=force or None))

    async def settings(self, conversation_id: int, **fields: Any) -> Json:
        """Own view of a conversation: notify, pinned, hidden, nickname."""
        return await self.act(conversation_id, "settings", **fields)

    async def typing(self, conversation_id: int) -> None:
        if not await self.pinger.typing(conversation_id):
            await self.act(conversation_id, "typing")

    def members(self, conversation_id: int, q: str | None = None) -> AsyncIterator[Json]:
        return self.each(f"conversations/{conversation_id}/members", q=q)

    def reads(self, conversation_id: int, seq: int) -> AsyncIterator[Json]:
        return self.each(f"conversations/{conversation_id}/reads", seq=seq)

    # Messages.

    async def send(
        self,
        conversation_id: int,
        text: str | None = None,
        *,
        client_id: str | None = None,
        **fields: Any,
    ) -> Json:
        """Send through the outbox; return {seq, ordinal, sent_at, duplicate}.

        `fields`: kind, body, reply_to, mentions. Waits as long as the server cannot be reached;
        put a time limit around it and the message stays in the outbox.
        """
        draft = given(client_id=client_id or str(uuid.uuid4()), text=text, **fields)
        return await self.outbox.send(conversation_id, draft)

    async def send_batch(self, items: Iterable[Json]) -> list[Json | ImError]:
        """Send many ({conversation_id, text …} each) in order; each has its own outcome."""
        drafts = [{"client_id": str(uuid.uuid4()), **item} for item in items]
        sends = [self.outbox.send(draft.pop("conversation_id"), draft) for draft in drafts]
        outcomes: list[Json | ImError] = []
        for outcome in await asyncio.gather(*sends, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, ImError):
                raise outcome
            outcomes.append(outcome)
        return outcomes

    async def _on_item(self, conversation_id: int, seq: int, act: str, **body: Any) -> Json:
        path = f"conversations/{conversation_id}/messages/{seq}/{act}"
        return await self.call("POST", path, body=body)

    async def edit(self, conversation_id: int, seq: int, **fields: Any) -> Json:
        """Change text, body or mentions of an own message; return the item."""
        return await self._on_item(conversation_id, seq, "edit", **fields)

    async def recall(self, conversation_id: int, seq: int) -> Json:
        return await self._on_item(conversation_id, seq, "recall")

    async def react(
        self, conversation_id: int, seq: int, emoji: str, op: Literal["add", "remove"] = "add"
    ) -> Json:
        return await self._on_item(conversation_id, seq, "react", emoji=emoji, op=op)

    async def pin(self, conversation_id: int, seq: int) -> Json:
        return await self._on_item(conversation_id, seq, "pin")

    async def unpin(self, conversation_id: int, seq: int) -> Json:
        return await self._on_item(conversation_id, seq, "unpin")

    async def report(
        self, conversation_id: int, seq: int, reason: str, note: str | None = None
    ) -> Json:
        fields = given(reason=reason, note=note)
        return await self._on_item(conversation_id, seq, "report", **fields)

    async def page(
        self,
        conversation_id: int,
        *,
        before: int | None = None,
        after: int | None = None,
        around: int | None = None,
        limit: int = 50,
        view: View = "log",
    ) -> Json:
        """One page from the server, by at most one position; without one, the newest."""
        query = {"before": before, "after": after, "around": around, "limit": limit, "view": view}
        return await self.call("GET", f"conversations/{conversation_id}/messages", query)

    async def page_at(
        self, conversation_id: int, moment: str, *, limit: int = 50, view: View = "log"
    ) -> Json:
        """The page around the first item at or after an RFC 3339 time."""
        query: Query = {"time": moment, "limit": limit, "view": view}
        return await self.call("GET", f"conversations/{conversation_id}/messages/at", query)

    async def pull_many(self, after: Mapping[int, int], limit: int = 50) -> dict[int, Json | None]:
        """Pages after these seqs of up to 100 conversations; None for what one may not read."""
        wanted = ",".join(f"{conversation_id}:{seq}" for conversation_id, seq in after.items())
        pages = await self.call("GET", "messages", {"after": wanted, "limit": limit})
        return {int(conversation_id): page for conversation_id, page in pages.items()}

    async def log(self, conversation_id: int, after: int = 0) -> AsyncIterator[Json]:
        """The whole log from the server, ascending, proven to be without holes."""
        while True:
            page = await self.page(conversation_id, after=after, limit=PAGE)
            check_page(page, after)
            for item in page["items"]:
                yield item
            if not page["items"]:
                return
            after = page["to_seq"]

    async def history(
        self, conversation_id: int, before: int | None = None, view: View = "chat"
    ) -> AsyncIterator[Json]:
        """Items from the server, newest first, page by page as far as the caller goes on."""
        while True:
            page = await self.page(conversation_id, before=before, limit=100, view=view)
            for item in reversed(page["items"]):
                yield item
            if not page["has_before"] or page["from_seq"] == before:
                return
            before = page["from_seq"]

    def search(self, q: str, conversation_id: int | None = None) -> AsyncIterator[Json]:
        return self.each("messages/search", q=q, conversation_id=conversation_id)


class CliError(ImError):
    """Something the person at the terminal can put right."""


JOINERS = "\u200c\u200d"  # Persian and emoji need them, and they move nothing


def plain(text: str, newline: str = "\\n") -> str:
    """Text fit for a terminal: what would move the cursor or turn the line round is spelt out."""
    return "".join(newline if char == "\n" else _visible(char) for char in text)


def _visible(char: str) -> str:
    hidden = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return char.encode("unicode_escape").decode() if hidden and char not in JOINERS else char


def describe(item: Json) -> str:
    """One item in words, raw: the caller makes it fit for where it goes."""
    body = item.get("body") or {}
    if item.get("recalled_at"):
        return "(recalled)"
    if item.get("event"):
        return " ".join([f"* {item['kind']}", *(f"{name}={body[name]}" for name in body)])
    words = item.get("text") or ""
    if item["kind"] != "text":
        words = f"[{item['kind']}] {words or dumps(body)}"
    reply = f"(re #{item['reply_to']}) " if item.get("reply_to") else ""
    return reply + words + (" (edited)" if item.get("edited_at") else "") + _reactions(item)


def _reactions(item: Json) -> str:
    reactions: Json = item.get("reactions") or {}
    counts = {
        emoji: who["count"] if isinstance(who, dict) else len(who)
        for emoji, who in reactions.items()
    }
    return "".join(f"  {emoji} {number}" for emoji, number in counts.items())


class CLI:
    """The command line. Each command is a method; what it prints is one line per thing."""

    SERVER = "http://127.0.0.1:8000"
    STORE = "~/.imclient.db"

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self._names: dict[int, str] = {}

    @classmethod
    def main(cls, arguments: Sequence[str] | None = None) -> int:
        """Run one command; return the exit code."""
        options = cls._parser().parse_args(arguments)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(line_buffering=True, errors="backslashreplace")
        try:
            asyncio.run(cls(options).run())
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            # `| head` has seen enough. Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (ImError, OSError, sqlite3.Error, httpx.InvalidURL, ValueError, EOFError) as error:
            print(f"imclient: {plain(str(error)) or type(error).__name__}", file=sys.stderr)
            return 1
        return 0

    @classmethod
    def _parser(cls) -> argparse.ArgumentParser:
        # Suppressed defaults let these stand before the command as well as after it.
        common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
        common.add_argument("--server", help=f"IM_SERVER, the last one, or {cls.SERVER}")
        common.add_argument("--store", help=f"where the session is kept: IM_STORE or {cls.STORE}")
        parser = argparse.ArgumentParser(
            prog="imclient", parents=[common], description="Talk to an imsite server."
        )
        commands = parser.add_subparsers(metavar="COMMAND", required=True)

        def command(name: str, run: Callable[[CLI], Awaitable[None]]) -> argparse.ArgumentParser:
            sub = commands.add_parser(name, parents=[common], help=run.__doc__)
            sub.set_defaults(run=run)
            return sub

        cls._add_account(command)
        cls._add_talk(command)
        cls._add_push(command)
        return parser

    @classmethod
    def _add_account(cls, command: Callable[..., argparse.ArgumentParser]) -> None:
        for name, run in (("login", cls.login), ("register", cls.register)):
            sub = command(name, run)
            sub.add_argument("username")
            sub.add_argument("--password", help="else IM_PASSWORD, else a prompt")
        sub.add_argument("--name", help="display name")
        command("logout", cls.logout)
        command("ls", cls.ls)
        command("sync", cls.sync)
        sub = command("create", cls.create)
        sub.add_argument("title")
        sub.add_argument("members", nargs="*", metavar="@USERNAME")

    @classmethod
    def _add_talk(cls, command: Callable[..., argparse.ArgumentParser]) -> None:
        where = "its id, its title, or @USERNAME"
        sub = command("tail", cls.tail)
        sub.add_argument("conversation", nargs="?", help=f"{where}; else all of them")
        sub.add_argument("-n", type=int, default=10, help="items to begin with (10)")
        sub = command("send", cls.send)
        sub.add_argument("conversation", help=where)
        sub.add_argument("text", nargs="*", help="none, or -: standard input")
        sub.add_argument("--timeout", type=float, default=60.0, help="seconds to try (60)")
        sub = command("history", cls.history)
        sub.add_argument("conversation", help=where)
        sub.add_argument("-n", type=int, default=50, help="how many (50)")
        sub.add_argument("--before", type=int, metavar="SEQ", help="only what is older")
        sub = command("export", cls.export)
        sub.add_argument("conversation", help=where)
        sub.add_argument("-o", "--output", metavar="FILE", help="else standard output")
        sub = command("read", cls.read)
        sub.add_argument("conversation", help=where)
        sub.add_argument("seq", nargs="?", type=int, help="else everything")

    @classmethod
    def _add_push(cls, command: Callable[..., argparse.ArgumentParser]) -> None:
        sub = command("push", cls.push)
        sub.add_argument("provider", nargs="?", choices=["fcm", "apns", "webpush"])
        sub.add_argument("token", nargs="?", help="of webpush: a file with the subscription")
        sub.add_argument("--app", help="which of several applications this is")
        sub.add_argument("--remove", action="store_true", help="wake this device no more")
        sub = command("push-settings", cls.push_settings)
        sub.add_argument("--preview", choices=["yes", "no"], help="may pushes tell what was said?")
        quiet = sub.add_mutually_exclusive_group()
        quiet.add_argument("--quiet", nargs=3, metavar=("START", "END", "TZ"), help="22:00 07:00 …")
        quiet.add_argument("--no-quiet", action="store_true")
        sub = command("why", cls.why)
        sub.add_argument("conversation", help="its id, its title, or @USERNAME")
        sub.add_argument("seq", type=int)

    async def run(self) -> None:
        path = getattr(self.options, "store", None) or os.environ.get("IM_STORE") or self.STORE
        store = Store(path if path == ":memory:" else Path(path).expanduser())
        server = getattr(self.options, "server", None) or os.environ.get("IM_SERVER")
        try:
            async with Client(server or store.get("server") or self.SERVER, store) as self.client:
                await self.options.run(self)
        finally:
            store.close()

    # The commands; their first line is their help.

    async def login(self) -> None:
        """start a session and keep it in the store"""
        session = await self.client.login(self.options.username, self._password())
        print(f"logged in as {plain(session['user']['username'])} (user {session['user']['id']})")

    async def register(self) -> None:
        """make an account and log in"""
        options = self.options
        session = await self.client.register(options.username, self._password(), options.name)
        print(f"registered {plain(session['user']['username'])} (user {session['user']['id']})")

    def _password(self) -> str:
        given_one: str | None = self.options.password
        password = given_one if given_one is not None else os.environ.get("IM_PASSWORD")
        return password if password is not None else getpass.getpass()

    async def logout(self) -> None:
        """end the session and empty the store"""
        await self.client.logout()

    async def ls(self) -> None:
        """list conversations: id, unread, title, newest message"""
        async for head in self.client.conversations():
            preview = (head["preview"] or {}).get("text") or ""
            title = plain(await self._title(head))
            print(f"{head['id']:>8}  {head['unread']:>5}  {title:<30}  {plain(preview)[:60]}")

    async def _title(self, head: Json) -> str:
        if head["kind"] == "direct" and head["peer_id"]:
            return f"@{await self._name(head['peer_id'])}"
        return head["title"] or ""

    async def create(self) -> None:
        """make a group; print its id"""
        member_ids = [await self._user_id(name) for name in self.options.members]
        print((await self.client.create_group(self.options.title, member_ids))["id"])

    async def sync(self) -> None:
        """bring the local store up to date"""
        changed = await self.client.sync()
        print(f"{len(changed)} changed, {self.client.syncer.unread_total} unread")

    async def send(self) -> None:
        """send a message; print its seq"""
        conversation_id = await self._find(self.options.conversation)
        text = " ".join(self.options.text)
        if text in ("", "-"):
            text = sys.stdin.read().removesuffix("\n")
        try:
            async with asyncio.timeout(self.options.timeout):
                answer = await self.client.send(conversation_id, text)
        except TimeoutError:
            raise CliError("no answer yet; it stays in the outbox for the next command") from None
        print(f"#{answer['seq']}")

    async def read(self) -> None:
        """mark as read up to a seq"""
        conversation_id = await self._find(self.options.conversation)
        seq = self.options.seq
        if seq is None:
            seq = (await self.client.conversation(conversation_id))["last_seq"]
        head = await self.client.read(conversation_id, seq)
        print(f"read up to #{head['read_seq']}, {head['unread']} unread")

    async def history(self) -> None:
        """print older items, paging backwards"""
        conversation_id = await self._find(self.options.conversation)
        items: list[Json] = []
        if self.options.n > 0:
            async for item in self.client.history(conversation_id, self.options.before):
                items.append(item)
                if len(items) >= self.options.n:
                    break
        for item in reversed(items):
            await self._show(item)

    async def export(self) -> None:
        """write a whole conversation as JSON lines"""
        conversation_id = await self._find(self.options.conversation)
        if self.options.output is None:
            # A terminal gets escapes for all that is not ASCII: no character can play tricks on it.
            return await self._export(conversation_id, sys.stdout, sys.stdout.isatty())
        with open(self.options.output, "w", encoding="utf-8") as file:
            await self._export(conversation_id, file, False)

    async def _export(self, conversation_id: int, file: TextIO, ascii_only: bool) -> None:
        async for item in self.client.log(conversation_id):
            print(json.dumps(item, ensure_ascii=True) if ascii_only else dumps(item), file=file)

    async def tail(self) -> None:
        """print the newest items, then follow live"""
        client, wanted = self.client, self.options.conversation
        only = await self._find(wanted) if wanted else None
        # Brings the store to now, so that the watch begins with what comes next.
        await client.sync()
        shown = await self._show_newest(only) if only else 0
        async for change in client.watch():
            here = only in (None, change.conversation_id)
            # What came between the sync and the page has been printed already.
            if change.kind == "item" and change.new and here and change.data["seq"] > shown:
                await self._show(change.data, None if only else change.conversation_id)

    async def _show_newest(self, conversation_id: int) -> int:
        limit = min(max(self.options.n, 1), PAGE)
        page = await self.client.page(conversation_id, limit=limit, view="chat")
        for item in page["items"] if self.options.n > 0 else []:
            await self._show(item)
        return int(page["to_seq"])

    async def _show(self, item: Json, conversation_id: int | None = None) -> None:
        where = f"{conversation_id} " if conversation_id else ""
        moment = plain(item["sent_at"][:16].replace("T", " "))
        sender = plain(await self._name(item["sender_id"]))
        # Indented, so that no line of a message can pass for a message of someone else.
        print(
            f"{moment}  {where}#{item['seq']}  {sender}: {plain(describe(item), chr(10) + '    ')}"
        )

    # Who and where.

    async def push(self) -> None:
        """have this device woken, or list those that are"""
        options = self.options
        if options.remove:
            await self.client.remove_push()
        elif options.provider:
            await self.client.register_push(options.provider, self._push_token(), options.app)
        async for each in self.client.push_tokens():
            here = "this device" if each["current"] else f"device {each['device_id']}"
            print(f"{each['provider']:<8}  {here}  {plain(each['app'] or '')}".rstrip())

    def _push_token(self) -> str | Json:
        token: str | None = self.options.token
        if token is None:
            raise CliError(f"{self.options.provider} needs a token")
        return loads(Path(token).read_text()) if self.options.provider == "webpush" else token

    async def push_settings(self) -> None:
        """show or change how you are woken"""
        options, fields = self.options, {}
        if options.preview:
            fields["preview"] = options.preview == "yes"
        if options.no_quiet:
            fields["quiet_hours"] = None
        elif options.quiet:
            fields["quiet_hours"] = dict(zip(("start", "end", "tz"), options.quiet, strict=True))
        found = await self.client.push_settings(**fields)
        quiet = found["quiet_hours"]
        hours = f"quiet {quiet['start']}-{quiet['end']} {quiet['tz']}" if quiet else "never quiet"
        print(f"preview {'yes' if found['preview'] else 'no'}, {hours}")

    async def why(self) -> None:
        """tell why a message woke your devices, or did not"""
        conversation_id = await self._find(self.options.conversation)
        found = await self.client.push_why(conversation_id, self.options.seq)
        for device in found["devices"]:
            here = "this device" if device["current"] else f"device {device['device_id']}"
            detail = f" ({device['detail']})" if device["detail"] else ""
            print(plain(f"{here}: {device['says']}{detail}"))
            for step in device["steps"]:
                print(
                    plain(f"    {step['at']}  {step['outcome']}  {step['detail'] or ''}".rstrip())
                )

    async def _name(self, user_id: int | None) -> str:
        if user_id is None:
            return "-"
        if user_id not in self._names:
            users = await self.client.users([user_id])
            self._names[user_id] = users[0]["username"] if users else f"user {user_id}"
        return self._names[user_id]

    async def _user_id(self, name: str) -> int:
        key = unicodedata.normalize("NFKC", name.removeprefix("@")).casefold()
        async for user in self.client.search_users(name.removeprefix("@")):
            if unicodedata.normalize("NFKC", user["username"]).casefold() == key:
                return int(user["id"])
        raise CliError(f"no user is called {name}")

    async def _find(self, name: str) -> int:
        """The id of a conversation named by id, by @USERNAME (made if need be), or by title."""
        if name.isascii() and name.isdigit():
            return int(name)
        if name.startswith("@"):
            return int((await self.client.open_direct(await self._user_id(name)))["id"])
        found = [head["id"] async for head in self.client.conversations() if head["title"] == name]
        if len(found) != 1:
            these = f"several are: {', '.join(map(str, found))}" if found else "none is"
            raise CliError(f"which conversation is called {name}? {these}")
        return int(found[0])


if __name__ == "__main__":
    sys.exit(CLI.main())
