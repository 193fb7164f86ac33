"""POST over HTTP/1.1 as providers want it: bounded in time and size, no redirects, and nothing quoted."""

import asyncio
import email.utils
import ipaddress
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import httpx
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings

from push.providers.base import PushFailed

# Bytes of an answer that are read: what providers say fits many times.
LONGEST_ANSWER = 65_536
# Connections to all servers of a provider, and to each.
_CONNECTIONS, _EACH = 128, 64
# Seconds for which an idle connection is kept: less than servers keep theirs.
_IDLE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as an object; empty if it is none."""
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds that Retry-After asks for, given as such or as a date; None without."""
        given = self.headers.get("retry-after", "").strip()
        if given.isascii() and given.isdigit():
            return float(given[:9])
        try:
            moment = email.utils.parsedate_to_datetime(given)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())


def trusted() -> ssl.SSLContext:
    """Return whom we trust: the usual authorities, and that of IM_PUSH_CA."""
    context = httpx.create_ssl_context()
    if settings.IM_PUSH_CA:
        context.load_verify_locations(settings.IM_PUSH_CA)
    return context


def unreachable(error: BaseException) -> PushFailed:
    """Return what to raise for an exchange that broke; addresses and URLs can be secrets."""
    return PushFailed(f"no answer: {type(error).__name__}", unwell=True)


class Http:
    """Connections of one provider; to be used on one loop. `private`: also within private networks."""

    def __init__(self, *, private: bool = True) -> None:
        self._private = private
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, *, headers: dict[str, str], body: bytes) -> Answer:
        """Return what is answered, whatever its status; raise PushFailed if nothing is."""
        try:
            async with self._opened().post(
                url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                said = await answer.content.read(LONGEST_ANSWER)
                found = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, found, said)
        except TimeoutError:
            raise PushFailed("no answer in time", unwell=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(getattr(error, "os_error", None), NotPublic):
                raise PushFailed("its address is not public", unwell=True) from None
            raise unreachable(error) from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=_CONNECTIONS,
                    limit_per_host=_EACH,
                    keepalive_timeout=_IDLE,
                    ttl_dns_cache=60,
                    resolver=_Resolver(),
                    ssl=trusted(),
                    socket_factory=None if self._private else _public_socket,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=settings.IM_PUSH_TIMEOUT, sock_connect=settings.IM_PUSH_TIMEOUT / 2
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "imsite", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._session


class NotPublic(OSError):
    """The address belongs to a private network, or to this machine."""


def is_public(address: str) -> bool:
    """Say whether an address is one of the open internet, however it is written or wrapped."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is None and any(found in network for network in _WRAPPING):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    return found.is_global and not found.is_multicast


# NAT64, and the old way to write IPv4 as IPv6: the last four bytes are the address.
_WRAPPING = [ipaddress.IPv6Network(network) for network in ("64:ff9b::/96", "::/96")]


def _public_socket(address: Any) -> socket.socket:
    # Asked with the very address that is connected to, so a name cannot change its mind in between.
    family, kind, protocol, _, where = address
    if not is_public(where[0].partition("%")[0]):
        raise NotPublic("not public")
    found = socket.socket(family, kind, protocol)
    found.setblocking(False)
    return found


class _Resolver(AbstractResolver):
    """Asks the system in threads of its own: those of uvloop are the whole process's."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="push-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM),
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(where[0]),
                port=int(where[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        """Let the threads end by themselves."""
        self._threads.shutdown(wait=False)
