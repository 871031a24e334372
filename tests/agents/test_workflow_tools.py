"""Workflows that agents run: as a tool of their own, and by the builtin `run_workflow`."""

import itertools
from typing import Any

import pytest

from tests.agents import runs
from tests.agents.runs import Starter, agent, run, script
from tests.agents.test_tool_calls import DONE
from tests.executions.runs import made
from tests.factories import Registered, registered
from tests.organizations.people import key_of
from tests.recorded import Recorded
from tests.workflows.definitions import definition, node
from weconnect.agents.models.messages import ModelReply, ToolCall
from weconnect.executions import lifecycle
from weconnect.workflows.engine import child_executions

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
NUMBERS = itertools.count(1)


class Numbered(Recorded):
    """Steps whose callbacks have ids that no other run's have."""

    def __init__(self, place: str = "", kept: "Numbered | None" = None) -> None:
        super().__init__(place, kept)
        self.number = kept.number if kept else next(NUMBERS)

    def callback(self, name: str, announce: Any, seconds: int) -> Any:
        before, self.place = self.place, f"{self.number}:{self.place}"
        try:
            return super().callback(name, announce, seconds)
        finally:
            self.place = before


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


@pytest.fixture(autouse=True)
def numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "Recorded", Numbered)


def doubling(me: Registered, *more: Any, name: str = "Double", schema: Any = SCHEMA) -> str:
    """The path of an active workflow that doubles `n`."""
    value = definition([node("a", "set", values={"double": "{{ n * 2 }}"}), *more], "start > a")
    if more:
        value["connections"] = definition([], "start > wait", "wait > a")["connections"]
    value["nodes"][0] = node("start", "manual", inputSchema=schema)
    return made(me, value, name)


def equipped(me: Registered, workflow: str, **more: Any) -> str:
    """The path of an agent with the workflow for its tool `double`."""
    path = agent(me)
    configuration = {"workflowId": workflow.rpartition("/")[2]}
    tool = {"toolName": "double", "toolType": "workflow", "configuration": configuration, **more}
    given = me.client.post(f"{path}/tools", tool)
    assert given.status == 201, given.text
    return path


def asks(tool: str = "double", **arguments: Any) -> ModelReply:
    return ModelReply(tool_calls=[ToolCall(id="c", name=tool, arguments=arguments)], cost_micros=1)


def test_an_agent_runs_a_workflow_and_gets_its_output(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = doubling(me)
    path = equipped(me, workflow)
    seen = script(monkeypatch, asks(n=21), DONE)
    done = run(me, starter, path, "double 21")
    assert (done["status"], done["output"]) == ("completed", "done")
    assert seen[0].tools[0].input_schema == SCHEMA, "what the workflow's trigger says"
    assert seen[1].messages[-1].content == '[{"n": 21, "double": 42}]'
    step = done["steps"][1]
    child = me.client.get(f"/v1/executions/{step['executionId']}").json
    assert (child["status"], child["mode"], child["parentExecutionId"]) == (
        "completed",
        "subworkflow",
        done["id"],
    )
    assert child["userId"] == me.user["id"]
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 1, "the workflow's run counts for no plan"


def test_a_workflow_is_run_by_its_name(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubling(me)
    path = agent(me, "run_workflow")
    known = asks("run_workflow", workflow="double", input={"n": 4})
    seen = script(monkeypatch, known, asks("run_workflow", workflow="nothing"), DONE)
    assert run(me, starter, path, "go")["status"] == "completed"
    assert seen[1].messages[-1].content == '[{"n": 4, "double": 8}]'
    assert seen[2].messages[-1].is_error and "nothing" in seen[2].messages[-1].content


def test_what_a_workflow_cannot_do_is_a_tool_error(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = doubling(me)
    path = equipped(me, workflow, outputSchema={"type": "string"})
    asked = [asks(n="x"), asks(n=1), asks(n=1)]
    seen = script(monkeypatch, *asked[:2], DONE, asked[2], DONE)
    assert run(me, starter, path, "go")["status"] == "completed"
    assert "/n" in seen[1].messages[-1].content, "arguments that do not fit run nothing"
    assert "does not fit" in seen[2].messages[-1].content
    assert me.client.post(f"{workflow}/deactivate").status == 200
    assert run(me, starter, path, "go")["status"] == "completed"
    assert "workflow_inactive" in seen[4].messages[-1].content
    assert len(me.client.get("/v1/executions").json["items"]) == 1


def test_a_workflow_that_fails_says_why(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = made(me, definition([node("a", "stop", outcome="failed", message="no stock")], "start > a"))
    path = equipped(me, workflow)
    seen = script(monkeypatch, asks(), DONE)
    done = run(me, starter, path, "go")
    assert "no stock" in seen[1].messages[-1].content and seen[1].messages[-1].is_error
    assert "no stock" in done["steps"][1]["error"] and done["steps"][1]["executionId"]


def test_its_tool_names_a_workflow_of_the_organization(me: Registered, starter: Starter) -> None:
    path, stranger = agent(me), registered("stranger@example.com")
    tool = {"toolName": "x", "toolType": "workflow"}
    assert me.client.post(f"{path}/tools", tool).status == 422
    theirs = {"workflowId": doubling(stranger).rpartition("/")[2]}
    refused = me.client.post(f"{path}/tools", tool | {"configuration": theirs})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/configuration/workflowId")
    mine = {"workflowId": doubling(me).rpartition("/")[2]}
    no_workflows = key_of(me, "agents:update", "agents:read")
    assert (
        no_workflows.post(f"{path}/tools", tool | {"configuration": mine}).json["code"]
        == "permission_missing"
    )
    made_tool = me.client.post(f"{path}/tools", tool | {"configuration": mine})
    place = made_tool.headers["Location"]
    assert made_tool.json["inputSchema"] == SCHEMA
    assert me.client.patch(place, {"configuration": theirs}).status == 422
    assert me.client.patch(place, {"configuration": {}}).json["errors"][0]["pointer"] == (
        "/configuration/workflowId"
    )
    other = {"workflowId": doubling(me, name="Other", schema={"type": "object"}).rpartition("/")[2]}
    assert me.client.patch(place, {"configuration": other}).json["inputSchema"] == {"type": "object"}
    own = me.client.patch(place, {"configuration": mine, "inputSchema": {"type": "object"}})
    assert own.json["inputSchema"] == {"type": "object"}, "given, so not the workflow's"


def test_a_run_needs_the_right_to_run_workflows(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right is that of who started the run, with the limits of their key, also where agents ask agents."""
    path = equipped(me, doubling(me))
    asker = agent(me, "ask_agent", name="Asker")
    key = key_of(me, "agents:execute", "agents:read")
    question = asks("ask_agent", agent="Helper", input="double")
    seen = script(monkeypatch, asks(n=1), DONE, question, asks(n=1), DONE, DONE)
    for place in (path, asker):
        started = key.post(f"{place}/executions", {"input": "go"})
        assert started.status == 202
        starter.run_pending()
        assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    for request in (seen[1], seen[4]):
        assert "workflows:execute" in request.messages[-1].content
    assert me.client.get("/v1/executions").json["items"] == []


def test_cancelling_a_run_stops_the_workflow_that_it_runs(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = node("wait", "wait", until="callback")
    inner = made(me, definition([waits], "start > wait"), "Inner")
    sub = node("wait", "subworkflow", workflowId=inner.rpartition("/")[2])
    path = equipped(me, doubling(me, sub))
    script(monkeypatch, asks(n=1), DONE)
    started = me.client.post(f"{path}/executions", {"input": "go"})
    starter.run_pending()
    found = me.client.get("/v1/executions").json["items"]
    assert sorted(each["status"] for each in found) == ["waiting", "waiting"], "the workflow, and its own"
    assert me.client.post(f"{started.headers['Location']}/cancel").status == 202
    starter.run_pending()
    found = me.client.get("/v1/executions").json["items"]
    assert [each["status"] for each in found] == ["cancelled", "cancelled"]
    assert me.client.get(started.headers["Location"]).json["status"] == "cancelled"


def test_cancelling_a_workflow_stops_what_its_agent_runs(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = doubling(me, node("wait", "wait", until="callback"))
    path = equipped(me, waiting)
    outer = node("ask", "agent", agentId=path.rpartition("/")[2], input="go")
    value = definition([outer], "start > ask")
    script(monkeypatch, asks(n=1), DONE)
    begun = me.client.post(f"{made(me, value, 'Outer')}/executions", {})
    starter.run_pending()
    assert me.client.post(f"{begun.headers['Location']}/cancel").status == 200
    starter.run_pending()
    statuses = {
        each["workflowName"]: each["status"] for each in me.client.get("/v1/executions").json["items"]
    }
    assert statuses == {"Double": "cancelled", "Outer": "cancelled"}
    assert me.client.get(f"{path}/executions").json["items"][0]["status"] == "cancelled"


def test_what_takes_too_long_is_stopped_and_an_error(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = equipped(me, doubling(me, node("wait", "wait", until="callback")))
    seen = script(monkeypatch, asks(n=1), DONE)
    started = me.client.post(f"{path}/executions", {"input": "go"})
    starter.run_pending()
    ((request, steps),) = [each for each in starter.waiting if "agentId" in each[0]["Payload"]]
    name = next(name for name in steps.names if name.endswith("run-announced")).removesuffix("-announced")
    steps.sent[name] = None  # its time is over
    starter.waiting.remove((request, steps))
    starter._carry(request, steps)
    assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    assert "took longer" in seen[1].messages[-1].content
    assert me.client.get("/v1/executions").json["items"][0]["status"] == "cancelled"


def test_agents_and_workflows_do_not_run_each_other_for_ever(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agent 0, workflow 1, agent 2, … workflow 5: the agent that it would ask is one too many."""
    path = agent(me, "run_workflow")
    ring = node("ask", "agent", agentId=path.rpartition("/")[2], input="go")
    made(me, definition([ring], "start > ask"), "Ring")
    again = [asks("run_workflow", workflow="Ring") for _ in range(3)]
    seen = script(monkeypatch, *again, DONE, DONE, DONE)
    assert run(me, starter, path, "go")["status"] == "completed"
    found = me.client.get("/v1/executions").json["items"]
    assert sorted(each["status"] for each in found) == ["completed", "completed", "failed"]
    (failed,) = [each for each in found if each["status"] == "failed"]
    assert failed["error"]["code"] == "too_deep"
    assert "at most 5 deep" in seen[3].messages[-1].content


def test_a_workflow_waits_for_the_same_approval_as_any_tool(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = equipped(me, doubling(me), requiresApproval=True)
    script(monkeypatch, asks(n=1), DONE)
    started = me.client.post(f"{path}/executions", {"input": "go"})
    starter.run_pending()
    assert me.client.get("/v1/executions").json["items"] == []
    (approval,) = me.client.get("/v1/approvals").json["items"]
    decided = {"decision": "approve", "arguments": {"n": 5}}
    assert me.client.post(f"/v1/approvals/{approval['id']}/decide", decided).status == 200
    starter.run_pending()
    done = me.client.get(started.headers["Location"]).json
    step = done["steps"][1]
    assert step["result"] == [{"n": 5, "double": 10}] and step["approval"]["edited"] is True


def test_a_step_that_is_tried_again_runs_one_workflow(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at each place in turn: what was stored is found again by its id."""
    path = equipped(me, doubling(me))

    class Killed(BaseException):
        pass

    announce = child_executions.announce
    for place in ("stored", "announced"):
        script(monkeypatch, asks(n=1), DONE)
        started = me.client.post(f"{path}/executions", {"input": place})
        request, steps = starter.asked.pop(), Numbered()

        def kill(*given: Any, place: str = place) -> None:
            if place == "announced":
                announce(*given)
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(child_executions, "announce", kill)
            with pytest.raises(Killed):
                starter._carry(request, steps)
        if place == "stored":
            del steps.done["tool-1-1-begin"]  # killed before its checkpoint
        starter._carry(request, steps)
        starter.run_pending()
        assert me.client.get(started.headers["Location"]).json["status"] == "completed", place
    assert len(me.client.get("/v1/executions").json["items"]) == 2


def test_an_end_that_comes_before_the_wait_is_no_end_missed(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweeper started the child before its parent waited for it."""
    woken: list[str] = []
    monkeypatch.setattr(lifecycle, "wake", lambda callback_id, value: woken.append(callback_id) or True)
    announce = child_executions.announce

    def late(organization_id: Any, execution_id: Any, callback_id: str) -> None:
        from weconnect.workflows.engine.execution_loop import run_workflow

        run_workflow(Recorded(), lifecycle.Place(organization_id, execution_id))
        assert woken == []
        announce(organization_id, execution_id, callback_id)

    path = equipped(me, doubling(me))
    script(monkeypatch, asks(n=1), DONE)
    monkeypatch.setattr(child_executions, "announce", late)
    assert me.client.post(f"{path}/executions", {"input": "go"}).status == 202
    starter.run_pending()
    assert len(woken) == 1 and woken[0].endswith("tool-1-1-run")


def test_a_tool_that_runs_a_workflow_is_tried_by_a_run(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = equipped(me, doubling(me))
    invoke = starter.invoke
    monkeypatch.setattr(starter, "invoke", lambda **asked: (invoke(**asked), starter.run_pending()))
    tool = me.client.get(f"{path}/tools").json["items"][0]["id"]
    tried = me.client.post(f"{path}/tools/{tool}/test", {"arguments": {"n": 3}})
    assert (tried.status, tried.json["result"]) == (200, [{"n": 3, "double": 6}])
    key = key_of(me, "agents:execute", "agents:update")
    assert key.post(f"{path}/tools/{tool}/test", {"arguments": {"n": 3}}).status == 403


def test_a_run_that_waits_long_is_not_taken_for_lost(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weconnect.agents.engine import sweeper

    path = equipped(me, doubling(me, node("wait", "wait", until="callback")))
    script(monkeypatch, asks(n=1), DONE)
    started = me.client.post(f"{path}/executions", {"input": "go"})
    starter.run_pending()
    monkeypatch.setattr(sweeper, "ABANDONED_AFTER_SECONDS", -5)
    assert sweeper.sweep() == 0
    assert sweeper.close(started.json["id"], "FAILED", "gone")
    assert me.client.get("/v1/executions").json["items"][0]["status"] == "cancelled", "with its caller"
