"""Items on the wire: what goes in comes out, and nothing empty is written."""

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imsite.core import strict
from imsite.core.errors import AppError
from messages import drafts, ready, wire

ID = "0b9d7c3e-52b6-4f0e-9d0a-3c1f1f0e7a11"
AT = "2026-11-23T14:50:00.123Z"
ORDER = [
    *("seq", "ordinal", "kind", "sender_id", "sent_at", "client_id", "text", "body", "reply_to"),
    *("mentions", "event", "edited_at", "recalled_at", "recalled_by", "reactions", "pinned"),
]
number = st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15)
leaf = st.none() | st.booleans() | number | st.text(max_size=20)
tree = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner)
)
place = st.fixed_dictionaries(
    {"lat": st.floats(-90, 90) | st.integers(-90, 90), "lon": st.floats(-180, 180)},
    optional={"label": st.none() | st.text(max_size=200)},
)
packet = st.fixed_dictionaries(
    {"amount": st.from_regex(r"[1-9][0-9]{0,9}(\.[0-9]{2})?", fullmatch=True)}
)
message = st.fixed_dictionaries(
    {"client_id": st.uuids().map(str), "text": st.text(max_size=300)},
    optional={
        "reply_to": st.integers(1, 2**53 - 1),
        "mentions": st.just("all") | st.lists(st.integers(1, 2**53 - 1), max_size=50),
    },
).flatmap(
    lambda said: st.sampled_from(["text", "custom", "location", "red_packet"]).flatmap(
        lambda kind: {
            "text": st.just(said),
            "custom": st.dictionaries(st.text(max_size=5), tree, max_size=4).map(
                lambda body: {**said, "kind": "custom", "body": body}
            ),
            "location": place.map(lambda body: {**said, "kind": "location", "body": body}),
            "red_packet": packet.map(lambda body: {**said, "kind": "red_packet", "body": body}),
        }[kind]
    )
)


def item(**fields):
    start = {"seq": 3, "ordinal": 2, "kind": "text", "sender_id": 7, "sent_at": AT}
    return {**start, "client_id": ID, "text": "hi", **fields}


@given(message)
def test_whatever_is_accepted_can_be_read_again(said):
    try:
        heard = strict.parse_object(orjson.dumps(said))
        draft = drafts.parse(1, 7, heard)
    except (AppError, orjson.JSONEncodeError):
        assume(False)
    text = wire.encode({"seq": 3, "ordinal": 2, "sent_at": AT} | wire.sent(draft))
    found = wire.decode(text)
    assert found["client_id"] == said["client_id"]
    assert found["text"] == said["text"]
    assert repr(found.get("body", {})) == repr(said.get("body") or {})
    assert found.get("reply_to") == said.get("reply_to")
    told = said.get("mentions") or None
    assert found.get("mentions") == (list(dict.fromkeys(told)) if isinstance(told, list) else told)
    assert all(found[key] not in (None, "", [], {}, False) for key in found)
    assert list(found) == [key for key in ORDER if key in found]
    assert wire.encode(found) == text


@given(message, st.integers(1, 2**40), st.integers(0, 2**40))
def test_what_is_made_ready_and_placed_is_what_is_encoded_at_its_place(said, seq, ordinal):
    try:
        draft = drafts.parse(1, 7, strict.parse_object(orjson.dumps(said)))
    except (AppError, orjson.JSONEncodeError):
        assume(False)
    given = ready.sent(draft)
    text = wire.placed(given.halves, seq, ordinal, AT)
    place = {"seq": seq, "ordinal": ordinal, "sent_at": AT}
    assert text == wire.encode(place | given.item)
    assert place.items() <= wire.decode(text).items()


def test_it_always_writes_the_five_even_when_zero():
    text = wire.encode(item(ordinal=0, event=True, client_id=None, text=None, body={"title": None}))
    assert text == (
        f'{{"seq":3,"ordinal":0,"kind":"text","sender_id":7,"sent_at":"{AT}",'
        '"body":{"title":null},"event":true}'
    )


def test_it_orders_keys_and_drops_what_it_does_not_know():
    full = item(
        body={"a": 1},
        reply_to=1,
        mentions=[5],
        event=True,
        edited_at=AT,
        recalled_at=AT,
        recalled_by=1,
        reactions={"👍": [1]},
        pinned=True,
    )
    backwards = dict(reversed(list(full.items()))) | {"secret": 1}
    assert list(wire.decode(wire.encode(backwards))) == ORDER


def test_a_recalled_item_keeps_its_place_and_nothing_else():
    left = wire.recalled(
        item(
            body={"x": 1},
            mentions=[1],
            reactions={"👍": [1]},
            pinned=True,
            edited_at=AT,
            reply_to=1,
        ),
        at=AT,
        by=9,
    )
    assert set(left) == {
        "seq",
        "ordinal",
        "kind",
        "sender_id",
        "client_id",
        "sent_at",
        "recalled_at",
        "recalled_by",
    }


def test_an_edit_changes_what_it_gives_and_leaves_the_old_item_alone():
    old = item(mentions=[1], reply_to=1)
    new = wire.edited(old, drafts.Edit(text="new", body=None, mentions=()), at=AT)
    assert wire.decode(wire.encode(new)) == {
        **item(reply_to=1),
        "text": "new",
        "edited_at": AT,
    }
    assert old == item(mentions=[1], reply_to=1)


@pytest.mark.parametrize(
    ("who", "shown"),
    [
        ([5, 1], [5, 1]),
        (list(range(1, 101)), list(range(1, 101))),
        (list(range(1, 102)), {"count": 101}),
        (4000, {"count": 4000}),
    ],
)
def test_a_crowd_is_counted_and_not_named(who, shown):
    assert wire.with_reactions(item(), {"👍": who})["reactions"] == {"👍": shown}


def test_taking_the_last_of_anything_away_leaves_no_trace():
    busy = item(reactions={"👍": [1]}, pinned=True)
    plain = wire.with_pin(wire.with_reactions(busy, {"👍": [], "🎉": 0}), False)
    assert wire.encode(plain) == wire.encode(item())


def test_a_page_holds_the_items_as_they_were_stored():
    wires = [wire.encode(item(seq=seq, text="é\u2028👍")) for seq in (3, 4)]
    numbers = {"from_seq": 3, "to_seq": 4, "last_seq": 9, "floor_seq": 0}
    page = wire.page(wires, **numbers, has_before=True, has_after=False)
    assert page.startswith(b'{"items":[' + ",".join(wires).encode() + b'],"from_seq":3,')
    assert orjson.loads(page) == {
        "items": [wire.decode(text) for text in wires],
        **numbers,
        "has_before": True,
        "has_after": False,
    }
    assert orjson.loads(wire.page([], from_seq=1))["items"] == []
