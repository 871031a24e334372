"""Workflows as tools: those with `settings.offerAsTool`, for callers with workflows:execute."""

import json
from typing import Any
from uuid import UUID

from weconnect import json_schema
from weconnect.agents.mcp import tool_names
from weconnect.agents.mcp.results import failed, own, text_of
from weconnect.api.caller import Caller
from weconnect.base_entity import Wire
from weconnect.db import table
from weconnect.errors import NotFound
from weconnect.executions import service, starting
from weconnect.executions.entities import OPEN, Execution, NewWorkflowExecution
from weconnect.executions.rows import ExecutionRow
from weconnect.workflows.definition import tool_offers
from weconnect.workflows.definition.tool_offers import Offered

WORKFLOW = "w"
GET_RUN = "get_workflow_run"
PERMISSION = "workflows:execute"
PAGE = 25
CURSOR = "workflows:"

RUN_TOOL: dict[str, Any] = {
    "name": GET_RUN,
    "title": "Get a workflow's run",
    "description": "Asks again for a run that was not over: waits up to 25 seconds for it and answers its result.",
    "inputSchema": {
        "type": "object",
        "properties": {"executionId": {"type": "string", "format": "uuid"}},
        "required": ["executionId"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
}


class RunAsked(Wire):
    execution_id: UUID


def page(caller: Caller, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """A page of workflows and the cursor of the next; raises BadRequest for a cursor of another list.

    With the first come `get_workflow_run`, when there is one.
    """
    caller.require(PERMISSION)
    inner = cursor.removeprefix(CURSOR) if cursor else None
    found, following = tool_offers.page(caller, limit=PAGE, cursor=inner or None)
    tools = [_tool(workflow) for workflow in found]
    if tools and not inner:
        tools = [RUN_TOOL, *tools]
    return tools, CURSOR + following if following else None


def call(
    caller: Caller, workflow_id: UUID | None, arguments: dict[str, Any], seconds: int
) -> dict[str, Any] | None:
    """The result of a workflow, or of an earlier run of one where none is named; None when it is not offered."""
    if workflow_id is None:
        return _told(service.wait(caller, _run(caller, RunAsked.model_validate(arguments)), seconds))
    try:
        workflow = tool_offers.need(caller, workflow_id)
    except NotFound:
        return None
    if error := json_schema.mismatch(workflow.input_schema, arguments):
        return failed(f"The arguments do not fit: {error}", "invalid")
    new = NewWorkflowExecution(input=arguments)
    # Durable: what is left of the time of this call may be less than a run takes.
    begun = starting.start(caller, workflow_id, new, 0, may_be_express=False)
    return _told(service.wait(caller, begun, seconds))


def _tool(workflow: Offered) -> dict[str, Any]:
    return {
        "name": tool_names.with_id(workflow.name, WORKFLOW, workflow.id),
        "title": workflow.name,
        "description": workflow.description or f"Runs the workflow {workflow.name}.",
        "inputSchema": {"type": "object", **workflow.input_schema},
        "annotations": {"openWorldHint": True},
    }


def _run(caller: Caller, asked: RunAsked) -> Execution:
    """A run that the caller may see: any with executions:read, else those they began."""
    at = ExecutionRow.at(caller.organization_id, asked.execution_id)
    row = table.need(ExecutionRow, at, "execution")
    if not caller.may("executions:read") and row.user_id != str(caller.user_id):
        raise NotFound("No such execution", code="execution_not_found")
    return service.entity(row)


def _told(run: Execution) -> dict[str, Any]:
    """A run as a tool's result: its output as JSON."""
    ids = {"workflowId": str(run.workflow_id), "executionId": str(run.id), "status": str(run.status)}
    if run.status in OPEN:
        text = f"The run is not over. Ask {GET_RUN} with executionId {run.id}."
        return {"content": [text_of(text)], "structuredContent": ids, "isError": False}
    if run.is_completed():
        text = json.dumps(run.output, ensure_ascii=False)
        return {"content": [text_of(text)], "isError": False, "_meta": own(ids)}
    error = run.error
    return failed(
        error.message if error else f"The run is {run.status}", error.code if error else run.status, ids
    )
