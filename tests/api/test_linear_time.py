"""Foreign text costs linear time: every pattern, and every parser that reads text itself, on its worst input.

Times are those of the CPU, within one process: a text that is ten times as long may take twenty times as long.
"""

import contextlib
import functools
import importlib
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.regex_attacks import find_slow, list_modules, list_patterns
from weconnect.agents.engine import loop
from weconnect.agents.memory import episodes, facts, rejections
from weconnect.api import request_body
from weconnect.calculations import calculator
from weconnect.calculations.errors import CalculationError
from weconnect.errors import Problem
from weconnect.expressions import rendering
from weconnect.expressions.braces import split_at_braces
from weconnect.expressions.rendering import ExpressionError
from weconnect.expressions.variables import find_variables
from weconnect.models.embedded import answers, model, sentences
from weconnect.models.messages import Message
from weconnect.node_sdk import field_paths, xml_json
from weconnect.redaction import redact
from weconnect.workflows.definition import hints
from weconnect.workflows.importers.n8n.source_node import split_parts
from weconnect.workflows.nodes import merge
from weconnect.workflows.nodes.merge import MergeParameters
from weconnect.workflows.sharing import redaction

BOUNDED: dict[str, int] = {
    "weconnect.agents.memory.facts": facts.MAX_CHARACTERS,
    "weconnect.agents.memory.value_kinds": facts.MAX_CHARACTERS,
    "weconnect.calculations.calculator": calculator.MAX_LENGTH,
    "weconnect.models.embedded": sentences.MAX_REQUEST_CHARACTERS,
}
"""Modules whose texts are cut or refused before a pattern sees them, with the most characters of one."""

PACKAGES = (
    "agents",
    "api",
    "approvals",
    "auth",
    "calculations",
    "db",
    "durable",
    "events",
    "executions",
    "expressions",
)
MODULES = [
    name
    for name in list_modules()
    if name.split(".")[1] in PACKAGES
    and not any(name == bounded or name.startswith(f"{bounded}.") for bounded in BOUNDED)
]


@pytest.mark.parametrize("name", MODULES)
def test_the_patterns_of_a_module_take_linear_time(name: str) -> None:
    for use in list_patterns(importlib.import_module(name)):
        assert use.pattern is not None, f"{use.source} depends on local values: compile it in the module"
        assert find_slow(use.pattern, is_anchored=use.is_anchored) is None, use.source


@pytest.mark.parametrize(
    "source", [r"eyJ[\w-]{8,}\.", r"\{\{.*?\}\}", r"(a+)+$", r"\s+$", r"a.*b|x", r"\d+\w*!"]
)
def test_a_pattern_that_takes_more_is_recognized(source: str) -> None:
    assert find_slow(re.compile(source, re.DOTALL)) is not None


def test_a_long_calculation_is_refused_before_it_is_matched() -> None:
    with pytest.raises(CalculationError, match="longer than 500 characters"):
        calculator.run({"expression": "1" * 501})


def test_the_embedded_model_reads_the_beginning_of_a_long_request() -> None:
    text = model._split_messages([Message(role="user", content="x" * 1_000_000)])[0]
    assert len(text) == sentences.MAX_REQUEST_CHARACTERS


def test_a_long_statement_is_refused_before_it_is_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(facts, "_NOW")
    assert facts.parse_statement("a is b " * 1_000) is None


# Parsers

Parser = Callable[[int], Callable[[], Any]]
"""Builds the worst input of a length, and returns the call that reads it."""


def on(function: Callable[[Any], Any], make: Callable[[int], Any]) -> Parser:
    return lambda length: functools.partial(function, make(length))


def over(function: Callable[[Any], Any], unit: str, end: str = "", start: str = "") -> Parser:
    return on(function, lambda length: start + unit * (length // len(unit)) + end)


def nest(length: int) -> dict[str, Any]:
    return {"root": {"a" * length: {f"b{number}": 1 for number in range(length // 8)}}}


def merge_fields(length: int) -> Callable[[], Any]:
    items = [{"k": 1, f"f{number}": number} for number in range(length // 8)]
    return lambda: merge._join_by_key([items], MergeParameters(mode="by_key", key="k"))


def set_fields(length: int) -> Callable[[], Any]:
    item = {f"f{number}": number for number in range(length // 16)}
    return lambda: field_paths.change(item, (), {f"a.g{number}": 1 for number in range(length // 16)})


parse_json, find_expressions = request_body.parse_json, rendering.find_expressions

PARSERS: dict[str, Parser] = {
    "body with a repeated key": on(
        parse_json,
        lambda length: (
            "{" + "".join(f'"{n:x}":0,' for n in range(length // 8)) + f'"{length // 8 - 1:x}":0}}'
        ),
    ),
    "body with a key repeated everywhere": over(parse_json, '"a":0,', '"a":0}', "{"),
    "body with many objects": over(parse_json, '{"a":{}},', "1]", "["),
    "expressions, unclosed quotes": over(find_expressions, '"\\', "", "{{"),
    "expressions, unclosed comments": over(find_expressions, "/*'", "", "{{"),
    "expressions, unclosed names": over(find_expressions, "`a' ", "}}{{", "{{"),
    "expressions, braces": over(find_expressions, "{{"),
    "expressions below a long key": on(
        find_expressions, lambda length: {"k" * length: ["{{a}}"] * (length // 8)}
    ),
    "braces": over(split_at_braces, "{{"),
    "braces, closed": over(split_at_braces, "{{}}"),
    "n8n's braces": over(split_parts, "{{ "),
    "variables, divisions": over(find_variables.__wrapped__, "a/", "a"),
    "variables, comments": over(find_variables.__wrapped__, "/*"),
    "variables, escapes": over(find_variables.__wrapped__, '"\\'),
    "variables, operators": over(find_variables.__wrapped__, "*/", "a"),
    "hints": over(lambda source: list(hints.find_unknown_names(source)), '"\\'),
    "logs, tokens": over(redact, "eyJ"),
    "logs, addresses": over(redact, "://a:"),
    "logs, names": over(lambda name: redact("x", name), "token", "\n\n"),
    "shared texts, braces": over(redaction._redact_text, "{{"),
    "shared texts, tokens": over(redaction._redact_text, "eyJ"),
    "shared texts, assignments": over(redaction._redact_text, "a='\\"),
    "rejections, card numbers": over(rejections.find_rejection, "4111 1111 1111 1111 "),
    "rejections, tokens": over(rejections.find_rejection, "eyJ-"),
    "rejections, addresses": over(rejections.find_rejection, "a."),
    "rejections, signs": over(rejections.find_rejection, "+", "."),
    "episodes": over(
        lambda text: episodes._compose(text, text, "completed", [], ""), "sk-abcdefghijklmnop1A "
    ),
    "facts": over(facts.parse_statement, "is a "),
    "words": over(facts.normalize_words, "running's "),
    "pages": over(answers.summarize_value, "<script "),
    "fences": over(loop._strip_fence, "\n ", "`", "```json"),
    "XML": over(xml_json.parse, "<b/>", "</a>", "<a>"),
    "XML below a long name": on(xml_json.write, nest),
    "fields of many paths": set_fields,
    "merged fields": merge_fields,
}


def measure(call: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call, the least of three, whatever error of ours it ends with."""
    best = 1e9
    for _ in range(3):
        began = time.process_time()
        with contextlib.suppress(Problem, ExpressionError):
            call()
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_linear_time(name: str) -> None:
    short, middle, long = (measure(PARSERS[name](length)) for length in (600, 6_000, 60_000))
    for before, after in ((short, middle), (middle, long)):
        assert after < 0.004 or after <= 20 * max(before, 0.0002), f"{short:.5f} {middle:.5f} {long:.5f}"


def test_the_doubled_key_is_named() -> None:
    with pytest.raises(Problem) as caught:
        request_body.parse_json(json.dumps({"a": 1, "b": 2})[:-1] + ', "b": 3}')
    assert "the key 'b' is repeated" in caught.value.detail
