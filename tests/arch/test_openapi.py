"""The OpenAPI description: valid, complete, and its examples are taken by the doors they describe."""

import jsonschema
import pytest
from django.core.management import call_command
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

from imsite import catalogue, schema
from imsite.core.errors import Code
from messages import drafts

DESCRIPTION = SchemaGenerator().get_schema(request=None, public=True)
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}
POSTS = sorted(name for name, (method, _, _) in OPERATIONS.items() if method == "post")


def test_it_is_valid_and_gives_no_warnings(tmp_path):
    target = str(tmp_path / "schema.json")
    call_command("spectacular", file=target, validate=True, fail_on_warn=True)


def test_the_catalogue_and_the_routes_are_the_same_set():
    assert set(OPERATIONS) == set(catalogue.OPERATIONS)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_each_operation_says_what_it_does_and_how_it_fails(name):
    _, path, operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["tags"]
    answers = operation["responses"]
    assert "400" in answers
    assert "401" in answers or not operation["security"]
    assert "{" not in path or "404" in answers
    for status, answer in answers.items():
        for media in answer.get("content", {}).values():
            assert media.get("example") or media["examples"], (name, status)


@pytest.mark.parametrize("name", POSTS)
def test_its_example_body_is_taken_by_the_door(name):
    _, path, operation = OPERATIONS[name]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    _resolved(path).func.cls.Body.read(example)


def _resolved(path: str):
    """Return the view behind a path with parameters."""
    return resolve("/".join("7" if step.startswith("{") else step for step in path.split("/")))


@pytest.mark.parametrize("name", ["conversations_messages"])
def test_its_example_message_is_a_good_draft(name):
    example = catalogue.OPERATIONS[name].body
    assert drafts.parse(3, 7, dict(example)).text


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_its_example_answers_fit_their_schemas(name):
    for answer in OPERATIONS[name][2]["responses"].values():
        for media in answer.get("content", {}).values():
            if "example" in media:
                whole = {**media["schema"], "components": DESCRIPTION["components"]}
                jsonschema.validate(media["example"], whole)


@pytest.mark.parametrize("code", Code, ids=lambda code: code.slug)
def test_each_code_has_a_sentence(code):
    assert schema.sentence(code)[0].isupper()
