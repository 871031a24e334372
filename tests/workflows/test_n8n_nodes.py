"""n8n's node types one by one, and any graph of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories import RegisteredUser
from tests.workflows.n8n_files import BASE, LANGCHAIN, converted, file, made, n8n, only, why
from weconnect import clock
from weconnect.expressions.rendering import EvaluationContext, render
from weconnect.workflows.importers.n8n import node_mapping
from weconnect.workflows.importers.n8n.converter import convert
from weconnect.workflows.importers.n8n.export_file import N8nWorkflow

START = n8n("Start", "manualTrigger")


def condition(
    left: Any, operation: str, right: Any = "", kind: str = "string", **options: Any
) -> dict[str, Any]:
    row = {"leftValue": left, "rightValue": right, "operator": {"type": kind, "operation": operation}}
    return {"conditions": [row], "combinator": "and", "options": options}


def test_set_of_all_versions() -> None:
    values = {"string": [{"name": "a.b", "value": "=x{{ $json.n }}"}], "number": [{"name": "n", "value": 2}]}
    assert only(n8n("S", "set", 1, values=values, keepOnlySet=True)) == {
        "values": {"a.b": "x{{ $json.n }}", "n": 2},
        "keepInput": False,
    }
    fields = {"values": [{"name": "n", "type": "numberValue", "numberValue": "2.5"}]}
    assert only(n8n("S", "set", 3, fields=fields)) == {"values": {"n": 2.5}, "keepInput": True}
    raw = n8n(
        "S", "set", 3.4, mode="raw", jsonOutput='={"a": {{ $json.n }}, "b": "<{{ $json.s }}>", "c": [1]}'
    )
    assert only(raw)["values"] == {"a": "{{ $json.n }}", "b": "<{{ $json.s }}>", "c": [1]}
    whole = n8n("S", "set", 3.4, mode="raw", jsonOutput="={{ $json.inner }}", includeOtherFields=True)
    assert made(whole) == [("jsonata", {"expression": "$merge([$json, $json.inner])"})]
    some = n8n("S", "set", 3, include="selected", includeFields="a, b.c", fields=fields)
    assert only(some) == {
        "values": {"a": "{{ $json.a }}", "b.c": "{{ $json.b.c }}", "n": 2.5},
        "keepInput": False,
    }
    rest = n8n("S", "set", 3.4, includeOtherFields=True, include="except", excludeFields="a")
    assert only(rest) == {"values": {}, "keepInput": True, "remove": ["a"]}
    assert "not a path" in why(n8n("S", "set", 1, values={"string": [{"name": "a[0]", "value": "x"}]}))


def test_conditions_of_both_versions() -> None:
    two = n8n("I", "if", 2.2, conditions=condition("={{ $json.s }}", "startsWith", "ab"))
    assert "$substring(" in only(two)["condition"]
    one = n8n(
        "I",
        "if",
        1,
        conditions={"number": [{"value1": "={{ $json.n }}", "operation": "larger", "value2": 3}]},
    )
    assert " > 3 ? true : false" in only(one)["condition"]
    look = "(?=b)"
    assert "a group" in why(n8n("F", "filter", 2, conditions=condition("={{ $json.s }}", "regex", look)))
    of_another = condition("={{ $json.s }}", "regex", "={{ $json.r }}")
    assert "is an expression" in why(n8n("F", "filter", 2, conditions=of_another))
    assert "no conditions" in why(n8n("I", "if", 2))


CASES = [
    ("string", "equals", "a", "a", True),
    ("string", "equals", None, "", True),
    ("string", "notEquals", "a", "b", True),
    ("string", "equals", 5, "5", True),
    ("string", "contains", "abc", "bc", True),
    ("string", "notContains", "abc", "x", True),
    ("string", "startsWith", "abc", "ab", True),
    ("string", "endsWith", "abc", "bc", True),
    ("string", "endsWith", "c", "bc", False),
    ("string", "empty", "", "", True),
    ("string", "notEmpty", "a", "", True),
    ("string", "exists", None, "", False),
    ("string", "notExists", None, "", True),
    ("string", "regex", "xAb", "/ab$/i", True),
    ("string", "regex", "xAb", "ab$", False),
    ("string", "notRegex", None, "a", True),
    ("string", "exists", "a", "", True),
    ("number", "equals", 5, 5, True),
    ("number", "equals", "5", 5, True),
    ("number", "notEquals", 5, 6, True),
    ("number", "gt", 5, 3, True),
    ("number", "lte", 5, 3, False),
    ("number", "gt", None, 3, False),
    ("boolean", "true", True, "", True),
    ("boolean", "false", False, "", True),
    ("boolean", "false", True, "", False),
    ("boolean", "true", None, "", False),
    ("boolean", "equals", True, "true", True),
    ("array", "contains", ["a", "b"], "b", True),
    ("array", "lengthGt", [1, 2], 1, True),
    ("array", "lengthEquals", [], 0, True),
    ("array", "notEmpty", [0], "", True),
    ("array", "empty", [], "", True),
    ("object", "empty", {}, "", True),
    ("object", "notEmpty", {"a": 1}, "", True),
    ("dateTime", "after", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", True),
    ("dateTime", "before", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", False),
]


@pytest.mark.parametrize(("kind", "operation", "left", "right", "holds"), CASES)
def test_what_a_condition_says(kind: str, operation: str, left: Any, right: Any, holds: bool) -> None:
    conditions = condition("={{ $json.v }}", operation, right, kind)
    source = only(n8n("I", "if", 2.2, conditions=conditions))["condition"]
    for value in [{"v": left}, *([{}] if left is None else [])]:
        assert render(source, [EvaluationContext(value)], {}, clock.now()) == [holds], source


def test_a_condition_may_ignore_the_case() -> None:
    conditions = condition("={{ $json.v }}", "equals", "ABC", caseSensitive=False)
    source = only(n8n("I", "if", 2.2, conditions=conditions))["condition"]
    assert render(source, [EvaluationContext({"v": "abc"})], {}, clock.now()) == [True]


def test_http_requests_of_all_versions() -> None:
    new = n8n(
        "H",
        "httpRequest",
        4.2,
        method="POST",
        url="=https://example.com/{{ $json.id }}",
        sendBody=True,
        specifyBody="json",
        jsonBody='={"q": {{ JSON.stringify($json.q) }}}',
        sendHeaders=True,
        headerParameters={"parameters": [{"name": "x-a", "value": "b"}]},
        options={"timeout": 5_000},
    )
    [(first, parameters), (second, _)] = made(new)
    assert (first, second) == ("http_request", "jsonata")
    assert parameters == {
        "method": "POST",
        "url": "https://example.com/{{ $json.id }}",
        "headers": {"x-a": "b"},
        "body": {"q": "{{ $json.q }}"},
        "timeoutSeconds": 5,
        "followRedirects": True,
    }
    old = n8n(
        "H",
        "httpRequest",
        1,
        url="https://example.com",
        queryParametersUi={"parameter": [{"name": "q", "value": "1"}]},
    )
    assert made(old)[0][1]["query"] == {"q": "1"}
    assert "multipart" in why(
        n8n("H", "httpRequest", 4.2, url="x", method="POST", sendBody=True, contentType="multipart-form-data")
    )


@pytest.mark.parametrize(
    ("rule", "expression"),
    [
        ({"field": "minutes", "minutesInterval": 15}, "rate(15 minutes)"),
        ({"field": "hours", "hoursInterval": 6, "triggerAtMinute": 5}, "5 */6 * * *"),
        ({}, "0 0 * * *"),
        ({"field": "days", "triggerAtHour": 9}, "0 9 * * *"),
        ({"field": "weeks", "triggerAtDay": [1, 5], "triggerAtHour": 9}, "0 9 * * 1,5"),
        ({"field": "months", "triggerAtDayOfMonth": 3}, "0 0 3 * *"),
        ({"field": "cronExpression", "expression": "0 0 9 * * 1-5"}, "0 9 * * 1-5"),
    ],
)
def test_schedules(rule: dict[str, Any], expression: str) -> None:
    assert only(n8n("T", "scheduleTrigger", 1.2, rule={"interval": [rule]}))["expression"] == expression


def test_what_no_schedule_says() -> None:
    assert "shortest" in why(n8n("T", "scheduleTrigger", 1.2, rule={"interval": [{"field": "seconds"}]}))
    assert "both days" in why(
        n8n("T", "cron", triggerTimes={"item": [{"mode": "custom", "cronExpression": "0 0 1 * 1"}]})
    )


def test_other_types() -> None:
    assert only(n8n("W", "wait", 1.1, amount=2, unit="minutes")) == {"until": "duration", "seconds": 120}
    computed = only(n8n("W", "wait", 1.1, amount="={{ $json.n }}", unit="minutes"))["seconds"]
    assert render(
        computed, [EvaluationContext({"n": 1.5}), EvaluationContext({"n": 0})], {}, clock.now()
    ) == [90, 1]
    assert only(n8n("L", "limit", maxItems=3, keep="lastItems")) == {"maxItems": 3, "take": "last"}
    assert only(n8n("S", "splitOut", fieldToSplitOut="a.b", include="allOtherFields")) == {
        "field": "a.b",
        "as": "a.b",
        "keepOthers": True,
    }
    everything = n8n("A", "aggregate", aggregate="aggregateAllItemData")
    assert only(everything) == {"operations": [{"function": "list", "as": "data"}]}
    answer = n8n("R", "respondToWebhook", 1.1, respondWith="json", responseBody='={ "ok": {{ $json.ok }} }')
    assert only(answer) == {"status": 200, "body": {"ok": "{{ $json.ok }}"}}
    rules = {"values": [{"conditions": condition("={{ $json.s }}", "equals", "a")}]}
    node = n8n("S", "switch", 3.2, rules=rules, options={"fallbackOutput": "extra"})
    switch = converted([START, node, n8n("N", "noOp")], "Start > S", "S/1 > N")
    assert switch.validation.valid and switch.definition.connections[1].source_output == "default"


def test_outputs_of_a_switch_that_no_rule_leads_to() -> None:
    rules = {"rules": [{"operation": "equal", "value2": "a", "output": 2}]}
    old = n8n("S", "switch", 1, dataType="string", value1="={{ $json.s }}", rules=rules)
    draft = converted([START, old, n8n("N", "noOp")], "Start > S", "S > N", "S/2 > N")
    assert [each.source_output for each in draft.definition.connections] == ["main", "output2"]
    assert [finding.pointer for finding in draft.dropped] == ["/connections/S/main/0/0"]
    assert draft.validation.valid


def test_an_error_connection_of_a_placeholder() -> None:
    body = file(
        [START, n8n("Code", "code", 2, jsCode="for (;;) {}"), n8n("N", "noOp")],
        "Start > Code",
        "Code:error > N",
    )
    draft = convert(N8nWorkflow.model_validate(body))
    assert draft.validation.valid and draft.definition.connections[1].source_output == "error"


def test_loops_with_their_way_back() -> None:
    nodes = [START, n8n("Loop", "splitInBatches", 3, batchSize=5), n8n("Body", "noOp"), n8n("End", "noOp")]
    good = converted(nodes, "Start > Loop", "Loop > End", "Loop/1 > Body", "Body > Loop")
    assert good.validation.valid and good.nodes[1].status == "mapped"
    bad = converted(nodes, "Start > Loop", "Start > Body", "Loop > End", "Loop/1 > Body", "Body > Loop")
    assert bad.nodes[1].status == "mapped"
    assert {finding.code for finding in bad.validation.findings} == {"into_loop"}
    old = converted([START, n8n("Loop", "splitInBatches", 1)], "Start > Loop")
    assert old.nodes[1].status == "placeholder" and "version 1" in (old.nodes[1].reason or "")


def test_a_way_back_that_is_no_loop_is_told() -> None:
    nodes = [START, *(n8n(name, "noOp") for name in ("Wait", "Look", "Done", "After"))]
    draft = converted(nodes, "Start > Wait", "Wait > Look", "Look > Wait", "Look > Done", "Done > After")
    imported = {node.name: [left.what for left in node.left_out] for node in draft.nodes}
    assert imported == {"Start": [], "Wait": ["cycle"], "Look": ["cycle"], "Done": [], "After": []}
    assert {finding.code for finding in draft.validation.findings} == {"cycle"}


def test_what_stands_beside_the_parameters_is_kept_or_told() -> None:
    beside = {
        "disabled": True,
        "notes": "mind this",
        "retryOnFail": True,
        "maxTries": 4,
        "waitBetweenTries": 1_500,
        "onError": "continueErrorOutput",
        "alwaysOutputData": True,
        "executeOnce": True,
        "credentials": {"httpBasicAuth": {"id": "1", "name": "secret account"}},
    }
    draft = converted(
        [
            START,
            n8n("H", "httpRequest", 4.2, beside, url="https://example.com"),
            n8n("N", "noOp"),
            n8n("note", "stickyNote", content="Read me"),
        ],
        "Start > H",
        "H/1 > N",
        pinData={"H": []},
        staticData={"x": 1},
    )
    request = draft.definition.nodes[1]
    assert (
        request.is_enabled,
        request.on_error,
        request.retry.max_attempts,
        request.retry.delay_seconds,
    ) == (
        False,
        "error_output",
        4,
        2,
    )
    failed = next(each for each in draft.definition.connections if each.source_output == "error")
    assert failed.source_node_id == request.id
    dropped = {finding.what for finding in draft.dropped}
    assert dropped == {"alwaysOutputData", "executeOnce", "credentials", "pinData", "staticData"}
    assert draft.slots == [request.id] and draft.description == "Read me"
    assert "secret account" not in draft.build_report([]).model_dump_json()


def test_an_error_that_goes_on_passes_what_reads_the_answer() -> None:
    beside = {"onError": "continueRegularOutput"}
    draft = converted([START, n8n("H", "httpRequest", 4.2, beside, url="https://example.com")], "Start > H")
    request, reader = draft.definition.nodes[1:]
    assert request.on_error == "continue" and reader.on_error == "stop"
    source = "{{ " + reader.parameters["expression"] + " }}"
    failed = {"a": 1, "error": {"code": "http_500", "nodeId": request.id}}
    answers = render(
        source, [EvaluationContext(failed), EvaluationContext({"body": {"b": 2}})], {}, clock.now()
    )
    assert answers == [failed, {"b": 2}]


def test_names_are_made_unique_and_followed() -> None:
    long = "x" * 150
    rows = [{"name": "a", "value": f"={{{{ $('{long}').item.json.y }}}}"}]
    last = n8n("L", "set", 3.4, assignments={"assignments": rows})
    nodes = [START, n8n("Set", "set", 3.4), n8n("set", "noOp"), n8n(long, "noOp"), last]
    draft = converted(nodes, "Start > Set", "Set > set", f"set > {long}", f"{long} > L")
    names = [node.name for node in draft.definition.nodes]
    assert len({name.casefold() for name in names}) == len(names)
    assert draft.validation.valid
    assert draft.definition.nodes[-1].parameters["values"]["a"].startswith("{{ $nodes." + "x" * 100 + ".")


def test_large_originals_are_cut() -> None:
    draft = converted([START, n8n("Code", "code", 2, jsCode="x" * 100_000)])
    parameters = draft.definition.nodes[1].parameters
    assert parameters["isCut"] and len(parameters["original"]) <= 20_000
    assert draft.nodes[1].left_out[0].what == "original"


def test_an_expression_that_is_left_ends_the_run_with_its_own_text() -> None:
    draft = converted(
        [START, n8n("Wait", "stopAndError", errorMessage="=no {{ $binary.x }}")], "Start > Wait"
    )
    message = draft.definition.nodes[1].parameters["message"]
    assert message == 'no {{ $error("Not translated from n8n: $binary.x") }}'
    assert draft.expressions[0].status == "left" and draft.validation.valid


def test_174_nodes_through_the_route(me: RegisteredUser) -> None:
    types = [("set", 3.4), ("noOp", 1), ("code", 2), ("googleSheets", 4.5), ("if", 2.2), ("httpRequest", 4.2)]
    nodes = [START, *(n8n(f"Node {n}", *types[n % 6], url="https://example.com") for n in range(173))]
    links = ["Start > Node 0", *(f"Node {n} > Node {n + 1}" for n in range(172))]
    answer = me.client.post("/v1/workflows/import", file(nodes, *links))
    assert answer.status == 201, answer.text[:500]
    report = answer.json["report"]
    assert len(report["nodes"]) == 174 and report["validation"]["valid"]
    assert len(answer.json["connections"]) == 173 + sum(n % 6 == 5 for n in range(173))


# Any graph

KINDS = st.sampled_from(
    [
        *node_mapping.CONVERTERS,
        node_mapping.STICKY,
        f"{BASE}code",
        f"{BASE}slack",
        f"{LANGCHAIN}lmChatOpenAi",
        "x.y",
    ]
)
TEXTS = ["={{ $json.a }}", "={{ $('n1').item.json.b }}", "=x {{ $env.Y }}", "={{", "append", "json", "rules"]
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(TEXTS)
KEYS = st.sampled_from(
    [
        "values",
        "rules",
        "conditions",
        "options",
        "url",
        "mode",
        "jsonOutput",
        "assignments",
        "rule",
        "interval",
        "amount",
        "parameters",
        "string",
        "fieldToSplitOut",
        "text",
        "operation",
        "messages",
        "name",
        "value",
        "{{",
        "a/b~c",
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
ALLOWED = {"no_trigger", "unreachable", "cycle", "loop_without_return", "out_of_loop", "into_loop"}
ALLOWED |= {
    "invalid_parameter",
    "missing_parameter",
    "unknown_reference",
    "reference_not_before",
    "no_error_output",
}
BESIDE = ["disabled", "notes", "onError", "maxTries", "retryOnFail", "waitBetweenTries", "position"]
VERSIONS = st.sampled_from([1, 1.1, 2, 2.2, 3, 3.4, 4.2, 99, "x", None])
EXTRAS = st.fixed_dictionaries({}, optional=dict.fromkeys(BESIDE, SCALARS) | {"typeVersion": VERSIONS})


@st.composite
def workflows(draw: st.DrawFn) -> dict[str, Any]:
    nodes = []
    for number in range(draw(st.integers(0, 8))):
        name = draw(st.sampled_from([f"n{number}", "n1", "N1", ""]))
        parameters = draw(st.dictionaries(KEYS, VALUES, max_size=5))
        nodes.append({"name": name, "type": draw(KINDS), "parameters": parameters} | draw(EXTRAS))
    names = st.sampled_from([*(str(node["name"]) for node in nodes), "nowhere"])
    kinds = st.sampled_from(["main", "ai_languageModel", "ai_tool", "a b"])
    ends = st.fixed_dictionaries({"node": names}, optional={"type": kinds, "index": SCALARS})
    outputs = st.lists(st.none() | st.lists(ends, max_size=3), max_size=3)
    leaving = st.dictionaries(kinds, outputs, max_size=2)
    return {"nodes": nodes, "connections": draw(st.dictionaries(names, leaving, max_size=6))}


@settings(max_examples=200, deadline=None)
@given(workflows())
def test_any_graph_is_taken_with_every_part_accounted_for(given_file: dict[str, Any]) -> None:
    draft = convert(N8nWorkflow.model_validate(given_file))
    report = draft.build_report([])
    ids = [node.id for node in draft.definition.nodes]
    assert len(set(ids)) == len(ids) and len(draft.nodes) == len(given_file["nodes"])
    for imported in draft.nodes:
        assert imported.status == "note" or (imported.node_ids and set(imported.node_ids) <= set(ids))
        assert imported.status != "placeholder" or imported.reason
    assert set(ids) == {node_id for imported in draft.nodes for node_id in imported.node_ids}
    ends = sum(
        len(end or [])
        for kinds in given_file["connections"].values()
        for out in kinds.values()
        for end in out
    )
    lost = sum(finding.what == "connection" for finding in draft.dropped)
    inner = len(ids) - len([imported for imported in draft.nodes if imported.status != "note"])
    folded = ends - lost - (len(draft.definition.connections) - inner)
    assert folded >= 0 and (folded == 0 or any("lmChat" in node["type"] for node in given_file["nodes"]))
    assert report.validation.valid or [
        finding for finding in report.validation.findings if finding.severity == "error"
    ]
    codes = {finding.code for finding in report.validation.findings}
    assert codes <= ALLOWED, codes
