"""What a sender says, read once: fields, defaults, digest."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imsite.core.errors import InvalidRequest
from messages import drafts

ID = "0b9d7c3e-52b6-4f0e-9d0a-3c1f1f0e7a11"
LOCATION = {"lat": 1, "lon": 2.0, "label": None}


def parse(**fields):
    return drafts.parse(1, 2, {"client_id": ID, "text": "hi", **fields})


def refused(message) -> set[str]:
    with pytest.raises(InvalidRequest) as caught:
        drafts.parse(1, 2, message)
    return set(caught.value.data["fields"])


def test_it_takes_null_for_absent():
    nulls = dict.fromkeys(("kind", "body", "reply_to", "mentions"))
    assert parse(**nulls) == parse()
    assert (parse().kind, parse().body, parse().reply_to, parse().mentions) == ("text",) + (
        None,
    ) * 3


@pytest.mark.parametrize("given_id", [ID.upper(), ID])
def test_it_reads_a_client_id_in_any_case(given_id):
    assert parse(client_id=given_id).client_id == ID


@pytest.mark.parametrize("bad", [ID[:-1], ID.replace("-", ""), "{" + ID + "}", ID + "\n", 5, None])
def test_it_refuses_any_other_client_id(bad):
    assert refused({"client_id": bad, "text": "hi"}) == {"client_id"}


BAD = [
    ({"text": 5}, "text"),
    ({"body": []}, "body"),
    ({"kind": 5}, "kind"),
    ({"reply_to": 0}, "reply_to"),
    ({"reply_to": True}, "reply_to"),
    ({"reply_to": 1.0}, "reply_to"),
    ({"reply_to": 2**53}, "reply_to"),
    ({"mentions": "everyone"}, "mentions"),
    ({"mentions": [True]}, "mentions"),
    ({"mentions": ["1"]}, "mentions"),
    ({"mentions": [0]}, "mentions"),
    ({"mentions": list(range(1, 52))}, "mentions"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("fields", "field"), BAD)
def test_it_names_the_field_it_refuses(fields, field):
    assert refused({"client_id": ID, "text": "hi", **fields}) == {field}


@pytest.mark.parametrize("message", [None, 5, "text", []])
def test_it_refuses_what_is_no_object(message):
    assert refused(message)


def test_it_names_a_missing_client_id():
    assert refused({"text": "hi"}) == {"client_id"}


def test_it_mentions_each_once_in_order():
    assert parse(mentions=[3, 1, 3, 2, 1]).mentions == (3, 1, 2)
    assert parse(mentions="all").mentions == "all"
    assert parse(mentions=[]).mentions is None


def test_it_keeps_the_body_as_sent():
    kept = parse(kind="location", body=LOCATION).body
    assert repr(kept) == repr(LOCATION)


def test_its_digest_tells_content_apart_and_nothing_else():
    ways = [
        parse(),
        parse(text="hi "),
        parse(mentions=[1]),
        parse(mentions="all"),
        parse(reply_to=1),
        parse(kind="custom", body={}),
        parse(kind="custom", body={"a": 1}),
        parse(kind="location", body=LOCATION),
    ]
    assert len({way.digest for way in ways}) == len(ways)
    assert all(len(way.digest) == 8 for way in ways)
    assert parse(client_id=str(uuid4())).digest == parse().digest
    assert parse(mentions=[2, 1]).digest == parse(mentions=[1, 2, 1]).digest


@given(st.dictionaries(st.text(max_size=3), st.integers(-9, 9), max_size=5), st.randoms())
def test_its_digest_does_not_depend_on_the_order_of_keys(body, random):
    keys = list(body)
    random.shuffle(keys)
    shuffled = {key: body[key] for key in keys}
    left = parse(kind="custom", body=body).digest
    assert left == parse(kind="custom", body=shuffled).digest


def test_an_edit_knows_what_it_gives():
    assert drafts.parse_edit({"text": "a"}) == drafts.Edit(text="a", body=None, mentions=None)
    assert drafts.parse_edit({"mentions": []}).mentions == ()
    assert drafts.parse_edit({"text": None, "body": {}}).body == {}


@pytest.mark.parametrize("message", [{}, {"text": None}, {"reply_to": 1}, {"text": 5}])
def test_an_edit_gives_something(message):
    with pytest.raises(InvalidRequest):
        drafts.parse_edit(message)
