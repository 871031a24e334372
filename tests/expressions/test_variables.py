"""The variables that an expression uses, compared with what the evaluator does."""

import json
from typing import Any

import jsonatapy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import soak
from weconnect.expressions.variables import VariableUse, find_members, find_variable_names, find_variables


def uses(source: str) -> set[tuple[str, str | None]]:
    return {(use.name, use.path[0] if use.path else None) for use in find_variables(source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("$vars.x", {("vars", "x")}),
        ("$vars . x", {("vars", "x")}),
        ("$vars /* c */ .\n/* d */ x", {("vars", "x")}),
        ("$vars.`a b`", {("vars", "a b")}),
        ('$vars."a b"', {("vars", "a b")}),
        ("$vars.'a b'.c", {("vars", "a b")}),
        (r"""$vars.'a \"b\"' """, {("vars", 'a "b"')}),
        (r"""$vars."a\/'\u00e9" """, {("vars", "a/'é")}),
        (r"$vars.`a\n`", {("vars", r"a\n")}),
        ("$vars.and", {("vars", "and")}),
        ("$vars.naïve", {("vars", "naïve")}),
        ("$vars.a-b", {("vars", "a")}),
        ("$vars", {("vars", None)}),
        ("$vars[0].x", {("vars", None)}),
        ("$vars.(x)", {("vars", None)}),
        ("$vars.*", {("vars", None)}),
        ("$vars.$x", {("vars", None), ("x", None)}),
        ("$vars..x", {("vars", None)}),
        ("[1..$vars.x]", {("vars", "x")}),
        ("$lookup($vars, 'x')", {("lookup", None), ("vars", None)}),
        ("$vars.x & $vars.y", {("vars", "x"), ("vars", "y")}),
        ("$vars.x & $vars", {("vars", "x"), ("vars", None)}),
        ("$$.vars", set()),
        ("$$vars.x", {("vars", "x")}),
        ("$", set()),
        ("$.vars.x", set()),
        ('"$vars.x"', set()),
        ("'$vars.x' & $vars.y", {("vars", "y")}),
        (r'"a \" $vars.x" & $nodes.y', {("nodes", "y")}),
        ("`$vars.x`", set()),
        ("{'$vars.x': $vars.y}", {("vars", "y")}),
        ("/* $vars.x */ 1", set()),
        ("/* ' */ $vars.x /* ' */", {("vars", "x")}),
        ("$match(a, /$vars.x/)", {("match", None)}),
        (r"$match(a, /'\/$vars.x/) & $nodes.y", {("match", None), ("nodes", "y")}),
        ('(/"/) & $vars.x & (/"/)', {("vars", "x")}),
        ("a / $vars.x / b", {("vars", "x")}),
        ("10/$vars.x/2", {("vars", "x")}),
        ("$vars.x/2 & '/'", {("vars", "x")}),
        ("*/$vars.x", {("vars", "x")}),
        ("and / $vars.x / or", {("vars", "x")}),
        ("a and /'/ or $vars.x", {("vars", "x")}),
        ('"unclosed & $vars.x', {("vars", None)}),
        ("/* unclosed $vars.x", {("vars", None)}),
        ("", set()),
    ],
)
def test_uses_of_variables_are_told_from_texts_that_look_like_them(
    source: str, expected: set[tuple[str, str | None]]
) -> None:
    assert uses(source) == expected


def test_the_fields_read_from_a_variable_are_its_path() -> None:
    assert find_variables("$nodes.`a b` . output.x[0].y & $nodes.c.$z") == {
        VariableUse("nodes", ("a b", "output", "x")),
        VariableUse("nodes", ("c",)),
        VariableUse("z"),
    }


@pytest.mark.parametrize(
    "source",
    [
        "($x := 1; 2)",
        "a@$x.b",
        "a#$x.b",
        "function($x, $y) { 1 }",
        "λ($x) { 1 }",
        "function($y, $x)<ns> { 1 }",
    ],
)
def test_definitions_of_variables_are_no_reads(source: str) -> None:
    assert VariableUse("x", (), is_definition=True) in {
        VariableUse(use.name, (), use.is_definition) for use in find_variables(source)
    }
    assert find_members([source], "x") is not None


def test_members_are_known_unless_an_expression_may_read_any() -> None:
    assert find_members(["$vars.x", "'$vars'", "$nodes.a"], "vars") == {"x"}
    assert find_members(["$vars.x", "$keys($vars)"], "vars") is None
    assert find_members(["$varsity.x"], "vars") == set()


PIECES = (
    *(
        "$vars",
        "$vars.x",
        "$vars . y",
        "$vars.`a b`",
        "$$",
        "$",
        "$x",
        "x",
        "and",
        "or",
        "in",
        "true",
        "1",
        "2.5",
    ),
    *(
        "'",
        '"',
        "`",
        "'$vars'",
        '"$vars.x"',
        "`$vars`",
        "\\",
        "/",
        "/",
        "/*",
        "*/",
        "/$vars/",
        "/a'b/",
        "(/a/)",
    ),
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        "..",
        ",",
        ";",
        ":",
        ":=",
        "?",
        "=",
        "<",
        "~>",
        "&",
        "+",
        "-",
        "*",
        "%",
    ),
    *(" ", "\n", "^", "@", "#", "|", "function", "λ", "é", "\u0345"),
)


def evaluated(source: str, variables: Any) -> str:
    expression = jsonatapy.compile(source, timeout=200, max_stack_depth=50, max_sequence_length=1_000)
    try:
        return json.dumps(expression.evaluate({"x": 3}, {"vars": variables, "x": 2}))
    except (ValueError, TypeError) as error:
        return f"error: {error}"


@settings(max_examples=soak.example_count(3_000), deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_an_expression_whose_value_depends_on_a_variable_uses_it(source: str) -> None:
    try:
        jsonatapy.compile(source)
    except ValueError:
        return
    plain = evaluated(source, {"x": 5, "y": 6, "a b": 7})
    if evaluated(source, {"x": 8, "y": 9, "a b": 10}) != plain or evaluated(source, None) != plain:
        assert "vars" in find_variable_names(source)
    members = find_members([source], "vars")
    if members is not None and plain != evaluated(source, {"x": 8, "y": 6, "a b": 7}):
        assert "x" in members


@settings(max_examples=soak.example_count(500), deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_to_its_end(text: str) -> None:
    quoted = json.dumps(text.encode(errors="replace").decode())
    assert all(isinstance(use, VariableUse) for use in find_variables(text))
    assert uses(f"{quoted} & $vars.x") == {("vars", "x")}


def test_many_slashes_take_linear_time() -> None:
    assert find_variable_names("* / " * 2_500 + "$vars.x") == {"vars"}
    assert find_variable_names("and /" * 2_000) == set()
