"""Import of chat from files: each line once, at its own time, by the way that every send takes."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid5

from accounts import nicks
from accounts.models import User
from conversations import members, opening, shapes
from conversations.models import Conversation
from imsite.core.errors import AppError, InvalidRequest, NotFound
from messages import drafts, log, transcript
from messages.models import Entry
from messages.transcript import Refused, Said

_GROUPS = UUID("0c6f4a52-9a5e-5b0e-8d3c-6f1f0f5b2d10")
# Who owns what was imported for nobody in particular.
_NOBODY = "Log import"
# Who comes with the group; databases bound the parameters of a query. Others join when they speak.
_FIRST_MEMBERS = 30_000


class NothingToImport(InvalidRequest):
    """There is no line in this file that could be imported."""


class NoSuchOwner(NotFound):
    """There is no such user to own the group."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far an import is: lines of the file, and what became of those done."""

    conversation_id: int
    total: int
    done: int = 0
    added: int = 0
    known: int = 0
    refused: list[Refused] = field(default_factory=list)


def run(
    path: Path,
    *,
    title: str,
    owner_name: str | None = None,
    now: datetime,
    batch: int = 1000,
    member_ids: Collection[int] = (),
) -> Iterator[Progress]:
    """Bring a file into its group, a transaction for each `batch` lines; yield after each.

    The group is the owner's (None: nobody's) of this title, made when the first line was said,
    with all who speak and `member_ids` as its members. Whenever this stops, running it again goes
    on from there.
    """
    survey = _Survey(transcript.read(path))
    owner_id = _owner(owner_name, now=now)
    people = nicks.ids(survey.nicks, now=now)
    present = dict.fromkeys([*member_ids, *people.values()])
    conversation_id = _group(title, owner_id, list(present), opened_at=survey.first_at)
    inflow = _Inflow(
        owner_id=owner_id,
        people=people,
        now=now,
        progress=Progress(conversation_id=conversation_id, total=survey.total),
    )
    yield inflow.progress
    lines = transcript.read(path)
    while some := list(islice(lines, batch)):
        inflow.take(some)
        yield inflow.progress


class _Survey:
    """What a first look at the file tells."""

    def __init__(self, lines: Iterable[Said | Refused]) -> None:
        self.total = 0
        self.nicks: dict[str, None] = {}
        first_at: datetime | None = None
        for line in lines:
            self.total += 1
            if isinstance(line, Said):
                self.nicks[line.nick] = None
                first_at = first_at or line.at
        if first_at is None:
            raise NothingToImport
        self.first_at = first_at


def _owner(username: str | None, *, now: datetime) -> int:
    """Return the user of this name, or for None one as whom nobody can log in."""
    if username is None:
        return nicks.ids([_NOBODY], now=now)[_NOBODY]
    try:
        return User.objects.get_by_natural_key(username).pk
    except User.DoesNotExist:
        raise NoSuchOwner from None


def _group(title: str, owner_id: int, member_ids: list[int], *, opened_at: datetime) -> int:
    shapes.Opening.read({"kind": "group", "title": title})
    client_id = uuid5(_GROUPS, f"{owner_id}:{title}")
    # Not asked of opening.group: a file that grew names other members than the first time.
    key = f"g:{owner_id}:{client_id}"
    kept = Conversation.objects.filter(direct_key=key).first()
    if kept is not None:
        return kept.pk
    wanted = opening.Group(
        title=title,
        member_ids=tuple(member_ids[:_FIRST_MEMBERS]),
        client_id=client_id,
        settings={"join": "open", "history": "all"},
    )
    return opening.group(owner_id, wanted, now=opened_at)[0]


@dataclass(slots=True, kw_only=True)
class _Inflow:
    """Lines on their way into one group."""

    owner_id: int
    people: dict[str, int]
    now: datetime
    progress: Progress

    def take(self, lines: list[Said | Refused]) -> None:
        """Append those lines that are not there yet, and count all."""
        said = [line for line in lines if isinstance(line, Said)]
        if said:
            # Batches commit whole and in order: where a line stands, all before it were settled.
            if self._stands(said[-1]):
                self.progress.known += len(said)
            else:
                self._append(said)
        self.progress.refused += [line for line in lines if isinstance(line, Refused)]
        self.progress.done += len(lines)

    def _stands(self, line: Said) -> bool:
        return Entry.objects.filter(
            conversation_id=self.progress.conversation_id,
            sender_id=self.people[line.nick],
            client_id=line.client_id,
        ).exists()

    def _append(self, said: list[Said]) -> None:
        self._admit(said)
        results = log.append_many(
            [self._draft(line) for line in said], now=self.now, times=[line.at for line in said]
        )
        for line, result in zip(said, results, strict=True):
            self._count(line, result)

    def _draft(self, line: Said) -> drafts.Draft:
        message = {"client_id": str(line.client_id), "text": line.text}
        return drafts.parse(self.progress.conversation_id, self.people[line.nick], message)

    def _admit(self, said: list[Said]) -> None:
        """Let in those who are no members: they came into the file, or left, after the group was made."""
        speakers = {self.people[line.nick] for line in said}
        outside = speakers - members.still(self.progress.conversation_id, speakers)
        if outside:
            members.add(
                self.owner_id,
                self.progress.conversation_id,
                user_ids=sorted(outside),
                now=said[0].at,
            )

    def _count(self, line: Said, result: log.Result) -> None:
        if isinstance(result, AppError):
            refused = Refused(number=line.number, reason=transcript.reason(result))
            self.progress.refused.append(refused)
        elif result.duplicate:
            self.progress.known += 1
        else:
            self.progress.added += 1
