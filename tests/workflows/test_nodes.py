"""Every node type of workflows and agents: its outputs, its errors and its edge cases; a type without a row fails."""

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from infra.cloudformation import ROOT
from tests.factories import RegisteredUser
from weconnect import registry_index
from weconnect.errors import UpstreamFailed
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import LOG, RESPONSE, STOP, ExpressionScope, NodeError, NodeRun
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.outbound.errors import HostRefused, OutboundRefused
from weconnect.workflows import node_catalogue

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
A, B, C = {"n": 1, "k": "x"}, {"n": 3, "k": "y"}, {"n": 2, "k": "x"}


def make_node_run(type: str, parameters: dict[str, Any], inputs: Any, **more: Any) -> NodeRun:
    node = Node(id="node", name="Node", type=type, parameters=parameters)
    items_by_input = inputs if isinstance(inputs, dict) else {"main": inputs}
    scope = ExpressionScope({"id": "run", "mode": "test"}, {"t": 1}, {"Before": {"main": [{"b": 7}]}}, MOMENT)
    return NodeRun(node=node, inputs=items_by_input, scope=scope, key="run:node:1", **more)


def execute(type: str, parameters: dict[str, Any], inputs: Any, **more: Any) -> Any:
    kind = node_catalogue.find_node_type(type)
    assert kind
    outputs = {
        name: items
        for name, items in kind.run(make_node_run(type, parameters, inputs, **more)).items()
        if items
    }
    assert set(outputs) <= {*kind.output_names(parameters), RESPONSE, STOP, LOG}
    json.dumps(outputs, allow_nan=False)
    return outputs


AWS = ("s3", "sqs", "sns", "eventbridge", "lambda", "dynamodb", "sql")  # tested in test_aws_nodes
XML = '<?xml version="1.0" encoding="latin1"?><a:o id="1&amp;2">ü<l>a</l><!-- c --><l n="2">b</l><e/></a:o>'
TRIGGERS: dict[str, dict[str, Any]] = {
    "manual": {},
    "webhook": {"methods": ["GET"]},
    "schedule": {"expression": "rate(5 minutes)"},
    "event": {"types": ["order.created"]},
    "error": {},
}
PURE: list[tuple[str, dict[str, Any], Any, Any]] = [
    *[(type, parameters, [A], {"main": [A]}) for type, parameters in TRIGGERS.items()],
    *[(type, parameters, [], {}) for type, parameters in TRIGGERS.items()],
    ("noop", {}, [A, B], {"main": [A, B]}),
    ("noop", {}, [], {}),
    ("set", {"values": {"m": "{{ n + 1 }}"}}, [A], {"main": [A | {"m": 2}]}),
    (
        "set",
        {"values": {"x.y": 1, "x.z": "{{ $index }}"}, "keepInput": False},
        [A],
        {"main": [{"x": {"y": 1, "z": 0}}]},
    ),
    ("set", {"remove": ["n", "no.thing", "k.x"]}, [A], {"main": [{"k": "x"}]}),
    (
        "set",
        {"values": {"a": "{{ $nodes.Before.output.b & $trigger.t & $execution.mode }}"}},
        [],
        {"main": [{"a": "71test"}]},
    ),
    ("if", {"condition": "{{ n > 1 }}"}, [A, B], {"true": [B], "false": [A]}),
    ("if", {"condition": True}, [], {}),
    (
        "switch",
        {
            "cases": [
                {"output": "low", "condition": "{{ n < 2 }}"},
                {"output": "x", "condition": "{{ k = 'x' }}"},
            ]
        },
        [A, B, C],
        {"low": [A], "x": [C], "default": [B]},
    ),
    ("switch", {"cases": [{"output": "default", "condition": True}]}, [A], {"default": [A]}),
    ("merge", {}, {"b": [B], "a": [A]}, {"main": [A, B]}),
    ("merge", {"mode": "any"}, {"b": [B], "a": [], "c": [C]}, {"main": [B]}),
    ("merge", {"mode": "all"}, {"a": [A], "b": [B]}, {"main": [A, B]}),
    (
        "merge",
        {"mode": "by_position"},
        {"b": [{"k": 1}], "a": [A, B]},
        {"main": [A | {"k": 1}, B]},
    ),
    (
        "merge",
        {"mode": "by_position", "keep": "matched"},
        {"a": [A, B], "b": [{"z": 1}]},
        {"main": [A | {"z": 1}]},
    ),
    ("merge", {"mode": "by_position", "keep": "matched"}, {"a": [A], "b": []}, {}),
    ("merge", {"mode": "one", "input": "b"}, {"a": [A], "b": [B]}, {"main": [B]}),
    ("merge", {"mode": "one", "input": "c"}, {"a": [A], "b": [B]}, {}),
    (
        "merge",
        {"mode": "by_key", "key": "k"},
        {"a": [A, B], "b": [{"k": "x", "more": 1}, {"k": None}]},
        {"main": [A | {"more": 1}, B, {"k": None}]},
    ),
    (
        "merge",
        {"mode": "by_key", "key": "k", "keep": "matched"},
        {"a": [A, B], "b": [{"k": "x"}]},
        {"main": [A]},
    ),
    ("filter", {"condition": "{{ k = 'x' }}"}, [A, B, C], {"main": [A, C], "rejected": [B]}),
    ("filter", {"condition": False}, [A], {"rejected": [A]}),
    ("sort", {"by": [{"field": "k"}, {"field": "n", "order": "descending"}]}, [A, B, C], {"main": [C, A, B]}),
    (
        "sort",
        {"by": [{"field": "v"}]},
        [{"v": "b"}, {"v": 2}, {}, {"v": [1]}, {"v": True}],
        {"main": [{}, {"v": True}, {"v": 2}, {"v": "b"}, {"v": [1]}]},
    ),
    ("limit", {"maxItems": 2}, [A, B, C], {"main": [A, B]}),
    ("limit", {"maxItems": 5, "take": "last"}, [A, B], {"main": [A, B]}),
    ("limit", {"maxItems": 1, "take": "last"}, [A, B], {"main": [B]}),
    (
        "aggregate",
        {"groupBy": ["k"], "operations": [{"function": "sum", "field": "n", "as": "total.n"}]},
        [A, B, C],
        {"main": [{"k": "x", "total": {"n": 3}}, {"k": "y", "total": {"n": 3}}]},
    ),
    (
        "aggregate",
        {
            "operations": [
                {"function": each, "field": "n", "as": each}
                for each in ("count", "average", "min", "max", "list", "first", "last")
            ]
        },
        [A, B, C, {}],
        {"main": [{"count": 3, "average": 2, "min": 1, "max": 3, "list": [1, 3, 2], "first": 1, "last": 2}]},
    ),
    (
        "aggregate",
        {"operations": [{"function": "average", "field": "n", "as": "a"}, {"function": "count", "as": "c"}]},
        [],
        {"main": [{"a": None, "c": 0}]},
    ),
    ("split", {"field": "l"}, [{"l": [A, 5]}, {}], {"main": [A, {"value": 5}]}),
    (
        "split",
        {"field": "l", "as": "e", "keepOthers": True},
        [{"l": [1, 2], "x": 0}],
        {"main": [{"x": 0, "e": 1}, {"x": 0, "e": 2}]},
    ),
    ("deduplicate", {"fields": ["k"]}, [A, B, C], {"main": [A, B], "duplicates": [C]}),
    (
        "deduplicate",
        {},
        [A, A, {"n": True}, {"n": 1}],
        {"main": [A, {"n": True}, {"n": 1}], "duplicates": [A]},
    ),
    ("jsonata", {"expression": "$merge([$, {'m': n * 2}])"}, [A], {"main": [A | {"m": 2}]}),
    ("jsonata", {"expression": "$sum($.n)", "mode": "all"}, [A, B], {"main": [{"value": 4}]}),
    ("jsonata", {"expression": "missing"}, [A], {}),
    ("jsonata", {"expression": '{"a": {"b": n}}'}, [A], {"main": [{"a": {"b": 1}}]}),
    ("text", {"operation": "upper", "text": "{{ k }}"}, [A], {"main": [A | {"text": "X"}]}),
    ("text", {"operation": "lower", "text": "AB", "as": "t"}, [{}], {"main": [{"t": "ab"}]}),
    ("text", {"operation": "trim", "text": " a "}, [{}], {"main": [{"text": "a"}]}),
    (
        "text",
        {"operation": "replace", "text": "aba", "search": "a", "replacement": "c"},
        [{}],
        {"main": [{"text": "cbc"}]},
    ),
    ("text", {"operation": "slice", "text": "abcd", "start": -3, "end": 3}, [{}], {"main": [{"text": "bc"}]}),
    ("text", {"operation": "split", "text": "a,b", "search": ","}, [{}], {"main": [{"text": ["a", "b"]}]}),
    ("text", {"operation": "split", "text": "ab"}, [{}], {"main": [{"text": ["a", "b"]}]}),
    ("text", {"operation": "join", "text": ["a", "b"], "search": "-"}, [{}], {"main": [{"text": "a-b"}]}),
    ("text", {"operation": "length", "text": "😀"}, [{}], {"main": [{"text": 1}]}),
    (
        "date_time",
        {"operation": "add", "date": "2026-01-31", "months": 1},
        [{}],
        {
            "main": [
                {
                    "dateTime": {
                        "operation": "add",
                        "date": "2026-01-31",
                        "result": "2026-02-28",
                        "weekday": "Saturday",
                    }
                }
            ]
        },
    ),
    (
        "date_time",
        {"operation": "now", "timezone": "Europe/Berlin", "as": "d"},
        [{}],
        {
            "main": [
                {
                    "d": {
                        "operation": "now",
                        "datetime": "2026-01-02T04:04:05+01:00",
                        "date": "2026-01-02",
                        "time": "04:04",
                        "weekday": "Friday",
                        "timezone": "Europe/Berlin",
                    }
                }
            ]
        },
    ),
    ("stop", {}, [A], {STOP: [A]}),
    ("stop", {}, [], {}),
    (
        "respond",
        {"body": {"n": "{{ n }}"}, "status": 201},
        [A],
        {"main": [A], RESPONSE: [{"body": {"n": 1}, "status": 201, "headers": {}}]},
    ),
    ("respond", {}, [A, B], {"main": [A, B], RESPONSE: [{"body": [A, B], "status": 200, "headers": {}}]}),
    ("respond", {"body": None}, [A], {"main": [A], RESPONSE: [{"body": None, "status": 200, "headers": {}}]}),
    ("loop", {"batchSize": 2}, [A, B, C], {"loop": [A, B]}),
    *[
        ("crypto", {"as": "r", **parameters}, [{}], {"main": [{"r": expected}]})
        for parameters, expected in (
            (
                {"operation": "hash", "text": "abc"},
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                {"operation": "hash", "text": "", "algorithm": "md5", "format": "base64"},
                "1B2M2Y8AsgTpgAmY7PhCfg==",
            ),
            (
                {"operation": "hmac", "text": "what do ya want for nothing?", "key": "Jefe"},
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",  # RFC 4231, case 2
            ),
            ({"operation": "encode", "text": "ü?>", "format": "base64"}, "w7w/Pg=="),
            ({"operation": "encode", "text": "ü?>", "format": "base64url"}, "w7w_Pg"),
            ({"operation": "decode", "text": "w7w_Pg", "format": "base64url"}, "ü?>"),
            ({"operation": "decode", "text": "w7w/Pg==", "format": "base64"}, "ü?>"),
            ({"operation": "decode", "text": "C3BC"}, "ü"),
            ({"operation": "compare", "text": "ä", "other": "ä"}, True),
            ({"operation": "compare", "text": "a", "other": "ab"}, False),
        )
    ],
    (
        "csv",
        {"operation": "parse", "text": '\ufeffa;b\r\n1;"x;\n""y"""\r\n\r\n2\r\n', "delimiter": ";"},
        [{}],
        {"main": [{"a": "1", "b": 'x;\n"y"'}, {"a": "2", "b": ""}]},
    ),
    (
        "csv",
        {"operation": "parse", "text": "{{ t }}", "header": False},
        [{"t": "1,2"}, {"t": ""}],
        {"main": [{"column1": "1", "column2": "2"}]},
    ),
    (
        "csv",
        {"operation": "write"},
        [{"a": 1, "b": "x,\n"}, {"b": None, "c": {"d": True}}, {"a": "=1+1"}],
        {"main": [{"csv": 'a,b,c\r\n1,"x,\n",\r\n,,"{""d"": true}"\r\n\'=1+1,,\r\n'}]},
    ),
    (
        "csv",
        {"operation": "write", "columns": ["n"], "header": False, "safe": False, "as": "t"},
        [A, B, {"n": "-1"}],
        {"main": [{"t": "1\r\n3\r\n-1\r\n"}]},
    ),
    (
        "xml",
        {"operation": "parse", "text": "{{ t }}", "as": "x"},
        [{"t": XML}],
        {
            "main": [
                {
                    "t": XML,
                    "x": {
                        "a:o": {"@id": "1&2", "#text": "ü", "l": ["a", {"@n": "2", "#text": "b"}], "e": ""}
                    },
                }
            ]
        },
    ),
    (
        "xml",
        {
            "operation": "write",
            "value": {"o": {"@id": '1&"', "#text": "<", "l": ["a", {"@n": 2}], "e": None}},
        },
        [{}],
        {
            "main": [
                {
                    "xml": '<?xml version="1.0" encoding="UTF-8"?>\n'
                    '<o id=\'1&amp;"\'>&lt;<l>a</l><l n="2"></l><e></e></o>'
                }
            ]
        },
    ),
    (
        "html",
        {
            "text": "{{ t }}",
            "keepInput": False,
            "extract": {
                "title": {"selector": "h1"},
                "links": {"selector": "a", "attribute": "href", "all": True},
                "bold.first": {"selector": "p > b", "html": True},
                "none": {"selector": "h6"},
            },
        },
        [{"t": "<h1>A \n <i>b</i></h1><p><b>x</b><a href='/1'>1<a href>2<a>3</a><script>evil()</script>"}],
        {"main": [{"title": "A b", "links": ["/1", "", None], "bold": {"first": "<b>x</b>"}, "none": None}]},
    ),
    (
        "html",
        {"text": "", "extract": {"all": {"selector": "p", "all": True}}},
        [A],
        {"main": [A | {"all": []}]},
    ),
    (
        "compare",
        {"keys": ["k"]},
        {"a": [A, B, {"k": 1}], "b": [A, B | {"n": 4, "m": 0}, {"k": True}]},
        {
            "same": [A],
            "different": [{"a": B, "b": B | {"n": 4, "m": 0}, "fields": ["m", "n"]}],
            "only_a": [{"k": 1}],
            "only_b": [{"k": True}],
        },
    ),
    (
        "compare",
        {"keys": ["k"], "fields": ["n"]},
        {"a": [A | {"x": 1}], "b": [A | {"x": 2}]},
        {"same": [A | {"x": 1}]},
    ),
    ("compare", {"keys": ["k"]}, {"b": [A]}, {"only_b": [A]}),
    ("loop", {}, [], {}),
]


@pytest.mark.parametrize(("type", "parameters", "inputs", "expected"), PURE)
def test_a_node_returns_its_outputs(
    type: str, parameters: dict[str, Any], inputs: Any, expected: Any
) -> None:
    before = json.dumps(inputs)
    assert execute(type, parameters, inputs) == expected
    assert json.dumps(inputs) == before, "a node does not change its input"


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    *[(type, {"more": 1}, "invalid_parameters", "/more") for type in ("set", "stop", "respond")],
    ("stop", {"message": "no"}, "invalid_parameters", "a message requires the outcome failed"),
    ("stop", {"outcome": "failed", "message": "{{ nothing }}"}, "invalid_parameters", "The value is null"),
    ("set", {"values": 1}, "invalid_parameters", "/values"),
    ("set", {"values": {"n.x": 1}}, "not_an_object", "n is not an object"),
    ("set", {"values": {"a": ["{{ 1 + 'x' }}"]}}, "expression_failed", "/values/a/0"),
    ("if", {}, "invalid_parameters", "/condition"),
    ("if", {"condition": "{{ k }}"}, "invalid_parameters", "/condition"),
    ("switch", {"cases": []}, "invalid_parameters", "/cases"),
    (
        "switch",
        {"cases": [{"output": "not a name!", "condition": True}]},
        "invalid_parameters",
        "/cases/0/output",
    ),
    ("merge", {"mode": "by_key"}, "invalid_parameters", "/key"),
    ("merge", {"mode": "sideways"}, "invalid_parameters", "/mode"),
    ("merge", {"mode": "one"}, "invalid_parameters", "/input"),
    ("filter", {"condition": None}, "invalid_parameters", "/condition"),
    ("sort", {"by": [{"field": ""}]}, "invalid_parameters", "/by/0/field"),
    ("limit", {"maxItems": "{{ k }}"}, "invalid_parameters", "/maxItems"),
    ("aggregate", {"operations": [{"function": "sum", "field": "k", "as": "s"}]}, "not_a_number", "k is not"),
    (
        "aggregate",
        {"operations": [{"function": "mode", "as": "s"}]},
        "invalid_parameters",
        "/operations/0/function",
    ),
    ("split", {"field": "n"}, "not_a_list", "n is not a list"),
    ("deduplicate", {"fields": "k"}, "invalid_parameters", "/fields"),
    ("jsonata", {"expression": "1 +"}, "expression_failed", "/expression"),
    ("jsonata", {}, "invalid_parameters", "/expression"),
    ("text", {"operation": "upper", "text": ["a"]}, "invalid_parameters", "/text"),
    ("text", {"operation": "replace", "text": "a"}, "invalid_parameters", "/search"),
    (
        "text",
        {"operation": "replace", "text": "a" * 5_000, "search": "a", "replacement": "b" * 5_000},
        "too_large",
        "",
    ),
    ("date_time", {"operation": "add", "date": "soon", "days": 1}, "invalid_parameters", "ISO 8601"),
    ("date_time", {"operation": "guess"}, "invalid_parameters", "/operation"),
    ("stop", {"outcome": "failed", "message": "no {{ n }}"}, "stopped", "no 1"),
    ("respond", {"status": 100}, "invalid_parameters", "/status"),
    ("loop", {"batchSize": 0}, "invalid_parameters", "/batchSize"),
    ("crypto", {"operation": "hmac", "text": "x"}, "invalid_parameters", "/key"),
    ("crypto", {"operation": "decode", "text": "a", "format": "base64"}, "not_decodable", "/text"),
    ("crypto", {"operation": "decode", "text": "ff"}, "not_decodable", "/text"),
    ("crypto", {"operation": "hash", "algorithm": "crc32"}, "invalid_parameters", "/algorithm"),
    ("csv", {"operation": "parse", "text": "a,a\n1,2"}, "invalid_csv", "the name 'a'"),
    ("csv", {"operation": "parse", "text": "a\n1,2"}, "invalid_csv", "row 2"),
    ("csv", {"operation": "parse", "text": 'a\n"x"y'}, "invalid_csv", "line 2"),
    ("csv", {"operation": "parse", "text": "a\n" * 50_002}, "too_large", "50000 rows"),
    ("csv", {"operation": "write", "delimiter": "\n"}, "invalid_parameters", "/delimiter"),
    ("xml", {"operation": "parse", "text": "<a><b></a>"}, "invalid_xml", "line 1"),
    ("xml", {"operation": "parse", "text": ""}, "invalid_xml", "/text"),
    (
        "xml",
        {"operation": "parse", "text": "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"},
        "invalid_xml",
        "DOCTYPE",
    ),
    (
        "xml",
        {"operation": "parse", "text": "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"},
        "invalid_xml",
        "DOCTYPE",
    ),
    ("xml", {"operation": "parse", "text": "<a>&x;</a>"}, "invalid_xml", "undefined entity"),
    ("xml", {"operation": "parse", "text": "<a>" * 101}, "too_large", "100 deep"),
    ("xml", {"operation": "write", "value": {"a": 1, "b": 2}}, "invalid_parameters", "/value"),
    ("xml", {"operation": "write", "value": {"a": {"b><c": 1}}}, "invalid_parameters", "/value/a/b><c"),
    ("xml", {"operation": "write", "value": {"a": "\u0000"}}, "invalid_parameters", "/value/a"),
    (
        "html",
        {"text": "x", "extract": {"a": {"selector": "p[["}}},
        "invalid_parameters",
        "/extract/a/selector",
    ),
    ("html", {"text": "x"}, "invalid_parameters", "/extract"),
    ("compare", {"keys": []}, "invalid_parameters", "/keys"),
    ("classify", {"text": "x", "labels": {"one": ""}}, "invalid_parameters", "/labels"),
    ("extract", {"text": "x", "outputSchema": {"type": "list"}}, "invalid_parameters", "/outputSchema"),
    *[
        ("email_send", {"to": to, "subject": "s", "text": "t"}, "invalid_parameters", "/to")
        for to in (
            [],
            ["a@b.c, d@example.com"],
            ["a@example.com\r\nBcc: d@example.com"],
            ["a@example.com\n"],
            ["Name <a@example.com>"],
            [f"a{number}@example.com" for number in range(11)],
        )
    ],
    ("http_request", {"url": ""}, "invalid_parameters", "/url"),
    ("code", {}, "invalid_parameters", "/code"),
    ("code", {"code": "x = 1\nreturn ("}, "invalid_parameters", "/code: line 2: '(' was never"),
    ("code", {"code": "return 1", "timeoutSeconds": 61}, "invalid_parameters", "/timeoutSeconds"),
    ("code", {"code": "return 1", "mode": "some"}, "invalid_parameters", "/mode"),
    ("code", {"code": "return '" + "ü" * 40_000 + "'"}, "invalid_parameters", "64 KB"),
    ("code", {"code": "return 1"}, "code_not_available", "CodeVpcId"),
    ("http_request", {"url": "https://x", "method": "TRACE"}, "invalid_parameters", "/method"),
    ("prompt", {}, "invalid_parameters", "/prompt"),
    ("prompt", {"prompt": "x", "outputSchema": {"type": 5}}, "invalid_parameters", "/outputSchema"),
    ("placeholder", {}, "invalid_parameters", "/originalType"),
    ("placeholder", {"originalType": "x.y", "reason": "nothing like it"}, "placeholder", "nothing like it"),
    *[(type, {}, "invalid_parameters", "/region") for type in AWS],
    ("memory_search", {"agentId": "none", "query": "x"}, "invalid_parameters", "/agentId"),
    ("memory_save", {"agentId": str(UUID(int=1)), "content": ""}, "invalid_parameters", "/content"),
]


@pytest.mark.parametrize(("type", "parameters", "code", "message"), REFUSED)
def test_a_node_refuses(type: str, parameters: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(NodeError) as caught:
        execute(type, parameters, [A])
    assert caught.value.code == code and message in caught.value.message


EFFECTS = {
    "http_request",
    "prompt",
    "classify",
    "extract",
    "email_send",
    "memory_search",
    "memory_save",
    "code",
}


def find_tests_beside_module(type: str) -> Path | None:
    """Return the folder with the tests of a node type of a module that this file does not test, else None."""
    for package in registry_index.NODE_PACKAGES:
        module = package.split(".")[1]
        if module not in ("agents", "workflows") and importlib.util.find_spec(f"{package}.{type}"):
            return ROOT / "tests" / module
    return None


@pytest.mark.parametrize("type", sorted(node_catalogue.list_node_type_names()))
def test_every_type_has_a_description_and_tests(type: str) -> None:
    kind = node_catalogue.find_node_type(type)
    assert kind and kind.label and kind.description.endswith(".")
    description = node_catalogue.describe_node_type(type)
    Draft202012Validator.check_schema(description.parameters)
    tested = {row[0] for row in PURE} | EFFECTS
    tested |= {"placeholder", *AWS}  # the first only fails
    if type not in tested and (folder := find_tests_beside_module(type)):
        assert any(f'"{type}"' in path.read_text() for path in folder.glob("test_*.py")), (
            f"test it in {folder}"
        )
        return
    assert type in tested or kind.kind == "flow", "tests/executions has those that take steps of their own"
    refused = {row[0] for row in REFUSED}
    assert type in refused or not kind.parameters.model_fields or kind.kind in ("flow", "trigger")


@pytest.mark.parametrize("type", [*TRIGGERS, "wait", "approval", "subworkflow", "agent", "noop"])
def test_unknown_parameters_are_refused(type: str) -> None:
    kind = node_catalogue.find_node_type(type)
    assert kind
    with pytest.raises(ValueError, match="more"):
        kind.parameters.model_validate(TRIGGERS.get(type, {}) | {"more": 1})


# Nodes with effects


def test_an_http_request_is_sent_for_each_item(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    responses: list[Any] = []

    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        sent.append({"method": method, "url": url, **options})
        response: OutboundResponse | Exception = responses.pop(0)
        if isinstance(response, Exception):
            raise response
        return response

    monkeypatch.setattr(outbound, "send", send)
    json_header = {"content-type": "application/json"}
    responses[:] = [OutboundResponse(200, json_header, b'{"a": 1}', ""), OutboundResponse(204, {}, b"", "")]
    parameters = {"method": "POST", "url": "https://x/{{ n }}", "body": {"n": "{{ n }}"}, "query": {"q": 1}}
    items = execute("http_request", parameters, [A, B])["main"]
    assert [each["body"] for each in items] == [{"a": 1}, ""]
    assert [(each["url"], each["json"], each["params"]) for each in sent] == [
        ("https://x/1", {"n": 1}, {"q": 1}),
        ("https://x/3", {"n": 3}, {"q": 1}),
    ]
    assert [each["headers"]["idempotency-key"] for each in sent] == ["run:node:1:0", "run:node:1:1"]
    responses[:] = [OutboundResponse(200, json_header, b"{NaN", "")]
    assert execute("http_request", {"url": "https://x"}, [A])["main"][0]["body"] == "{NaN"
    for response, code, retryable in (
        (OutboundResponse(404, {}, b"no", ""), "http_404", False),
        (OutboundResponse(429, {}, b"no", ""), "http_429", True),
        (OutboundResponse(500, {}, b"no", ""), "http_500", True),
        (UpstreamFailed("gone"), "unreachable", True),
        (OutboundRefused("inside"), "address_refused", False),
        (HostRefused("inside, or not resolved"), "address_refused", True),
    ):
        responses[:] = [response]
        with pytest.raises(NodeError) as caught:
            execute("http_request", {"url": "https://x"}, [A])
        assert (caught.value.code, caught.value.retryable) == (code, retryable)
    responses[:] = [OutboundResponse(404, {}, b"no", "")]
    assert (
        execute("http_request", {"url": "https://x", "failOnStatus": False}, [A])["main"][0]["status"] == 404
    )
    with pytest.raises(NodeError, match="Put a loop around it"):
        execute("http_request", {"url": "https://x"}, [A] * 101)


def test_http_requests_cannot_reach_private_addresses() -> None:
    for address in ("http://127.0.0.1/", "http://169.254.169.254/", "file:///etc/passwd"):
        with pytest.raises(NodeError) as caught:
            execute("http_request", {"url": address}, [A])
        assert caught.value.code in (
            "address_refused",
            "unreachable",
        ) and not caught.value.message.startswith("{")


def test_a_prompt_returns_text_and_usage() -> None:
    item = execute("prompt", {"prompt": "what is {{ n }} + 1?"}, [A])["main"][0]
    assert set(item) == {"text", "inputTokens", "outputTokens", "cost"} and item["cost"] == 0
    with pytest.raises(NodeError) as caught:
        execute("prompt", {"prompt": "x", "provider": "nobody"}, [A])
    assert caught.value.code.startswith("provider_")


def test_a_prompt_with_a_schema_returns_json(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {"properties": {"n": {"type": "integer"}}, "required": ["n"]}
    requests = respond_with(monkeypatch, '{"n": 5}', "five")
    parameters = {"prompt": "Five?", "system": "Be brief.", "outputSchema": schema}
    item = execute("prompt", parameters, [A])["main"][0]
    assert item["structuredOutput"] == {"n": 5} and item["text"] == '{"n": 5}'
    assert requests[0].output_schema == {"type": "object"} | schema and requests[0].system == "Be brief."
    with pytest.raises(NodeError) as caught:
        execute("prompt", parameters, [A])
    assert (caught.value.code, caught.value.retryable) == ("answer_does_not_fit", True)


def test_random_ids_are_unique() -> None:
    items = execute("crypto", {"operation": "id", "as": "id"}, [A, B])["main"]
    assert len({UUID(each["id"]) for each in items}) == 2


def test_compare_requires_unique_keys() -> None:
    with pytest.raises(NodeError, match="The input b has two items with k = x"):
        execute("compare", {"keys": ["k"]}, {"a": [A], "b": [A, C]})


def respond_with(monkeypatch: pytest.MonkeyPatch, *texts: str) -> list[Any]:
    """Have models return these texts; return the list of the requests to them."""
    from weconnect import models
    from weconnect.models.messages import ModelReply

    requests: list[Any] = []
    remaining = list(texts)

    def send_request(request: Any, api_key: str | None) -> ModelReply:
        requests.append(request)
        return ModelReply(text=remaining.pop(0))

    monkeypatch.setattr(models, "send_request", send_request)
    return requests


def test_classify_adds_the_label_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {"bill": "asks for money", "other": ""}
    requests = respond_with(monkeypatch, '{"label": "bill"}', '{"label": "else"}', "bill")
    parameters = {"text": "{{ k }}", "labels": labels, "as": "kind"}
    assert execute("classify", parameters, [A])["main"] == [A | {"kind": "bill"}]
    assert requests[0].output_schema["properties"]["label"]["enum"] == ["bill", "other"]
    assert "asks for money" in requests[0].system and requests[0].messages[0].content == "x"
    for _ in range(2):
        with pytest.raises(NodeError) as caught:
            execute("classify", parameters, [A])
        assert (caught.value.code, caught.value.retryable) == ("answer_does_not_fit", True)


def test_extract_adds_the_fields_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {"properties": {"n": {"type": "integer"}}, "required": ["n"]}
    requests = respond_with(monkeypatch, '{"n": 5}', '{"n": "5"}', "[]")
    parameters = {"text": "five", "outputSchema": schema, "instructions": "Numbers as digits."}
    assert execute("extract", parameters, [A])["main"] == [A | {"extracted": {"n": 5}}]
    assert requests[0].output_schema == {"type": "object"} | schema and "as digits" in requests[0].system
    for message in ("/n", "object"):
        with pytest.raises(NodeError, match=message) as caught:
            execute("extract", parameters, [A])
        assert caught.value.code == "answer_does_not_fit"


def test_the_embedded_model_refuses_what_it_cannot_do() -> None:
    with pytest.raises(NodeError, match="not a language model"):
        execute("classify", {"text": "x", "labels": {"a": "", "b": ""}}, [{}])
    schema = {"properties": {"said": {"type": "string"}}, "required": ["said"]}
    items = execute("extract", {"text": "2 + 3", "outputSchema": schema}, [{}])["main"]
    assert isinstance(items[0]["extracted"]["said"], str)


def test_memories_are_saved_and_searched(me: RegisteredUser) -> None:
    agent = me.client.post("/v1/agents", {"name": "Helper"}).json["id"]
    context = {
        "organization_id": UUID(me.organization["id"]),
        "user_id": UUID(me.user["id"]),
        "execution_id": UUID(int=1),
    }
    saved = execute(
        "memory_save", {"agentId": agent, "content": "{{ k }} likes teal", "key": "c"}, [A], **context
    )["main"]
    assert saved[0]["content"] == "x likes teal"
    memories = execute("memory_search", {"agentId": agent, "query": "teal"}, [A], **context)["main"]
    assert memories[0]["content"] == "x likes teal"
    for type, more in (("memory_search", {"query": "x"}), ("memory_save", {"content": "x"})):
        with pytest.raises(NodeError) as caught:
            execute(type, {"agentId": me.user["id"], **more}, [A], **context)
        assert caught.value.code == "agent_not_found"
