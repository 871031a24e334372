"""The tools that an organization offers to MCP clients.

They are its active agents, the workflows that are offered as tools, and `get_agent_run` and `get_workflow_run` for
executions that take longer than a call. The pages of workflows follow those of agents.
"""

from uuid import UUID

from pydantic import ValidationError

from weconnect.agents import service, versions
from weconnect.agents.entities import (
    AIAgentExecution,
    AIAgentSummary,
    NewAIAgentExecution,
)
from weconnect.agents.executions import service as agent_executions
from weconnect.agents.executions import starts
from weconnect.agents.executions.conversion import to_execution
from weconnect.agents.mcp import tool_names, workflow_tools
from weconnect.agents.mcp.results import build_text_block, error_result, own_metadata
from weconnect.agents.rows import AgentExecutionRow, AgentRow, AgentVersionRow
from weconnect.api.caller import Caller
from weconnect.base_entity import ApiModel, JsonObject
from weconnect.db import table
from weconnect.errors import NotFound, Problem
from weconnect.executions import service as executions
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound

AGENT = "a"
GET_EXECUTION = "get_agent_run"
PAGE_SIZE = 25

AGENT_INPUT: JsonObject = {
    "type": "object",
    "properties": {
        "input": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1_000_000,
            "description": "What to ask the agent",
        },
        "sessionId": {
            "type": "string",
            "minLength": 1,
            "maxLength": 100,
            "description": "The same in each turn of a conversation, which the agent then remembers",
        },
    },
    "required": ["input"],
    "additionalProperties": False,
}
GET_EXECUTION_TOOL: JsonObject = {
    "name": GET_EXECUTION,
    "title": "Get an agent's execution",
    "description": "Waits up to 25 seconds for an execution that had not finished, and returns its result.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "agentId": {"type": "string", "format": "uuid"},
            "executionId": {"type": "string", "format": "uuid"},
        },
        "required": ["agentId", "executionId"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
}


class GetAgentExecution(ApiModel):
    """The arguments of `get_agent_run`."""

    agent_id: UUID
    execution_id: UUID


def list_tools(caller: Caller, cursor: str | None) -> tuple[list[JsonObject], str | None]:
    """Return a page of tools as MCP describes them, and the cursor of the next. Raises InvalidCursor."""
    if cursor and cursor.startswith(workflow_tools.CURSOR_PREFIX):
        return workflow_tools.list_tools(caller, cursor)
    organization_id = caller.organization_id
    page = service.find(caller, limit=PAGE_SIZE, cursor=cursor, is_active=True)
    keys = [key for agent in page.items for key in versions.runnable_keys(organization_id, agent.id)]
    rows_by_key = table.get_many(keys) if keys else {}
    tools = [
        _describe(agent, *versions.pick_runnable(rows_by_key, organization_id, agent.id))
        for agent in page.items
        if AgentRow.at(organization_id, agent.id) in rows_by_key  # else it was deleted just now
    ]
    tools = [GET_EXECUTION_TOOL, *tools] if cursor is None else tools
    if page.next_cursor or not caller.has_permission(workflow_tools.PERMISSION):
        return tools, page.next_cursor
    more, next_cursor = workflow_tools.list_tools(caller, None)
    return [*tools, *more], next_cursor


def call_tool(caller: Caller, name: str, arguments: JsonObject, seconds: int) -> JsonObject | None:
    """Call a tool for at most `seconds` and return its MCP result; None for an unknown tool.

    A problem with an execution (a limit, an inactive agent, wrong arguments) is a result that the model can read.
    """
    kind, agent_id = tool_names.parse_id(name) or (None, None)
    try:
        is_workflow = name == workflow_tools.GET_EXECUTION or kind == workflow_tools.WORKFLOW
        if is_workflow and caller.has_permission(workflow_tools.PERMISSION):
            return workflow_tools.call_tool(caller, agent_id, arguments, seconds)
        if name == GET_EXECUTION:
            row = _load_execution(caller, GetAgentExecution.model_validate(arguments))
            return _to_result(to_execution(executions.wait(row, seconds)))
        if kind == AGENT and agent_id:
            new = NewAIAgentExecution.model_validate(arguments)
            try:
                execution = starts.start_for_caller(caller, agent_id, new, seconds)
            except NotFound:
                return None
            return _to_result(execution, is_first_call=True)
    except ValidationError as error:
        mismatches = [f"/{'/'.join(map(str, item['loc']))} {item['msg']}" for item in error.errors()[:3]]
        return error_result(f"The arguments do not match the schema: {'; '.join(mismatches)}", "invalid")
    except Problem as problem:
        if problem.status >= 500:
            raise
        return error_result(problem.detail, problem.code)
    return None


def _describe(agent: AIAgentSummary, _: AgentRow, version: AgentVersionRow) -> JsonObject:
    """Return an agent as MCP describes a tool; its output schema is that of the version."""
    tool = {
        "name": tool_names.with_id(agent.name, AGENT, agent.id),
        "title": agent.name,
        "description": agent.description or f"Asks the AI agent {agent.name}.",
        "inputSchema": AGENT_INPUT,
        "annotations": {"openWorldHint": True},
    }
    schema = version.to_entity().output_schema
    return tool if schema is None else {**tool, "outputSchema": {"type": "object", **schema}}


def _load_execution(caller: Caller, arguments: GetAgentExecution) -> AgentExecutionRow:
    """Return the row of an execution that the caller may see: any with agents:read, else their own.

    Raises ExecutionNotFound.
    """
    row = agent_executions.require(caller, arguments.agent_id, arguments.execution_id, "view")
    if not caller.has_permission("agents:read") and row.user_id != str(caller.user_id):
        raise ExecutionNotFound()
    return row


def _to_result(execution: AIAgentExecution, *, is_first_call: bool = False) -> JsonObject:
    """Return an execution as the MCP result of the agent's own tool (`is_first_call`) or of `get_agent_run`."""
    agent_id, status = execution.agent_id, execution.status
    ids = {"agentId": str(agent_id), "executionId": str(execution.id), "status": str(status)}
    if status in OPEN_STATUSES:
        text = (
            "The execution has not finished. "
            f"Call {GET_EXECUTION} with agentId {agent_id} and executionId {execution.id}."
        )
        version = versions.require_version(execution.organization_id, agent_id, execution.agent_version)
        if is_first_call and version.to_entity().output_schema is not None:
            # A tool with an output schema must return a value of that schema or an error.
            return error_result(text, "not_over", ids)
        return {"content": [build_text_block(text)], "structuredContent": ids, "isError": False}
    if status == ExecutionStatus.COMPLETED:
        result: JsonObject = {
            "content": [build_text_block(execution.output or "")],
            "isError": False,
            "_meta": own_metadata(ids),
        }
        value = execution.structured_output
        return result if value is None else {**result, "structuredContent": value}
    error = execution.error or f"The execution is {status}"
    return error_result(error, execution.error_code or str(status), ids)
