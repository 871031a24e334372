"""Workflows as MCP tools: those with `settings.offerAsTool`, for callers with the permission workflows:execute."""

import json
from uuid import UUID

from weconnect import json_schema
from weconnect.agents.mcp import tool_names
from weconnect.agents.mcp.results import build_text_block, error_result, own_metadata
from weconnect.agents.tools.workflow_offers import OfferedWorkflow, get_offers
from weconnect.api.caller import Caller
from weconnect.base_entity import ApiModel, JsonObject
from weconnect.db import table
from weconnect.errors import NotFound
from weconnect.executions import service
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.kinds import kind_of
from weconnect.executions.requests import StartExecution
from weconnect.executions.rows import AnyRow, ExecutionRow, workflow_execution_key
from weconnect.executions.start import start

WORKFLOW = "w"
GET_EXECUTION = "get_workflow_run"
PERMISSION = "workflows:execute"
PAGE_SIZE = 25
CURSOR_PREFIX = "workflows:"

GET_EXECUTION_TOOL: JsonObject = {
    "name": GET_EXECUTION,
    "title": "Get a workflow's execution",
    "description": "Waits up to 25 seconds for an execution that had not finished, and returns its result.",
    "inputSchema": {
        "type": "object",
        "properties": {"executionId": {"type": "string", "format": "uuid"}},
        "required": ["executionId"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
}


class GetWorkflowExecution(ApiModel):
    """The arguments of `get_workflow_run`."""

    execution_id: UUID


def list_tools(caller: Caller, cursor: str | None) -> tuple[list[JsonObject], str | None]:
    """Return a page of workflows as MCP describes tools, and the cursor of the next. Raises InvalidCursor.

    The first page begins with `get_workflow_run`, unless it is empty.
    """
    caller.require_permission(PERMISSION)
    inner_cursor = cursor.removeprefix(CURSOR_PREFIX) if cursor else None
    workflows, next_cursor = get_offers().list_offered(caller, limit=PAGE_SIZE, cursor=inner_cursor or None)
    tools = [_describe(workflow) for workflow in workflows]
    if tools and not inner_cursor:
        tools = [GET_EXECUTION_TOOL, *tools]
    return tools, CURSOR_PREFIX + next_cursor if next_cursor else None


def call_tool(
    caller: Caller, workflow_id: UUID | None, arguments: JsonObject, seconds: int
) -> JsonObject | None:
    """Execute a workflow, or without `workflow_id` get an earlier execution, and return the MCP result.

    Waits at most `seconds`. Return None when the workflow is not offered as a tool.
    """
    if workflow_id is None:
        row = _load_execution(caller, GetWorkflowExecution.model_validate(arguments))
        return _to_result(service.wait(row, seconds))
    try:
        workflow = get_offers().require_offered(caller, workflow_id)
    except NotFound:
        return None
    if mismatch := json_schema.find_mismatch(workflow.input_schema, arguments):
        return error_result(f"The arguments do not match the schema: {mismatch}", "invalid")
    # Not express: an execution may take longer than the time that is left for this call.
    started = start(StartExecution.by_caller(caller, "workflow", workflow_id, arguments))
    return _to_result(service.wait(started.row, seconds))


def _describe(workflow: OfferedWorkflow) -> JsonObject:
    """Return a workflow as MCP describes a tool."""
    return {
        "name": tool_names.with_id(workflow.name, WORKFLOW, workflow.id),
        "title": workflow.name,
        "description": workflow.description or f"Runs the workflow {workflow.name}.",
        "inputSchema": {"type": "object", **workflow.input_schema},
        "annotations": {"openWorldHint": True},
    }


def _load_execution(caller: Caller, arguments: GetWorkflowExecution) -> AnyRow:
    """Return the row of an execution that the caller may see: any with executions:read, else their own.

    Raises ExecutionNotFound.
    """
    key = workflow_execution_key(caller.organization_id, arguments.execution_id)
    row = table.require(ExecutionRow, key, ExecutionNotFound)
    if not caller.has_permission("executions:read") and row.user_id != str(caller.user_id):
        raise ExecutionNotFound()
    return row


def _to_result(row: AnyRow) -> JsonObject:
    """Return an execution as an MCP result: its output as JSON text."""
    result = kind_of(row).load_result(row)
    status = result["status"]
    ids = {"workflowId": str(row.target_id), "executionId": row.id, "status": status}
    if status in OPEN_STATUSES:
        text = f"The execution has not finished. Call {GET_EXECUTION} with executionId {row.id}."
        return {"content": [build_text_block(text)], "structuredContent": ids, "isError": False}
    if status == ExecutionStatus.COMPLETED:
        text = json.dumps(result["output"], ensure_ascii=False)
        return {"content": [build_text_block(text)], "isError": False, "_meta": own_metadata(ids)}
    if error := result["error"]:
        return error_result(error["message"], error["code"], ids)
    return error_result(f"The execution is {status}", status, ids)
