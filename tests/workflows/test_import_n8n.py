"""Importing n8n's files through the route."""

from typing import Any

import pytest

from tests.factories import RegisteredUser
from tests.workflows.n8n_files import LANGCHAIN, file, n8n

START = n8n("Start", "manualTrigger")


def take(me: RegisteredUser, body: dict[str, Any]) -> Any:
    answer = me.client.post("/v1/workflows/import", body)
    assert answer.status == 201, answer.text[:2_000]
    return answer.json


def named(workflow: dict[str, Any], name: str) -> dict[str, Any]:
    return next(node for node in workflow["nodes"] if node["name"] == name)


def status(workflow: dict[str, Any]) -> dict[str, str]:
    return {node["name"]: node["status"] for node in workflow["report"]["nodes"]}


def assignments(**values: Any) -> dict[str, Any]:
    rows = [{"name": name, "value": value, "type": "string"} for name, value in values.items()]
    return {"assignments": {"assignments": rows}, "options": {}}


def test_a_simple_workflow_is_a_draft_that_is_valid(me: RegisteredUser) -> None:
    body = file(
        [START, n8n("Set", "set", 3.4, **assignments(greeting="=Hello {{ $json.name }}", plain="a {{ b"))],
        "Start > Set",
        settings={"timezone": "Europe/Berlin", "executionOrder": "v1"},
        tags=[{"name": "imported"}],
    )
    made = take(me, body)
    assert made["status"] == "draft" and made["name"] == "From n8n" and made["tags"] == ["imported"]
    assert named(made, "Set")["parameters"]["values"] == {
        "greeting": "Hello {{ $json.name }}",
        "plain": 'a {{ "{{" }} b',
    }
    assert made["settings"]["timezone"] == "Europe/Berlin"
    report = made["report"]
    assert report["validation"] == {"valid": True, "express": True, "findings": []}
    assert status(made) == {"Start": "mapped", "Set": "translated"}
    assert report["counts"]["nodes"] == {"total": 2, "taken": 2, "share": 1.0}
    assert me.client.get(f"/v1/workflows/{made['id']}").json["nodes"] == made["nodes"]


def test_what_has_no_counterpart_is_a_disabled_placeholder(me: RegisteredUser) -> None:
    code = n8n("Code", "code", 2, jsCode="return {{ 1 }}", mode="runOnceForAllItems")
    made = take(
        me,
        file(
            [START, code, n8n("Sheet", "googleSheets", 4.5, range="={{ $json.r }}")],
            "Start > Code",
            "Code > Sheet",
        ),
    )
    placeholder = named(made, "Code")
    assert placeholder["type"] == "placeholder" and placeholder["isEnabled"] is False
    assert '"jsCode":"return {\\u007b 1 }}"' in placeholder["parameters"]["original"]
    imported = made["report"]["nodes"][1]
    assert imported["status"] == "placeholder" and "JavaScript" in imported["reason"]
    assert [finding["status"] for finding in made["report"]["expressions"]] == ["left"]
    assert made["report"]["validation"]["valid"]
    assert len(made["connections"]) == 2


def test_a_list_of_workflows_gives_the_first(me: RegisteredUser) -> None:
    made = take(me, {"workflows": [file([START]), file([START], name="Other")]})
    assert made["name"] == "From n8n" and made["report"]["others"] == ["Other"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"nodes": "x", "connections": {}}, "/nodes"),
        ({"nodes": [{"name": "a"}], "connections": {}}, "/nodes/0/type"),
        ({"nodes": [{"type": "x", "parameters": 5}], "connections": {}}, "/nodes/0/parameters"),
        ({"nodes": [], "connections": {"A": {"main": [{"node": "B"}]}}}, "/connections/A/main/0"),
        ({"nodes": []}, "/connections"),
        ({"workflows": []}, "/workflows"),
        ({"workflows": [{"nodes": []}]}, "/workflows/0/connections"),
    ],
)
def test_garbage_is_refused_with_the_place(me: RegisteredUser, body: dict[str, Any], pointer: str) -> None:
    answer = me.client.post("/v1/workflows/import", body)
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == pointer, answer.text
    assert me.client.get("/v1/workflows").json["items"] == []


def test_depth_and_size_are_bounded(me: RegisteredUser) -> None:
    deep: Any = []
    for _ in range(90):  # every body may be 100 deep
        deep = [deep]
    answer = me.client.post("/v1/workflows/import", file([n8n("Deep", "set", 3.4, x=deep)]))
    assert answer.status == 422 and answer.json["errors"][0]["pointer"].startswith("/nodes/0/parameters/x")
    answer = me.client.post("/v1/workflows/import", file([n8n(f"n{i}", "noOp") for i in range(1_001)]))
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/nodes"
    wide = [n8n(f"n{i}", "set", 3.4, **assignments(x="y" * 100_000)) for i in range(20)]
    assert me.client.post("/v1/workflows/import", file(wide)).status == 413
    assert me.client.get("/v1/workflows").json["items"] == []


def test_a_model_becomes_a_part_of_the_prompt(me: RegisteredUser) -> None:
    model = n8n(
        "Model",
        f"{LANGCHAIN}lmChatOpenAi",
        1.2,
        model={"__rl": True, "value": "gpt-4o"},
        options={"temperature": 1.5},
    )
    chain = n8n("Ask", f"{LANGCHAIN}chainLlm", 1.5, promptType="define", text="=Say {{ $json.x }}")
    made = take(me, file([START, model, chain], "Start > Ask", "Model:ai_languageModel > Ask"))
    prompt = next(node for node in made["nodes"] if node["type"] == "prompt")
    assert prompt["parameters"] == {
        "provider": "openai",
        "model": "gpt-4o",
        "temperature": 1,
        "prompt": "Say {{ $json.x }}",
    }
    assert made["report"]["nodes"][1]["nodeIds"] == made["report"]["nodes"][2]["nodeIds"]
    assert made["report"]["validation"]["valid"]


def test_what_was_imported_runs(me: RegisteredUser) -> None:
    """Two orders through set, split, if and switch, and back together."""
    rules = {"values": [{"conditions": {"conditions": [_is("={{ $json.size }}", "big")]}}]}
    fields = assignments(
        size="={{ $json.amount > 10 ? 'big' : 'small' }}", shop="={{ $('Shop').item.json.name }}"
    )
    nodes = [
        START,
        n8n(
            "Shop",
            "set",
            3.4,
            includeOtherFields=True,
            **assignments(name="=Shop {{ $json.city.toUpperCase() }}"),
        ),
        n8n("Orders", "splitOut", fieldToSplitOut="orders"),
        n8n("Size", "set", 3.4, includeOtherFields=True, **fields),
        n8n("Which", "switch", 3.2, rules=rules, options={"fallbackOutput": "extra"}),
        n8n(
            "Big",
            "set",
            3.4,
            includeOtherFields=True,
            **assignments(line="={{ $json.shop }}: {{ $json.amount }}"),
        ),
        n8n("Small", "code", 2, jsCode="while (true) {}"),
        n8n("Together", "merge", 3),
    ]
    links = [
        "Start > Shop",
        "Shop > Orders",
        "Orders > Size",
        "Size > Which",
        "Which > Big",
        "Which/1 > Small",
    ]
    made = take(me, file(nodes, *links, "Big > Together", "Small > Together/1"))
    assert made["report"]["validation"]["valid"], made["report"]["validation"]
    path = f"/v1/workflows/{made['id']}"
    assert me.client.post(f"{path}/activate", {}).status == 200
    input = {"city": "Rome", "orders": [{"amount": 5}, {"amount": 20}]}
    answer = me.client.post(f"{path}/executions", {"input": input}, headers={"Prefer": "wait=10"})
    assert answer.json["status"] == "completed", answer.text
    assert answer.json["output"] == [
        {"amount": 20, "size": "big", "shop": "Shop ROME", "line": "Shop ROME: 20"},
        {"amount": 5, "size": "small", "shop": "Shop ROME"},
    ]


def _is(left: str, right: str) -> dict[str, Any]:
    operator = {"type": "string", "operation": "equals"}
    return {"leftValue": left, "rightValue": right, "operator": operator}
