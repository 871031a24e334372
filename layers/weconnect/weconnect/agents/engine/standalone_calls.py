"""Tool calls outside of an execution: the test of a tool by its route."""

import time
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from weconnect import ids, json_schema
from weconnect.agents import service
from weconnect.agents.engine import sub_agents, workflow_calls
from weconnect.agents.entities import NewAIAgentExecution
from weconnect.agents.executions.starts import start_for_caller
from weconnect.agents.tools import invocation
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.entities import AgentToolTest, AgentToolTestResult
from weconnect.agents.tools.errors import ToolError, ToolNotFound
from weconnect.agents.tools.invocation import PinnedTool
from weconnect.agents.tools.rows import AgentToolRow
from weconnect.api.caller import Caller
from weconnect.approvals import service as approvals
from weconnect.approvals.entities import Approvers
from weconnect.base_entity import JsonObject
from weconnect.db import table
from weconnect.errors import Invalid
from weconnect.executions import service as executions
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.kinds import kind_of
from weconnect.executions.requests import StartExecution
from weconnect.executions.start import start
from weconnect.identity import waiting

TIMEOUT_SECONDS = 20  # a route has 29


def test_tool(caller: Caller, agent_id: UUID, tool_id: UUID, request: AgentToolTest) -> AgentToolTestResult:
    """Call a tool once with the given arguments; an error of the tool is part of the result.

    Raises AgentNotFound, ToolNotFound, Invalid, TooManyWaiting, and Forbidden when its calls need an approval that the
    caller may not give.
    """
    service.require_agent(caller, agent_id)
    key = AgentToolRow.at(caller.organization_id, agent_id, tool_id)
    row = table.require(AgentToolRow, key, ToolNotFound)
    tool = _choose_tool(invocation.pin_tools(row), request.tool)
    if tool.requires_approval:
        approvers = Approvers(users=tool.approval.users, roles=list(tool.approval.roles))
        approvals.require_approver(caller, approvers)
    # A route has less time than an execution: a shorter timeout and no retries.
    seconds = min(tool.configuration.timeout or TIMEOUT_SECONDS, TIMEOUT_SECONDS)
    tool.configuration = tool.configuration.model_copy(update={"timeout": seconds, "retry_count": 0})
    context = ToolContext(caller.organization_id, agent_id, caller.user_id, None, f"test:{ids.new_id()}")
    began = time.monotonic()
    result, error = None, None
    try:
        with waiting.require_lease(caller.organization_id, seconds) if _waits_itself(tool) else nullcontext():
            result = _call(caller, tool, request.arguments, context)
    except ToolError as failure:
        error = str(failure)
    duration_ms = int((time.monotonic() - began) * 1000)
    return AgentToolTestResult(result=result, error=error, duration_ms=duration_ms)


def _waits_itself(tool: PinnedTool) -> bool:
    """Return whether a call waits for a server, and not for an execution, whose own wait holds a lease."""
    return not (invocation.is_agent_call(tool) or invocation.is_workflow_call(tool))


def _call(caller: Caller, tool: PinnedTool, arguments: JsonObject, context: ToolContext) -> Any:
    """Call any kind of tool and return its JSON result. Raises ToolError."""
    if invocation.is_agent_call(tool):
        return _ask_agent(caller, tool, arguments)
    if invocation.is_workflow_call(tool):
        return _run_workflow(caller, tool, arguments)
    return invocation.call_tool(tool, arguments, context)


def _ask_agent(caller: Caller, tool: PinnedTool, arguments: JsonObject) -> JsonObject:
    """Start an execution of the tool's agent, wait for it, and return `{"output": "…"}`. Raises ToolError."""
    _require_match(tool, arguments)
    agent_id = sub_agents.resolve_agent(caller.organization_id, tool, arguments)
    new = NewAIAgentExecution(input=sub_agents.input_text(arguments))
    execution = start_for_caller(caller, agent_id, new, TIMEOUT_SECONDS)
    if execution.status != ExecutionStatus.COMPLETED:
        raise ToolError(execution.error or f"The agent's execution {execution.id} is {execution.status}")
    return {"output": execution.output}


def _run_workflow(caller: Caller, tool: PinnedTool, arguments: JsonObject) -> Any:
    """Start an execution of the tool's workflow, wait for it, and return its output. Raises ToolError."""
    _require_match(tool, arguments)
    caller.require_permission("workflows:execute")
    workflow_id = workflow_calls.resolve_workflow(caller.organization_id, tool, arguments)
    value = workflow_calls.workflow_input(tool, arguments)
    started = start(StartExecution.by_caller(caller, "workflow", workflow_id, value)).row
    row = executions.wait(started, TIMEOUT_SECONDS)
    result = kind_of(row).load_result(row)
    if result["status"] != ExecutionStatus.COMPLETED:
        error = result["error"]
        raise ToolError(error["message"] if error else f"The execution is {result['status']}")
    return workflow_calls.checked_output(tool, result["output"])


def _require_match(tool: PinnedTool, arguments: JsonObject) -> None:
    """Raise ToolError unless the arguments match the tool's schema."""
    if mismatch := json_schema.find_mismatch(tool.input_schema, arguments):
        raise ToolError(f"The arguments do not match the schema: {mismatch}")


def _choose_tool(tools: list[PinnedTool], name: str | None) -> PinnedTool:
    """Return the tool to test; an MCP server has several, of which one must be named. Raises Invalid."""
    names = [tool.remote_name for tool in tools if tool.remote_name]
    if name is None and len(tools) == 1:
        return tools[0]
    if name not in names:
        if names:
            raise Invalid(f"Name one of the server's tools: {', '.join(names[:20])}.", pointer="/tool")
        raise Invalid("Only a tool of type mcp has several tools. Leave `tool` out.", pointer="/tool")
    return tools[names.index(name)]
