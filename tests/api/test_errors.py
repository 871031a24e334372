"""The error classes: one class for each code, in its module's errors.py, and raised without a code of its own."""

import ast
import importlib
from collections import defaultdict
from pathlib import Path

import pytest

from infra import error_docs, routes
from infra.cloudformation import ROOT
from weconnect.api.caller import RelayedProblem
from weconnect.errors import Problem

SOURCES = sorted([*(ROOT / "layers" / "weconnect").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])
# Codes that clients know with two statuses: of a token in a header and in a body, of a login and of an enrollment.
CODES_WITH_TWO_STATUSES = {"invalid_token", "invalid_mfa_code"}
RELAYED = {RelayedProblem}


def all_classes() -> list[type[Problem]]:
    """Import everything and return all classes of problems."""
    routes.load_operations()
    error_docs.load_error_classes()
    return [Problem, *dict.fromkeys(error_docs.list_subclasses(Problem))]


def test_each_code_is_one_class_of_one_status() -> None:
    statuses_by_code = defaultdict(list)
    for kind in error_docs.load_error_classes():
        statuses_by_code[kind.code].append(kind.status)
    repeated = {code: sorted(statuses) for code, statuses in statuses_by_code.items() if len(statuses) > 1}
    assert set(repeated) == CODES_WITH_TWO_STATUSES
    assert all(len(set(statuses)) == 2 for statuses in repeated.values())


def test_every_class_with_a_code_is_in_an_errors_file_and_has_title_and_meaning() -> None:
    for kind in all_classes():
        if kind in RELAYED or "code" not in vars(kind):  # a special case of its parent's code
            continue
        assert kind.__module__.rpartition(".")[2] == "errors", kind
        assert "title" in vars(kind) and kind.__doc__, kind


def test_the_status_of_a_problem_is_that_of_a_class_in_the_shared_errors() -> None:
    shared = {kind for kind in all_classes() if kind.__module__ == "weconnect.errors"}
    for kind in all_classes():
        assert "status" not in vars(kind) or kind in shared, kind


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_problem_is_raised_with_a_code_of_its_own(path: Path) -> None:
    names = {kind.__name__ for kind in all_classes()} - {kind.__name__ for kind in RELAYED}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names:
            assert "code" not in {keyword.arg for keyword in node.keywords}, f"line {node.lineno}"


def test_the_page_of_errors_names_every_code_with_its_meaning() -> None:
    page = error_docs.render_errors_page()
    for kind in error_docs.load_error_classes():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{kind.code}` "))
        assert kind.title in page and row.count("|") == 5
    assert importlib.import_module("weconnect.errors").Problem.code in page
