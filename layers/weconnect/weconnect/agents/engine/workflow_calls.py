"""A tool call that runs a workflow: a run of its own, whose end wakes the run that called it.

It is shown among its workflow's runs, counts for no plan, and may be run only where who started the calling run may run
workflows. The time in which it is waited for is none of the calling run's own.
"""

import json
from typing import Any
from uuid import UUID

from weconnect import clock, json_schema
from weconnect.agents.engine import sub_agents
from weconnect.agents.engine.run_context import Pinned, Run, fence
from weconnect.agents.entities import StepApproval
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.invocation import Tool
from weconnect.api.caller import Caller
from weconnect.durable import Steps
from weconnect.executions import service, starting
from weconnect.executions.entities import OPEN, NewWorkflowExecution
from weconnect.workflows import service as workflows
from weconnect.workflows.engine import child_executions
from weconnect.workflows.node_sdk.node_type import NodeError

WAIT_SECONDS = 3_600
ALONE_SECONDS = 20  # a route has 29


def call(
    steps: Steps,
    run: Run,
    pinned: Pinned,
    tool: Tool,
    arguments: dict[str, Any],
    name: str,
    number: int,
    approval: StepApproval | None,
) -> dict[str, Any]:
    """The run's output as `{"content", "is_error", "waited"}`, or `{"ended"}` when the calling run ends."""
    began: dict[str, Any] = steps.step(f"{name}-begin", lambda: _begin(run, pinned, tool, arguments, name))
    if "ended" in began:
        return began
    if asked := began.get("run"):

        def announce(callback_id: str) -> None:
            child_executions.announce(run.organization_id, UUID(asked), callback_id)

        steps.callback(f"{name}-run", announce, seconds_of(tool))
    answer: dict[str, Any] = steps.step(
        name, lambda: _end(run, tool, arguments, number, name, began, approval)
    )
    return answer


def run_alone(caller: Caller, tool: Tool, arguments: dict[str, Any]) -> Any:
    """What a workflow answers outside of any agent's run; raises ToolError."""
    if error := json_schema.mismatch(tool.input_schema, arguments):
        raise ToolError(f"The arguments do not fit: {error}")
    caller.require("workflows:execute")
    new = NewWorkflowExecution(input=given(tool, arguments))
    workflow_id = asked_workflow(caller.organization_id, tool, arguments)
    begun = starting.start(caller, workflow_id, new, 0, may_be_express=False)
    ended = service.wait(caller, begun, ALONE_SECONDS)
    if not ended.is_completed():
        raise ToolError(ended.error.message if ended.error else f"The run {ended.id} is {ended.status}")
    return fitting(tool, ended.output)


def asked_workflow(organization_id: UUID, tool: Tool, arguments: dict[str, Any]) -> UUID:
    """The workflow that a call is for: the tool's own, or the one that the arguments name; raises ToolError."""
    own = tool.configuration.workflow_id
    return own or sub_agents.identified(
        "workflow", arguments, lambda name: workflows.named(organization_id, name)
    )


def given(tool: Tool, arguments: dict[str, Any]) -> Any:
    """The run's input: all arguments of a tool that is one workflow, else their `input`."""
    return arguments if tool.configuration.workflow_id else arguments.get("input", {})


def fitting(tool: Tool, output: Any) -> Any:
    """The output, unless it does not fit the tool's schema; raises ToolError."""
    if tool.output_schema is not None and (error := json_schema.mismatch(tool.output_schema, output)):
        raise ToolError(f"The result does not fit: {error}")
    return output


def seconds_of(tool: Tool) -> int:
    """How long a call waits for its run."""
    return tool.configuration.timeout or WAIT_SECONDS


def _begin(run: Run, pinned: Pinned, tool: Tool, arguments: dict[str, Any], name: str) -> dict[str, Any]:
    row, ended = fence(run)
    if ended:
        return ended.ended()
    started = clock.now().timestamp()
    try:
        if error := json_schema.mismatch(tool.input_schema, arguments):
            raise ToolError(f"The arguments do not fit: {error}")
        if not pinned.may_run_workflows:
            raise ToolError("Who started this run may not run workflows: it needs workflows:execute")
        workflow_id = asked_workflow(run.organization_id, tool, arguments)
        child = child_executions.store(row, name, workflow_id, given(tool, arguments))
    except NodeError as error:
        return {"error": f"{error.code}: {error.message}", "started": started}
    except ToolError as error:
        return {"error": str(error), "started": started}
    return {"run": str(child), "started": started}


def _end(
    run: Run,
    tool: Tool,
    arguments: dict[str, Any],
    number: int,
    name: str,
    began: dict[str, Any],
    approval: StepApproval | None,
) -> dict[str, Any]:
    failure, result = began.get("error"), None
    asked = UUID(began["run"]) if "run" in began else None
    try:
        result = fitting(tool, _output(run, tool, name)) if asked else None
    except (ToolError, NodeError) as error:
        failure = str(error)
    seconds = sub_agents.note(
        run, tool, arguments, number, approval, began["started"], failure, result, asked
    )
    content = json.dumps(result, ensure_ascii=False) if failure is None else failure
    return {"content": content, "is_error": failure is not None, "waited": seconds if asked else 0}


def _output(run: Run, tool: Tool, name: str) -> Any:
    """What the run answered that was waited for; raises ToolError."""
    told = child_executions.result(run.row(), name)
    if told["status"] in OPEN:
        raise ToolError(f"Its run took longer than {seconds_of(tool)} s and was stopped")
    if told["status"] != "completed":
        error = told["error"] or {"code": told["status"], "message": f"The run is {told['status']}"}
        raise ToolError(f"{error['code']}: {error['message']}")
    return told["output"]
