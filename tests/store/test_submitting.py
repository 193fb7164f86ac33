"""What a sender does before the writer's turn: little for a long batch, nothing where there is no room."""

import uuid
from collections.abc import Callable
from urllib.parse import quote

import pytest

from imsite.core.errors import AppError
from messages import drafts, ready, writer
from messages.drafts import Draft
from messages.writer import Behind, Writer


def _drafts(talk_id: int, sender_id: int, sizes: list[int]) -> list[Draft]:
    return [
        drafts.parse(
            talk_id, sender_id, {"client_id": str(uuid.uuid4()), "text": ("é" * 9 + ".") * size}
        )
        for size in sizes
    ]


@pytest.fixture
def made(monkeypatch) -> list[int]:
    """Characters of the texts that are made ready, one after the other."""
    seen: list[int] = []
    real: Callable[[Draft], ready.Ready] = ready.sent

    def sent(draft: Draft) -> ready.Ready:
        seen.append(len(draft.text or ""))
        return real(draft)

    monkeypatch.setattr(ready, "sent", sent)
    return seen


def test_of_a_long_batch_the_sender_makes_little_ready_and_all_of_it_is_kept(talk, alice, made):
    batch = _drafts(talk.id, alice.id, [50] * 100)
    quiet = Writer()
    quiet.submit([(draft, print) for draft in batch])
    assert 0 < sum(made) <= writer._OWN_TEXT
    made.clear()
    results = writer.send_many(batch)
    assert not [each for each in results if isinstance(each, AppError)]
    # Each was made ready once, by whomever.
    assert len(made) == len(batch)
    said = [item["text"] for item in talk.all(alice) if "text" in item]
    assert said == [draft.text for draft in batch]
    found = alice.get(f"messages/search?conversation_id={talk.id}&q={quote('é' * 9)}&limit=50")
    assert len(found["items"]) == 50


def test_where_there_is_no_room_nothing_is_made_ready(talk, alice, made, settings):
    settings.IM_WRITER_QUEUE = 3
    full = Writer()
    full.submit([(draft, print) for draft in _drafts(talk.id, alice.id, [1, 1])])
    made.clear()
    with pytest.raises(Behind):
        full.submit([(draft, print) for draft in _drafts(talk.id, alice.id, [400] * 2)])
    assert not made and len(full.waiting) == 2
