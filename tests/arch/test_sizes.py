"""Functions and files stay small: a breach is named, and the answer is to split by subject."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["imsite", "accounts", "conversations", "messages", "push"]
LONGEST_FUNCTION = 50
LONGEST_FILE = 300


def sources() -> Iterator[Path]:
    """Every file of ours that is written by hand."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file with its number of lines, docstring and decorators left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            yield (
                node.name,
                node.end_lineno - first.lineno + 1 + (node.body[0].lineno > node.lineno),
            )


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_fit_on_a_screen(package):
    long = [
        f"{path.relative_to(ROOT)}:{name} {lines}"
        for path in sources()
        if path.relative_to(ROOT).parts[0] == package
        for name, lines in functions(path)
        if lines > LONGEST_FUNCTION
    ]
    assert not long


def test_files_have_one_subject():
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in sources()}
    assert not {str(path): lines for path, lines in sizes.items() if lines > LONGEST_FILE}


def test_modules_are_named_for_a_subject():
    layers = {"utils", "util", "helpers", "services", "selectors", "common", "misc", "base_utils"}
    named = [path for path in sources() if layers & {path.stem, *path.relative_to(ROOT).parts}]
    assert not named


def test_each_module_says_what_it_does():
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent
