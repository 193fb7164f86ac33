"""The docs keep up: every code, kind, route, knob and dependency is written about."""

import re
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

from imsite.core.errors import Code
from messages import kinds

ROOT = Path(__file__).resolve().parents[2]
_KNOB = re.compile(r'\benv(?:\.\w+)?\(\s*"([A-Z][A-Z0-9_]+)"')


def knobs() -> list[str]:
    """Every name that our code reads from the environment."""
    code = "\n".join(path.read_text() for path in (ROOT / "imsite").rglob("*.py"))
    limits = {f"IM_LIMIT_{scope.upper()}" for scope in settings.IM_LIMIT_DEFAULTS}
    return sorted(limits | set(_KNOB.findall(code)))


def dependencies() -> list[str]:
    """Every package that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    return sorted({re.split(r"[^A-Za-z0-9-]", name)[0] for group in groups for name in group})


def doc(name: str) -> str:
    """The text of a page in docs."""
    return (ROOT / "docs" / name).read_text()


@pytest.mark.parametrize("code", Code, ids=lambda code: code.slug)
def test_each_error_code_is_in_the_protocol(code):
    assert re.search(rf"{code.value}\b.*\b{code.slug}\b", doc("protocol.md"))


@pytest.mark.parametrize("kind", sorted(kinds.KINDS))
def test_each_kind_is_in_the_protocol(kind):
    assert re.search(rf"`{kind}\b", doc("protocol.md"))


@pytest.mark.parametrize("name", knobs())
def test_each_knob_is_in_running(name):
    assert f"`{name}`" in doc("running.md")


@pytest.mark.parametrize("name", dependencies())
def test_each_dependency_is_explained(name):
    assert re.search(rf"(?i)\b{re.escape(name)}\b", doc("dependencies.md"))
