"""Foreign text costs linear time: every pattern, every parser that reads text itself, and what is read of a workflow.

Patterns are judged by their form, see `tests.patterns`. Parsers are measured: in CPU time, within one process, the
least of several; an input that is ten times as large may take thirty times as long, and not the square of ten.
"""

import contextlib
import functools
import importlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.patterns import find_doubt, list_foreign_imports, list_modules, list_patterns
from tests.workflows.n8n_files import LANGCHAIN, file, n8n
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
from weconnect.hiding import Hiding
from weconnect.models.embedded import answers, model, sentences
from weconnect.models.messages import Message, ModelRequest, ToolCall, ToolSpec
from weconnect.node_sdk import field_paths, xml_json
from weconnect.redaction import redact
from weconnect.workflows import diagram
from weconnect.workflows.definition import hints, validation, versions
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.importers.n8n.converter import convert
from weconnect.workflows.importers.n8n.export_file import N8nWorkflow, check_bounds
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

WORST: dict[tuple[str, str], tuple[str, ...]] = {
    ("weconnect.workflows.importers.n8n.conditions", "/(.+)/([a-z]*)"): ("/", "/a", "a/ ", "//\n"),
    ("weconnect.workflows.importers.n8n.functions", "'[^']*'|([A-Za-z])"): ("a", "ab", "'a", "aA"),
    ("weconnect.workflows.sharing.redaction", r"(?<![\w-])([\w-]{1,64})(["): (
        "a='\\",
        'a="\\"',
        "a=\"b='",
        "a-",
        "a: ",
        "a=rb",
    ),
}
"""Patterns, by module and beginning, that are linear for another reason than their form, with their worst texts."""
LOCAL = {("weconnect.hiding", "rest.encode()")}
"""Patterns of which local values are a part; those of `add_prefix` have no repetition without a bound."""
TO_DO = (
    "Change it so that no character is read again (a possessive repetition; a look-behind at its beginning; a bound), "
    "or add its worst inputs to WORST, or bound what its module reads and add that to BOUNDED with a test."
)
MODULES = [
    name
    for name in list_modules()
    if not any(name == bounded or name.startswith(f"{bounded}.") for bounded in BOUNDED)
]


def list_doubtful() -> list[tuple[str, str, str, re.Pattern[Any] | None, bool]]:
    """Return what is not linear by its form: module, source, reason, pattern, and whether it is anchored."""
    doubtful = []
    for name in MODULES:
        for use in list_patterns(importlib.import_module(name)):
            doubt = find_doubt(use.pattern, is_anchored=use.is_anchored) if use.pattern else "is not constant"
            if doubt:
                doubtful.append((name, str(use.source), doubt, use.pattern, use.is_anchored))
    return doubtful


def test_every_pattern_takes_linear_time() -> None:
    unused = {*WORST, *LOCAL}
    for name, source, doubt, pattern, is_anchored in list_doubtful():
        key = next((each for each in unused if each[0] == name and source.startswith(each[1])), None)
        assert key, f"{name}: the pattern {source!r} may be slow, since {doubt}. {TO_DO}"
        unused.discard(key)
        if pattern is not None:
            for unit in WORST[key]:
                for end in ("", "\0"):
                    read = pattern.fullmatch if is_anchored else functools.partial(pattern.sub, "")
                    require_linear(lambda length: lambda: read(repeat(unit, length) + end))  # noqa: B023
    assert not unused, "Remove what no module contains any more."


def test_no_pattern_hides_from_these_tests() -> None:
    root = Path(__file__).parents[2]
    for path in [*root.glob("layers/weconnect/weconnect/**/*.py"), *root.glob("functions/**/*.py")]:
        assert not list_foreign_imports(path), f"{path}: import re itself"
        if path.relative_to(root).parts[0] == "functions":
            assert "import re\n" not in path.read_text(), f"{path}: patterns belong into the layer"


@pytest.mark.parametrize(
    "source",
    [
        r"eyJ[\w-]{8,}\.",
        r"\{\{.*?\}\}",
        r"(a+)+$",
        r"\s+$",
        r"a.*b|x",
        r"\d+\w*!",
        r"(?:a|ab)*c",
        r"\w+@\w+",
        r"(?=\w*!)x",
        r"[^\s]++@",
        r"(?:a*)*b",
        r"(?:x?a)+b",
        r"\w{0,50}\w*!",
        r"\b[\w-]+!",
        r"(?:\s*a\s*)+b",
        r"x[^y]*\d*z",
        r"(a)\1*",
    ],
)
def test_a_pattern_that_may_take_more_is_recognized(source: str) -> None:
    assert find_doubt(re.compile(source, re.DOTALL)) is not None


@pytest.mark.parametrize("source", [r"\d+\w*!", r"(a*)(a*)b", r"(?:a|ab)*a*c", r"(a+)+", r"x[^y]*\d*z"])
def test_a_pattern_that_may_take_more_at_one_position_is_recognized(source: str) -> None:
    assert find_doubt(re.compile(source), is_anchored=True) is not None


@pytest.mark.parametrize(
    "source",
    [
        r"\s+",
        r"\$(\w+)",
        r'"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)',
        r"(?<![\w-])[\w-]+!",
        r"\b\w+!",
        r"(?<=://)[^/\s:@]+:",
        r"^\s*a",
        r"a[^ab]*b",
        r"eyJ[\w-]{8,}+(\.[\w-]++)?",
    ],
)
def test_a_linear_pattern_is_recognized(source: str) -> None:
    assert find_doubt(re.compile(source, re.DOTALL)) is None


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
    "hints": over(lambda source: list(hints.find_unknown_names(source, hints.Suggestions())), '"\\'),
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


def repeat(unit: str, length: int) -> str:
    """Return a text of so many characters that repeats another."""
    return unit * (length // len(unit))


def measure(call: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call, the least of three if it is short, whatever error of ours it ends with."""
    best = 1e9
    for _ in range(3):
        began = time.process_time()
        with contextlib.suppress(Problem, ExpressionError):
            call()
        best = min(best, time.process_time() - began)
        if best > 0.3:
            break
    return best


def require_linear(parser: Parser, long: int = 40_000, most: float = 30) -> None:
    """Require of a tenfold input that it takes at most `most` times as long; measure again before it is refused.

    Below 10 ms nothing is said: the square of so little is little, too.
    """
    for _ in range(3):
        after = measure(parser(long))
        before = measure(parser(long // 10)) if after > 0.01 else after
        if after <= most * max(before, 0.0003):
            return
    pytest.fail(f"{long // 10}: {before:.4f} s, {long}: {after:.4f} s")


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_linear_time(name: str) -> None:
    require_linear(PARSERS[name], 9_000 if name.startswith(("variables", "hints")) else 40_000)


def test_a_doubled_key_is_named() -> None:
    with pytest.raises(Problem) as caught:
        request_body.parse_json(json.dumps({"a": 1, "b": 2})[:-1] + ', "b": 3}')
    assert "the key 'b' is repeated" in caught.value.detail


# The embedded model, whose patterns are bounded by the length of what it reads

TOOLS = [
    ToolSpec(name=name, description=name, input_schema={"type": "object", "properties": {}})
    for name in sorted(model.BUILTIN_TOOLS)
]


@pytest.mark.parametrize("unit", ["(", '"', " ", "1,", "remember this (", "Paris, ", "a "])
def test_the_embedded_model_takes_at_most_the_square_of_a_request(unit: str) -> None:
    def ask(length: int) -> Callable[[], Any]:
        messages = [Message(role="user", content="what is " + repeat(unit, length - 9) + "a")]
        request = ModelRequest(provider="embedded", model="x", messages=messages, tools=TOOLS)
        return lambda: model.reply(request)

    require_linear(ask, sentences.MAX_REQUEST_CHARACTERS, 150)


def test_the_embedded_model_reads_the_beginning_of_earlier_messages() -> None:
    messages = [Message(role=role, content="x" * 1_000_000) for role in ("user", "assistant", "user")]
    _, earlier, _ = model._split_messages(messages)
    assert [len(message.content) for message in earlier] == [sentences.MAX_REQUEST_CHARACTERS] * 2


def test_the_embedded_model_reads_the_beginning_of_a_result() -> None:
    text = json.dumps({"result": " " * 10_000_000 + "late"})
    result = Message(role="tool", content=text)
    assert "late" not in answers.describe_result(ToolCall(id="1", name="text", arguments={}), result, "")


# Workflows of many nodes


def define(count: int, type: str, links: list[str], **parameters: Any) -> WorkflowDefinition:
    """Return a definition of a manual trigger and nodes of a type: `"{0}.main > {1}"` links each node to the next.

    In the texts of the parameters, `#` is the number of the node, and `%` half of it.
    """
    nodes: list[dict[str, Any]] = [{"id": "n0", "name": "Node 0", "type": "manual"}]
    for number in range(1, count):
        text = json.dumps(parameters).replace("#", str(number)).replace("%", str(number // 2))
        name = {"id": f"n{number}", "name": f"Node {number}", "type": type.replace("#", str(number))}
        nodes.append(name | {"parameters": json.loads(text)})
    connections = [{"sourceNodeId": "n0", "targetNodeId": "n1"}]
    for number in range(1, count):
        for link in links:
            ends = link.format(
                *(f"n{(number + step) % count}" for step in range(3)), f"n{number * 7 % count}"
            )
            source, _, target = ends.partition(" > ")
            node_id, _, output = source.partition(".")
            connections.append({"sourceNodeId": node_id, "sourceOutput": output, "targetNodeId": target})
    return WorkflowDefinition.model_validate({"nodes": nodes, "connections": connections})


DEFINITIONS: dict[str, Callable[[int], WorkflowDefinition]] = {
    "loops in loops": lambda count: define(count, "loop", ["{0}.loop > {1}"]),
    "loops that return": lambda count: define(count, "loop", ["{0}.loop > {1}", "{1}.done > {0}"]),
    "loops after loops": lambda count: define(count, "loop", ["{0}.done > {1}"]),
    "a cycle": lambda count: define(count, "noop", ["{0}.main > {1}", "{3}.main > {0}"]),
    "references": lambda count: define(
        count, "set", ["{0}.main > {1}"], values={"a": "{{ $nodes.`Node %`.output }}"}
    ),
    "unknown references": lambda count: define(
        count, "set", ["{0}.main > {1}"], values={"a": "{{ $nodes.`Nodee #`.output }}"}
    ),
    "unknown types": lambda count: define(count, "webhookk#", []),
    "unknown outputs": lambda count: define(
        2,
        "switch",
        [f"{{0}}.x{number} > {{1}}" for number in range(count)],
        cases=[{"output": f"o{number}"} for number in range(2 * count)],
    ),
    "expressions below a long name": lambda count: define(
        2, "set", [], values={"k" * 100 * count: ["{{ a b }}"] * count}
    ),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_workflow_is_checked_compared_and_drawn_in_linear_time(name: str) -> None:
    def read(count: int) -> Callable[[], Any]:
        definition = DEFINITIONS[name](count)

        def work() -> None:
            validation.check(definition)
            versions.list_differences(definition, WorkflowDefinition())
            diagram.render(definition, {}, True)
            diagram.render(definition, {}, False)

        return work

    require_linear(read, 1_000)


def test_an_expression_below_a_long_name_is_found_at_a_short_pointer() -> None:
    finding = validation.check(define(2, "set", [], values={"k" * 1_000: "{{ a b }}"})).findings[-1]
    assert finding.pointer == "/nodes/1/parameters/values/" + "k" * rendering.SHOWN_CHARACTERS


def test_names_are_suggested_for_the_first_of_many_unknown_references() -> None:
    definition = define(900, "set", ["{0}.main > {1}"], values={"a": "{{ $nodes.`Nodee #`.output }}"})
    messages = [
        each.message for each in validation.check(definition).findings if each.code[-9:] == "reference"
    ]
    assert "Did you mean 'Node 1'?" in messages[0]
    assert "Did you mean" not in messages[-1]


N8N: dict[str, Callable[[int], tuple[list[dict[str, Any]], list[str]]]] = {
    "a chain": lambda count: (
        [
            n8n("N0", "splitInBatches", 3),
            *(
                n8n(f"N{number}", "html", 1, html="={{ $('N0').item.json.a }} {{ $('N1').item.json.b }}")
                for number in range(1, count)
            ),
        ],
        [f"N{number} > N{number + 1}" for number in range(count - 1)],
    ),
    "nodes of one name": lambda count: ([n8n("same", "noOp")] * count, []),
    "unknown nodes": lambda count: (
        [n8n(f"N{number}", "unknown") for number in range(count)],
        [f"N{number % count}/{number % 7} > N{number * 3 % count}" for number in range(5 * count)],
    ),
    "loops": lambda count: (
        [n8n(f"N{number}", "splitInBatches", 3) for number in range(count)],
        [f"N{number}/1 > N{number + 1}" for number in range(count - 1)],
    ),
    "JSON with expressions": lambda count: (
        [
            n8n(
                "N0",
                "set",
                3.4,
                mode="raw",
                jsonOutput="={"
                + ",".join(f'"f{number}": "{{{{ $json.a }}}}"' for number in range(4 * count))
                + "}",
            )
        ],
        [],
    ),
    "agents": lambda count: (
        [
            n8n(f"N{number}", LANGCHAIN + ("agent" if number % 2 else "lmChatOpenAi"), 1.6)
            for number in range(count)
        ],
        [f"N{number}:ai_languageModel > N{number + 1}" for number in range(0, count - 1, 2)],
    ),
}


@pytest.mark.parametrize("name", N8N)
def test_a_file_of_n8n_is_converted_in_linear_time(name: str) -> None:
    def read(count: int) -> Callable[[], Any]:
        nodes, links = N8N[name](count)
        workflow = N8nWorkflow.model_validate(file(nodes, *links))
        return lambda: convert(workflow)

    require_linear(read, 1_000)


def test_a_file_of_n8n_with_too_many_expressions_is_refused() -> None:
    with pytest.raises(Problem, match="more than 10000 expressions"):
        check_bounds({"nodes": [{"parameters": {"a": ["={{a}}"] * 10_001}}]})


def test_the_pointers_into_a_file_of_n8n_are_cut() -> None:
    node = n8n("N0", "unknown", 1, {"parameters": {"k" * 10_000: "={{ a }}"}})
    draft = convert(N8nWorkflow.model_validate(file([node])))
    assert [len(each.pointer) for each in draft.expressions] == [1_000]


# Hiding of secrets: compared with what writes the same text as JSON, and with the worst text

SECRET = "sk4nK8dGq2LxZ7vB1mN5pR9tW3yC6hJ0"
HIDDEN: dict[str, Callable[[int], str]] = {
    "prose": lambda length: repeat("word and more. ", length),
    "quotation marks": lambda length: repeat('{\\"a\\":\\"b\\"},', length),
    "backslashes": lambda length: "\\" * length,
    "percent signs": lambda length: "%" + "25" * (length // 2),
    "base64": lambda length: repeat("aA1+", length),
    "all readable base64": lambda length: "V" * length,
    "hexadecimal": lambda length: repeat("6162", length),
    "the secret": lambda length: repeat(SECRET, length),
    "entities": lambda length: repeat("&amp;", length),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_secrets_are_hidden_in_linear_time(name: str) -> None:
    def hide(length: int) -> Callable[[], Any]:
        text, secrets = HIDDEN[name](length), Hiding([SECRET])
        secrets.hide("the automaton is built")
        return lambda: secrets.hide(text)

    require_linear(hide, 400_000)


def test_text_without_escapes_and_packed_parts_is_read_about_as_fast_as_json_is_written() -> None:
    text, secrets = HIDDEN["prose"](4_000_000), Hiding([SECRET])
    for _ in range(3):
        if measure(lambda: secrets.hide(text)) <= 10 * measure(lambda: json.dumps(text)):
            return
    pytest.fail("the fast path is gone")
