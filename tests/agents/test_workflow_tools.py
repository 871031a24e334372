"""Workflows executed by agents: as tools of their own, and by the builtin `run_workflow`."""

from typing import Any

import pytest

from tests.agents import mcp_requests
from tests.agents.execution_helpers import (
    Starter,
    create_agent,
    execute,
    execute_immediately,
    script_replies,
)
from tests.agents.tool_call_helpers import DONE
from tests.conftest import client
from tests.executions.execution_helpers import create_workflow
from tests.factories import RegisteredUser, register
from tests.in_memory_steps import InMemorySteps
from tests.organizations.organization_helpers import client_with_new_key
from tests.workflows.definitions import definition, node
from weconnect.durable import callbacks
from weconnect.executions import child_calls, sweeper
from weconnect.models.messages import ModelReply, ToolCall
from weconnect.workflows.executions.rows import ExecutionKey

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def create_doubling_workflow(
    me: RegisteredUser, *more: Any, name: str = "Double", schema: Any = SCHEMA
) -> str:
    """Create an active workflow that doubles `n`; return its path."""
    value = definition([node("a", "set", values={"double": "{{ n * 2 }}"}), *more], "start > a")
    if more:
        value["connections"] = definition([], "start > wait", "wait > a")["connections"]
    value["nodes"][0] = node("start", "manual", inputSchema=schema)
    return create_workflow(me, value, name)


def create_agent_with_workflow(me: RegisteredUser, workflow: str, **more: Any) -> str:
    """Create an agent whose tool `double` is the workflow; return its path."""
    path = create_agent(me)
    configuration = {"workflowId": workflow.rpartition("/")[2]}
    tool = {"toolName": "double", "toolType": "workflow", "configuration": configuration, **more}
    args = me.client.post(f"{path}/tools", tool)
    assert args.status == 201, args.text
    return path


def workflow_call(tool: str = "double", **arguments: Any) -> ModelReply:
    return ModelReply(tool_calls=[ToolCall(id="c", name=tool, arguments=arguments)], cost_micros=1)


def test_an_agent_executes_a_workflow_and_gets_its_output(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = create_doubling_workflow(me)
    path = create_agent_with_workflow(me, workflow)
    requests = script_replies(monkeypatch, workflow_call(n=21), DONE)
    done = execute(me, starter, path, "double 21")
    assert (done["status"], done["output"]) == ("completed", "done")
    assert requests[0].tools[0].input_schema == SCHEMA, "the schema of the workflow's trigger"
    assert requests[1].messages[-1].content == '[{"n": 21, "double": 42}]'
    step = done["steps"][1]
    child = me.client.get(f"/v1/executions/{step['executionId']}").json
    assert (child["status"], child["mode"], child["parentExecutionId"]) == (
        "completed",
        "subworkflow",
        done["id"],
    )
    assert child["userId"] == me.user["id"]
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 1, "the workflow's execution does not count towards the plan"


def test_a_model_reads_the_beginning_of_a_long_result(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = definition([node("a", "set", values={"text": "x" * 250_000})], "start > a")
    path = create_agent_with_workflow(me, create_workflow(me, long))
    requests = script_replies(monkeypatch, workflow_call(), DONE)
    assert execute(me, starter, path, "pad")["status"] == "completed"
    content = requests[1].messages[-1].content
    assert len(content) == 200_000
    assert content.endswith("x… (cut: the result has 250014 characters)")


def test_a_workflow_can_be_executed_by_its_name(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_doubling_workflow(me)
    path = create_agent(me, "run_workflow")
    by_name = workflow_call("run_workflow", workflow="double", input={"n": 4})
    requests = script_replies(monkeypatch, by_name, workflow_call("run_workflow", workflow="nothing"), DONE)
    assert execute(me, starter, path, "go")["status"] == "completed"
    assert requests[1].messages[-1].content == '[{"n": 4, "double": 8}]'
    assert requests[2].messages[-1].is_error and "nothing" in requests[2].messages[-1].content


def test_invalid_arguments_outputs_and_inactive_workflows_are_tool_errors(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = create_doubling_workflow(me)
    path = create_agent_with_workflow(me, workflow, outputSchema={"type": "string"})
    calls = [workflow_call(n="x"), workflow_call(n=1), workflow_call(n=1)]
    requests = script_replies(monkeypatch, *calls[:2], DONE, calls[2], DONE)
    assert execute(me, starter, path, "go")["status"] == "completed"
    assert "/n" in requests[1].messages[-1].content, "invalid arguments execute nothing"
    assert "does not match" in requests[2].messages[-1].content
    assert me.client.post(f"{workflow}/deactivate").status == 200
    assert execute(me, starter, path, "go")["status"] == "completed"
    assert "workflow_inactive" in requests[4].messages[-1].content
    assert len(me.client.get("/v1/executions").json["items"]) == 1


def test_the_error_of_a_failed_workflow_is_the_error_of_the_call(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = create_workflow(
        me, definition([node("a", "stop", outcome="failed", message="no stock")], "start > a")
    )
    path = create_agent_with_workflow(me, workflow)
    requests = script_replies(monkeypatch, workflow_call(), DONE)
    done = execute(me, starter, path, "go")
    assert "no stock" in requests[1].messages[-1].content and requests[1].messages[-1].is_error
    assert "no stock" in done["steps"][1]["error"] and done["steps"][1]["executionId"]


def test_a_tool_can_only_execute_workflows_of_its_organization(me: RegisteredUser, starter: Starter) -> None:
    path, stranger = create_agent(me), register("stranger@example.com")
    tool = {"toolName": "x", "toolType": "workflow"}
    assert me.client.post(f"{path}/tools", tool).status == 422
    theirs = {"workflowId": create_doubling_workflow(stranger).rpartition("/")[2]}
    refused = me.client.post(f"{path}/tools", tool | {"configuration": theirs})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/configuration/workflowId")
    mine = {"workflowId": create_doubling_workflow(me).rpartition("/")[2]}
    no_workflows = client_with_new_key(me, "agents:update", "agents:read")
    assert (
        no_workflows.post(f"{path}/tools", tool | {"configuration": mine}).json["code"]
        == "permission_missing"
    )
    made_tool = me.client.post(f"{path}/tools", tool | {"configuration": mine})
    location = made_tool.headers["Location"]
    assert made_tool.json["inputSchema"] == SCHEMA
    assert me.client.patch(location, {"configuration": theirs}).status == 422
    assert me.client.patch(location, {"configuration": {}}).json["errors"][0]["pointer"] == (
        "/configuration/workflowId"
    )
    other = {
        "workflowId": create_doubling_workflow(me, name="Other", schema={"type": "object"}).rpartition("/")[2]
    }
    assert me.client.patch(location, {"configuration": other}).json["inputSchema"] == {"type": "object"}
    own = me.client.patch(location, {"configuration": mine, "inputSchema": {"type": "object"}})
    assert own.json["inputSchema"] == {"type": "object"}, "the request's schema, not the workflow's"


def test_executing_a_workflow_needs_the_permission_of_the_starting_user(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API key that started the execution counts, also where agents ask agents."""
    path = create_agent_with_workflow(me, create_doubling_workflow(me))
    asker = create_agent(me, "ask_agent", name="Asker")
    key = client_with_new_key(me, "agents:execute", "agents:read")
    question = workflow_call("ask_agent", agent="Helper", input="double")
    requests = script_replies(monkeypatch, workflow_call(n=1), DONE, question, workflow_call(n=1), DONE, DONE)
    for agent_path in (path, asker):
        started = key.post(f"{agent_path}/executions", {"input": "go"})
        assert started.status == 202
        starter.run_pending()
        assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    for request in (requests[1], requests[4]):
        assert "workflows:execute" in request.messages[-1].content
    assert me.client.get("/v1/executions").json["items"] == []


def test_cancelling_an_agents_execution_cancels_its_workflows(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = node("wait", "wait", until="callback")
    inner = create_workflow(me, definition([waits], "start > wait"), "Inner")
    sub = node("wait", "subworkflow", workflowId=inner.rpartition("/")[2])
    path = create_agent_with_workflow(me, create_doubling_workflow(me, sub))
    script_replies(monkeypatch, workflow_call(n=1), DONE)
    started = me.client.post(f"{path}/executions", {"input": "go"})
    starter.run_pending()
    executions = me.client.get("/v1/executions").json["items"]
    assert sorted(each["status"] for each in executions) == ["waiting", "waiting"], (
        "the workflow and its subworkflow"
    )
    assert me.client.post(f"{started.headers['Location']}/cancel").status == 202
    starter.run_pending()
    executions = me.client.get("/v1/executions").json["items"]
    assert [each["status"] for each in executions] == ["cancelled", "cancelled"]
    assert me.client.get(started.headers["Location"]).json["status"] == "cancelled"


def test_cancelling_a_workflow_cancels_the_workflows_of_its_agent(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_workflow = create_doubling_workflow(me, node("wait", "wait", until="callback"))
    path = create_agent_with_workflow(me, slow_workflow)
    outer = node("ask", "agent", agentId=path.rpartition("/")[2], input="go")
    value = definition([outer], "start > ask")
    script_replies(monkeypatch, workflow_call(n=1), DONE)
    begun = me.client.post(f"{create_workflow(me, value, 'Outer')}/executions", {})
    starter.run_pending()
    assert me.client.post(f"{begun.headers['Location']}/cancel").status == 200
    starter.run_pending()
    statuses = {
        each["workflowName"]: each["status"] for each in me.client.get("/v1/executions").json["items"]
    }
    assert statuses == {"Double": "cancelled", "Outer": "cancelled"}
    assert me.client.get(f"{path}/executions").json["items"][0]["status"] == "cancelled"


def test_a_workflow_that_takes_too_long_is_cancelled_and_an_error(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent_with_workflow(
        me, create_doubling_workflow(me, node("wait", "wait", until="callback"))
    )
    requests = script_replies(monkeypatch, workflow_call(n=1), DONE)
    started = me.client.post(f"{path}/executions", {"input": "go"})
    starter.run_pending()
    ((request, steps),) = [each for each in starter.suspended if "agentId" in each[0]["Payload"]]
    name = next(name for name in steps.names if name.endswith("run-announced")).removesuffix("-announced")
    steps.callback_values[name] = None  # a timeout
    starter.suspended.remove((request, steps))
    starter._execute(request, steps)
    assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    assert "took longer" in requests[1].messages[-1].content
    assert me.client.get("/v1/executions").json["items"][0]["status"] == "cancelled"


def test_agents_and_workflows_that_call_each_other_stop_at_the_deepest_level(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agent 0, workflow 1, agent 2, … workflow 5: the agent that it would ask is one too many."""
    path = create_agent(me, "run_workflow")
    ring = node("ask", "agent", agentId=path.rpartition("/")[2], input="go")
    create_workflow(me, definition([ring], "start > ask"), "Ring")
    again = [workflow_call("run_workflow", workflow="Ring") for _ in range(3)]
    requests = script_replies(monkeypatch, *again, DONE, DONE, DONE)
    assert execute(me, starter, path, "go")["status"] == "completed"
    executions = me.client.get("/v1/executions").json["items"]
    assert sorted(each["status"] for each in executions) == ["completed", "completed", "failed"]
    (failed,) = [each for each in executions if each["status"] == "failed"]
    assert failed["error"]["code"] == "too_deep"
    assert "at most 5 levels deep" in requests[3].messages[-1].content


def test_a_workflow_tool_can_need_an_approval(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent_with_workflow(me, create_doubling_workflow(me), requiresApproval=True)
    script_replies(monkeypatch, workflow_call(n=1), DONE)
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


def test_a_repeated_step_executes_the_workflow_once(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function is killed after each of two effects; the stored execution is reused by its id."""
    path = create_agent_with_workflow(me, create_doubling_workflow(me))

    class Killed(BaseException):
        pass

    start_child = child_calls.start_child
    for effect in ("stored", "announced"):
        script_replies(monkeypatch, workflow_call(n=1), DONE)
        started = me.client.post(f"{path}/executions", {"input": effect})
        request, steps = starter.invocations.pop(), InMemorySteps()

        def kill(*args: Any, effect: str = effect, **options: Any) -> None:
            if effect == "announced":
                start_child(*args, **options)
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(child_calls, "start_child", kill)
            with pytest.raises(Killed):
                starter._execute(request, steps)
        if effect == "stored":
            del steps.checkpoints["tool-1-1-begin"]  # killed before its checkpoint
        starter._execute(request, steps)
        starter.run_pending()
        assert me.client.get(started.headers["Location"]).json["status"] == "completed", effect
    assert len(me.client.get("/v1/executions").json["items"]) == 2


def test_a_workflow_that_completes_before_the_agent_waits_resumes_it(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweeper started the child before its parent waited for it."""
    woken: list[str] = []

    def record_callback(callback_id: str, value: Any) -> bool:
        woken.append(callback_id)
        return True

    monkeypatch.setattr(callbacks, "wake", record_callback)
    start_child = child_calls.start_child

    def complete_first(organization_id: Any, execution_id: Any, callback_id: str, **options: Any) -> None:
        from weconnect.workflows.engine.execution_loop import run_workflow

        run_workflow(InMemorySteps(), ExecutionKey(organization_id, execution_id))
        assert woken == []
        start_child(organization_id, execution_id, callback_id, **options)

    path = create_agent_with_workflow(me, create_doubling_workflow(me))
    script_replies(monkeypatch, workflow_call(n=1), DONE)
    monkeypatch.setattr(child_calls, "start_child", complete_first)
    assert me.client.post(f"{path}/executions", {"input": "go"}).status == 202
    starter.run_pending()
    assert len(woken) == 1 and woken[0].endswith("tool-1-1-run")


def test_testing_a_workflow_tool_starts_an_execution(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent_with_workflow(me, create_doubling_workflow(me))
    execute_immediately(starter, monkeypatch)
    tool = me.client.get(f"{path}/tools").json["items"][0]["id"]
    tried = me.client.post(f"{path}/tools/{tool}/test", {"arguments": {"n": 3}})
    assert (tried.status, tried.json["result"]) == (200, [{"n": 3, "double": 6}])
    key = client_with_new_key(me, "agents:execute", "agents:update")
    assert key.post(f"{path}/tools/{tool}/test", {"arguments": {"n": 3}}).status == 403


def test_an_execution_with_an_open_workflow_is_not_lost(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent_with_workflow(
        me, create_doubling_workflow(me, node("wait", "wait", until="callback"))
    )
    script_replies(monkeypatch, workflow_call(n=1), DONE)
    started = me.client.post(f"{path}/executions", {"input": "go"})
    starter.run_pending()
    assert sweeper.sweep() == 0
    assert sweeper.close(started.json["id"], "FAILED", "gone")
    assert me.client.get("/v1/executions").json["items"][0]["status"] == "cancelled", "with its caller"


@pytest.mark.parametrize("way", ["start", "test", "mcp"])
def test_an_input_that_is_too_large_leaves_no_payload(me: RegisteredUser, starter: Starter, way: str) -> None:
    value = definition([node("a", "noop")], "start > a", offerAsTool=True)
    value["nodes"][0] = node("start", "manual", inputSchema=SCHEMA)
    flow = create_workflow(me, value)
    large = {"n": 1, "text": "x" * 2**20}
    answer: Any
    if way == "start":
        answer = me.client.post(f"{flow}/executions", {"input": large}).text
    elif way == "test":
        agent = create_agent_with_workflow(me, flow)
        (tool,) = me.client.get(f"{agent}/tools").json["items"]
        answer = me.client.post(f"{agent}/tools/{tool['id']}/test", {"arguments": large}).text
    else:
        offered = mcp_requests.send_request(me.client, "tools/list").json["result"]["tools"]
        (name,) = [tool["name"] for tool in offered if tool["name"].startswith("Flow")]
        answer = mcp_requests.call_tool(me.client, name, **large)
    assert "The input exceeds 1 MB" in str(answer)
    assert client("s3").list_objects_v2(Bucket="weconnect").get("Contents", []) == []
