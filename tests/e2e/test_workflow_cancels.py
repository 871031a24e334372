"""Cancelling, pausing and retrying on the local host, also over a `kill -9`: cancelled work has no effects."""

from typing import Any

import pytest

from tests.e2e.fake_services import Effects
from tests.e2e.workflow_api import FINISHED, WorkflowApi, effect_node, inner_workflow
from tests.host.local_host import LocalHost, wait_until
from tests.workflows.definitions import definition, node

TIMER = 15  # seconds: longer than it takes to cancel the executions that wait for it
RETRY = {"maxAttempts": 2, "delaySeconds": TIMER, "maxDelaySeconds": TIMER}


@pytest.fixture
def api(host: LocalHost, effects: Effects) -> WorkflowApi:
    effects.calls.clear()
    effects.released.clear()
    return WorkflowApi(host)


def wait_for_calls(effects: Effects, *names: str) -> None:
    wait_until(lambda: set(names) <= {name for name, _ in effects.calls})


def test_a_cancelled_execution_has_no_further_effects(
    host: LocalHost, effects: Effects, api: WorkflowApi
) -> None:
    """Cancelled in an effect, in one of two branches, between two attempts, at a timer, at an approval, or in a child.

    Each is followed by an effect that must not happen, not even after a kill.
    """
    after = effect_node(effects, "after")
    child = api.create_active(
        "Waits", definition([effect_node(effects, "held", "slow"), after], "start > held", "held > after")
    )
    sub = node("sub", "subworkflow", workflowId=child.rpartition("/")[2])
    shapes: dict[str, dict[str, Any]] = {
        "slow": definition([effect_node(effects, "slow", "slow"), after], "start > slow", "slow > after"),
        "branches": definition(
            [effect_node(effects, "one", "slow"), effect_node(effects, "other"), after],
            *("start > one", "start > other", "one > after"),
        ),
        "retry": definition(
            [effect_node(effects, "again", "flaky", retry=RETRY), after], "start > again", "again > after"
        ),
        "timer": definition([node("nap", "wait", seconds=TIMER), after], "start > nap", "nap > after"),
        "question": definition(
            [node("ask", "approval", message="Well?"), after], "start > ask", "ask.approved > after"
        ),
        "child": definition([sub, after], "start > sub", "sub > after"),
    }
    paths = {name: api.create_active(name, value) for name, value in shapes.items()}
    execution_paths: dict[str, str] = {}
    for name in ("child", "question", "slow", "branches", "retry", "timer"):
        execution_paths[name] = api.start_execution(paths[name])
    wait_for_calls(effects, "again", "slow", "one", "other", "held")
    api.wait_for_status(execution_paths["timer"], "waiting")
    for name in ("timer", "retry", "branches", "slow", "child", "question"):
        if name in ("child", "question"):
            api.wait_for_status(execution_paths[name], "waiting")
        response = host.request("POST", f"{execution_paths[name]}/cancel", headers=api.headers)
        assert response.status_code in (200, 202) and response.json()["cancelRequestedAt"], response.text
    (approval,) = api("GET", "/v1/approvals?status=cancelled")["items"]
    for name in ("timer", "question", "child"):
        assert api("GET", execution_paths[name])["status"] == "cancelled", "a waiting execution ends at once"
    effects.released.set()
    for execution_path in execution_paths.values():
        api.wait_for_status(execution_path, *FINISHED)
    wait_until(
        lambda: all(
            execution["status"] in FINISHED for execution in api.list_children(execution_paths["child"])
        )
    )
    decided = host.request(
        "POST",
        f"/v1/approvals/{approval['id']}/decide",
        headers=api.headers,
        json={"decision": "approve"},
    )
    assert decided.status_code == 409
    finished = {execution_path: api("GET", execution_path) for execution_path in execution_paths.values()}
    assert {execution["status"] for execution in finished.values()} == {"cancelled"}
    assert [execution["status"] for execution in api.list_children(execution_paths["child"])] == ["cancelled"]
    calls = sorted(name for name, _ in effects.calls)
    assert calls == ["again", "held", "one", "other", "slow"]
    host.restart()
    later = api.start_execution(
        api.create_active("Later", definition([node("nap", "wait", seconds=TIMER + 2)], "start > nap"))
    )
    api.wait_for_status(later, "completed")  # longer than any timer of the cancelled executions
    assert {execution_path: api("GET", execution_path) for execution_path in finished} == finished
    assert sorted(name for name, _ in effects.calls) == calls


def test_executions_are_paused_resumed_and_cancelled(
    host: LocalHost, effects: Effects, api: WorkflowApi
) -> None:
    value = definition(
        [
            effect_node(effects, "first", "slow"),
            effect_node(effects, "second"),
            effect_node(effects, "third"),
        ],
        *("start > first", "first > second", "second > third"),
    )
    path = api.create_active("In turns", value)
    first, second = api.start_execution(path), api.start_execution(path)
    wait_for_calls(effects, "first")
    for execution_path in (first, second):
        for action in ("pause", "resume", "pause"):
            api("POST", f"{execution_path}/{action}")
    effects.released.set()
    for execution_path in (first, second):
        assert api.wait_for_status(execution_path, "paused", *FINISHED)["status"] == "paused"
    host.restart()
    assert [api("GET", execution_path)["status"] for execution_path in (first, second)] == [
        "paused",
        "paused",
    ]
    assert effects.count("second") == 0
    assert api("POST", f"{second}/cancel")["status"] == "cancelled"
    api("POST", f"{first}/resume")
    assert api.wait_for_status(first, *FINISHED)["status"] == "completed"
    assert [effects.count(name) for name in ("first", "second", "third")] == [2, 1, 1]
    assert api("GET", second)["status"] == "cancelled"


def test_a_retry_keeps_completed_nodes(host: LocalHost, effects: Effects, api: WorkflowApi) -> None:
    """The outputs of effects and of a sub-workflow before the failed node are kept, also over a kill."""
    sub = node(
        "sub", "subworkflow", workflowId=api.create_active("Kept", inner_workflow(effects)).rpartition("/")[2]
    )
    value = definition(
        [
            effect_node(effects, "early"),
            sub,
            effect_node(effects, "fragile", "broken"),
            effect_node(effects, "end"),
        ],
        *("start > early", "early > sub", "sub > fragile", "fragile > end"),
    )
    effects.broken = True
    failed = api.wait_for_status(api.start_execution(api.create_active("Fails", value)), *FINISHED)
    assert (failed["status"], failed["error"]["nodeId"]) == ("failed", "fragile")
    effects.broken = False
    host.restart()
    retry = api("POST", f"/v1/executions/{failed['id']}/retry", {})
    finished = api.wait_for_status(f"/v1/executions/{retry['id']}", *FINISHED)
    assert finished["status"] == "completed", finished["error"]
    counts = {name: effects.count(name) for name in ("early", "inner", "fragile", "end")}
    assert counts == {"early": 1, "inner": 1, "fragile": 2, "end": 1}
    assert api.list_children(f"/v1/executions/{finished['id']}") == []


def test_a_child_that_cannot_start_fails_its_node(
    host: LocalHost, effects: Effects, api: WorkflowApi
) -> None:
    path = api.create_active("Inactive", inner_workflow(effects))
    sub = node("sub", "subworkflow", workflowId=path.rpartition("/")[2], onError="continue")
    calling = api.create_active(
        "Calls it", definition([sub, effect_node(effects, "next")], "start > sub", "sub > next")
    )
    api("POST", f"{path}/deactivate")
    finished = api.wait_for_status(api.start_execution(calling), *FINISHED)
    assert finished["status"] == "completed", finished["error"]
    assert [node_run["error"]["code"] for node_run in finished["nodes"] if node_run["error"]] == [
        "workflow_inactive"
    ]
