"""Damaged files of n8n: each is rejected with a JSON pointer or imported completely, and its report is correct."""

import copy
import random
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.factories import RegisteredUser
from tests.workflows.n8n_files import LANGCHAIN, file, n8n
from weconnect.errors import Invalid
from weconnect.node_sdk.entities import Node
from weconnect.workflows.importers.n8n import node_mapping
from weconnect.workflows.importers.n8n.converter import convert
from weconnect.workflows.importers.n8n.draft import Draft
from weconnect.workflows.importers.n8n.export_file import N8nWorkflow, check_bounds
from weconnect.workflows.node_catalogue import find_node_type

EXPRESSIONS = [
    "={{ $json.a ?? 'b' }}",
    "=<{{ $('Set').item.json['a b'] }}>",
    "={{ $input.all().map(i => i.json.x) }}",
    "={{ (() => { const a = 1; return a })() }}",
    "={{ $json.x.match(/[^/]+/g) }}",
    "={{ {...$json, a: [$json.b]} }}",
    "={{ $fromAI('x') }}",
    "={{ {{",
    "=}}{{",
    "={{ `${ }",
]
CONDITIONS = {
    "conditions": [
        {
            "leftValue": "={{ $json.a }}",
            "rightValue": "/a[/]/",
            "operator": {"type": "string", "operation": "regex"},
        }
    ],
    "combinator": "and",
}
SET = {"assignments": {"assignments": [{"name": "a.b", "value": "={{ $json.a }}", "type": "string"}]}}
SPLIT = {"fieldToSplitOut": "a.b", "include": "allOtherFields"}
RULES = {"rules": {"values": [{"conditions": CONDITIONS}]}, "options": {"fallbackOutput": "extra"}}
CALL = {
    "url": "=https://example.com/{{ $json.a }}",
    "method": "POST",
    "sendBody": True,
    "jsonBody": "={{ {a: 1} }}",
}
SELECT = {"values": [{"key": "a", "cssSelector": "p", "returnValue": "attribute", "attribute": "href"}]}
PARAMETERS: dict[str, dict[str, Any]] = {
    "set": SET,
    "if": {"conditions": CONDITIONS},
    "filter": {"conditions": CONDITIONS},
    "switch": RULES,
    "httpRequest": CALL | {"specifyBody": "json", "options": {"timeout": 5_000}},
    "splitOut": SPLIT,
    "code": {"jsCode": "const a = items[0].json; return [{ json: { ...a } }]"},
    "merge": {"mode": "combine", "combineBy": "combineByPosition", "numberInputs": 3},
    "html": {"operation": "extractHtmlContent", "extractionValues": SELECT},
    "crypto": {"type": "SHA256", "value": "={{ $json.a }}"},
    "dateTime": {"operation": "addToDate", "magnitude": "={{ $now }}", "duration": 1, "timeUnit": "days"},
    "emailSend": {"emailFormat": "text", "toEmail": "a@b.cd", "subject": "x", "text": "={{ $json.a }}"},
    "graphql": {"endpoint": "https://example.com", "query": "{a}", "requestMethod": "POST"},
    "summarize": {
        "fieldsToSummarize": {"values": [{"field": "a", "aggregation": "sum"}]},
        "fieldsToSplitBy": "b",
    },
    "executeWorkflow": {"workflowId": {"value": "x"}, "workflowInputs": {"value": {"a": "={{ $json.a }}"}}},
    "formTrigger": {"formFields": {"values": [{"fieldLabel": "a"}]}},
    "splitInBatches": {"batchSize": 3},
    "wait": {"amount": "={{ $json.a }}", "unit": "minutes"},
    "scheduleTrigger": {"rule": {"interval": [{"field": "hours", "hoursInterval": 2}]}},
    "removeDuplicates": {"compare": "selectedFields", "fieldsToCompare": "a,b"},
    f"{LANGCHAIN}agent": {
        "promptType": "define",
        "text": "={{ $json.a }}",
        "options": {"systemMessage": "b"},
    },
    f"{LANGCHAIN}chainLlm": {"promptType": "define", "text": "={{ $json.a }}"},
    f"{LANGCHAIN}openAi": {
        "modelId": {"value": "gpt-4o"},
        "messages": {"values": [{"content": "=a {{ $json.a }}"}]},
    },
    f"{LANGCHAIN}outputParserStructured": {"jsonSchemaExample": '{"a": [1]}'},
    f"{LANGCHAIN}lmChatOpenAi": {"model": {"value": "gpt-4o"}, "options": {"temperature": 0.5}},
    f"{LANGCHAIN}textClassifier": {"inputText": "x", "categories": {"categories": [{"category": "a"}]}},
    f"{LANGCHAIN}informationExtractor": {
        "text": "x",
        "schemaType": "manual",
        "inputSchema": '{"properties": {}}',
    },
}
VERSIONS = [1, 1.1, 1.8, 2, 2.1, 3, 3.4, 4.2]
GARBAGE: list[Any] = [None, True, -1, 0, 1e308, "", "x" * 3_000, [], {}, [[]], {"value": None}, *EXPRESSIONS]
EXPLAINED = {
    "no_trigger": "a file may have none",
    "unreachable": "a file may have nodes that nothing leads to",
    "cycle": "reported as a cycle",
    "loop_without_return": "of the file",
    "into_loop": "of the file",
    "out_of_loop": "of the file",
    "too_deep": "of the file",
    "unknown_reference": "of the file",
    "reference_not_before": "of the file",
    "no_error_output": "of the file",
    "missing_parameter": "reported as missing",
    "email_send_not_available": "the operator decides",
}


def real(random: random.Random) -> dict[str, Any]:
    """A workflow of nodes as people have them, connected at random."""
    nodes = [n8n("Start", "manualTrigger")]
    for number in range(random.randrange(1, 12)):
        kind = random.choice(
            [
                *PARAMETERS,
                *(name.removeprefix(node_mapping.BASE) for name in node_mapping.CONVERTERS),
                "slack",
            ]
        )
        beside = {"onError": random.choice(["continueRegularOutput", "continueErrorOutput", "stopWorkflow"])}
        version = random.choice(VERSIONS)
        parameters = copy.deepcopy(PARAMETERS.get(kind, {}))
        nodes.append(
            n8n(f"n{number}", kind, version, beside if random.random() < 0.2 else None, **parameters)
        )
    names = [node["name"] for node in nodes]
    kinds = ["", "", "", ":ai_languageModel", ":ai_tool", ":ai_memory", ":ai_outputParser"]
    links = []
    for _ in range(random.randrange(2 * len(nodes))):
        source = f"{random.choice(names)}{random.choice(['', '', '/1'])}{random.choice(kinds)}"
        links.append(f"{source} > {random.choice(names)}{random.choice(['', '', '/1'])}")
    return file(nodes, *links, settings={"timezone": random.choice(["UTC", "Asia/Tokyo", 5])})


def spoil(random: random.Random, value: Any, left: list[int]) -> Any:
    """A value in which something is gone, doubled or something else."""
    if left[0] and random.random() < 0.02:
        left[0] -= 1
        return copy.deepcopy(random.choice(GARBAGE))
    if isinstance(value, dict):
        result = {key: spoil(random, inner, left) for key, inner in value.items()}
        if result and left[0] and random.random() < 0.02:
            left[0] -= 1
            result.pop(random.choice(list(result)))
        return result
    if isinstance(value, list):
        kept_list = [spoil(random, inner, left) for inner in value]
        return kept_list * 2 if left[0] and kept_list and random.random() < 0.01 else kept_list
    if isinstance(value, str) and left[0] and random.random() < 0.02:
        left[0] -= 1
        return value[: random.randrange(len(value) + 1)] + random.choice(
            ["", "{{", "}}", "`", '"', "\u0000", "]"]
        )
    return value


def hold(given_file: dict[str, Any], draft: Draft) -> None:
    """Check the guarantees of an import."""
    ids = {node.id: node for node in draft.definition.nodes}
    assert len(ids) == len(draft.definition.nodes) and len(draft.nodes) == len(given_file["nodes"])
    assert set(ids) == {node_id for imported in draft.nodes for node_id in imported.node_ids}
    missing = {node_id: imported.missing for imported in draft.nodes for node_id in imported.node_ids}
    for imported in draft.nodes:
        assert imported.status == "note" or imported.node_ids, imported
        assert imported.reason or imported.status not in ("placeholder", "incomplete"), imported
        assert bool(imported.missing) == (imported.status == "incomplete")
        originals = [ids[each] for each in imported.node_ids if ids[each].type == "placeholder"]
        assert len(originals) == (imported.status in ("placeholder", "incomplete"))
        assert not any(node.is_enabled for node in originals)
        for node_id in imported.node_ids:
            accepted(ids[node_id], imported.missing)
    for finding in draft.validation.findings:
        assert finding.code in EXPLAINED, finding
        if finding.code == "missing_parameter":
            assert finding.pointer.rpartition("/")[2] in missing[str(finding.node_id)], finding
    taken = {imported.pointer for imported in draft.nodes if imported.status in ("mapped", "translated")}
    assert all(finding.status in ("translated", "left") for finding in draft.expressions)
    assert draft.build_report([]).counts.nodes.taken == len(taken)


def accepted(node: Node, missing: list[str]) -> None:
    """Its model takes the parameters, but for what is to be filled in, and for texts that are expressions."""
    kind = find_node_type(node.type)
    assert kind, node.type
    try:
        kind.parameters.model_validate(node.parameters)
    except ValidationError as error:
        for wrong in error.errors(include_url=False):
            is_expression = isinstance(wrong["input"], str) and "{{" in wrong["input"]
            is_missing = wrong["type"] == "missing" and wrong["loc"][-1] in missing
            assert is_expression or is_missing, (node.type, wrong)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 6))
def test_spoilt_files_keep_every_promise(seed: int, changes: int) -> None:
    chance = random.Random(seed)
    given_file = spoil(chance, real(chance), [changes])
    try:
        if not isinstance(given_file, dict):
            return
        check_bounds(given_file)
        workflow = N8nWorkflow.model_validate(given_file)
        draft = convert(workflow)
    except (ValidationError, Invalid):
        return
    hold(given_file, draft)


@pytest.mark.parametrize("seed", range(8))
def test_the_route_responds_to_any_damaged_file(me: RegisteredUser, seed: int) -> None:
    chance = random.Random(seed)
    answer = me.client.post("/v1/workflows/import", spoil(chance, real(chance), [4]))
    assert answer.status in (201, 400, 422), answer.text[:500]


def steps(count: int) -> int:
    """Return the number of function calls of an import of `count` nodes with long expressions, each connected to 20."""
    long = "={{ " + " || ".join(f"$json.a{number}" for number in range(90)) + " }}"
    rows = [{"name": f"f{number}", "value": long, "type": "string"} for number in range(3)]
    nodes = [n8n(f"n{number}", "set", 3.4, assignments={"assignments": rows}) for number in range(count)]
    links = [f"n{number} > n{(number + other) % count}" for number in range(count) for other in range(20)]
    workflow = N8nWorkflow.model_validate(file(nodes, *links))
    called = 0

    def count_one(frame: Any, event: str, argument: Any) -> None:
        nonlocal called
        called += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count_one)
    try:
        convert(workflow)
    finally:
        sys.setprofile(before)
    return called


def test_work_grows_with_the_file_and_not_faster() -> None:
    assert steps(80) < 2.5 * steps(40)
