"""Links: finds the hosts that a text leads to, however they are written, and the rules that name them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote

import regex

from messages.policy.folding import UNSPACED, fold
from messages.policy.phrases import BadLine, Found

_LONGEST = 253
# Browsers take any number of slashes, either way round, and everything up to the next one as authority.
_URL = re.compile(r"(?:https?|ftp|wss?):[/\\]*([^\s/\\?#]+)(\S*)")
# What ends a link in running text though an authority could hold it.
_DELIMITERS = re.compile(r"[\s<>\"'()\[\]{}|^`,;!*«»“”‘’„、，（）【】《》]")
# It begins where a word does, and gives nothing back: a long word costs one look.
_BARE = regex.compile(r"(?<![\w\p{M}-])[\w\p{M}-]++(?:\.[\w\p{M}-]++)++")
# Text in other scripts than these has a space before a link.
_APART = regex.compile(rf"[^{UNSPACED}\p{{Hangul}}]+")
_LABEL = regex.compile(r"[^\s\x00-\x2c/:;<=>?@\[\\\]^`{|}~\x7f]+")
_DEPTH = 3


def canonical(host: str) -> str:
    """Return a host as hosts are compared: folded, without port and last dot, punycode decoded."""
    folded = fold(unquote(host)).replace("。", ".").strip(" .")
    return ".".join(_label(each) for each in folded.partition(":")[0].split("."))


def _label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return fold(label[4:].encode("ascii").decode("punycode"))
    except (UnicodeError, ValueError):
        return label


def read(line: str) -> str:
    """Return the domain in a line, `evil.example` or `*.evil.example`; raise BadLine otherwise."""
    told = fold(line).strip().removeprefix("*.")
    host = "" if any(sign in told for sign in ":/\\@") else canonical(told)
    if not host or len(host) > _LONGEST or not all(map(_LABEL.fullmatch, host.split("."))):
        raise BadLine("not a domain such as evil.example")
    return host


def hosts(folded: str) -> Iterator[tuple[str, int, int]]:
    """Yield (host, start, end) for what folded text leads to: of a whole link all of it, else the host."""
    folded = folded.replace("。", ".")
    at = 0
    for found in _URL.finditer(folded):
        yield from _bare(folded, at, found.start())
        at = found.end()
        for host in _of_url(found, _DEPTH):
            yield host, found.start(), at
    yield from _bare(folded, at, len(folded))


def _of_url(found: "re.Match[str]", depth: int) -> Iterator[str]:
    """Yield the host of a link, and of those that its rest carries for the first page to lead on to."""
    yield from _of_authority(unquote(found[1]))
    if depth and ":" in (rest := fold(unquote(found[2]))):
        for inner in _URL.finditer(rest):
            yield from _of_url(inner, depth - 1)


def _of_authority(authority: str) -> Iterator[str]:
    info, _, host = authority.rpartition("@")
    if _DELIMITERS.search(info):
        # A program that makes links of text would have stopped there.
        yield from _of_authority(_DELIMITERS.split(authority, maxsplit=1)[0])
    whole = canonical(_DELIMITERS.split(host, maxsplit=1)[0])
    yield whole
    yield from (canonical(each[0]) for each in _APART.finditer(whole))


def _bare(folded: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """Yield hosts without a scheme; what stands before an @ is somebody's name."""
    for found in _BARE.finditer(folded, start, end):
        if folded[found.end() : found.end() + 1] != "@":
            yield canonical(found[0].strip("_-")), found.start(), found.end()
            for each in _APART.finditer(folded, found.start(), found.end()):
                yield canonical(each[0]), each.start(), each.end()


class Domains:
    """All domains of all rules."""

    def __init__(self, lists: Iterable[tuple[int, Sequence[str]]]) -> None:
        self._rules: dict[str, list[int]] = {}
        for rule, domains in lists:
            for each in dict.fromkeys(domains):
                self._rules.setdefault(each, []).append(rule)

    def find(self, folded: str) -> Iterator[Found]:
        """Yield (rule, start, end) for each link to a domain of a rule or to one below it."""
        if not self._rules or not ("." in folded or "。" in folded or "%2e" in folded):
            return
        for host, start, end in hosts(folded):
            labels = host.split(".") if len(host) <= _LONGEST else []
            for n in range(len(labels)):
                for rule in self._rules.get(".".join(labels[n:]), ()):
                    yield rule, start, end
