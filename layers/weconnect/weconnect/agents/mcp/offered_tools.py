"""What an organization offers as tools: its active agents, the workflows that say so, and `get_agent_run` and
`get_workflow_run` for runs that take longer. The workflows' pages come after the agents'.
"""

from typing import Any
from uuid import UUID

from pydantic import ValidationError

from weconnect.agents import service, versions
from weconnect.agents.engine import executions
from weconnect.agents.entities import OPEN, AgentSummary, AIAgentExecution, ExecutionStatus, NewExecution
from weconnect.agents.mcp import tool_names, workflow_tools
from weconnect.agents.mcp.results import failed, own, text_of
from weconnect.agents.rows import AgentRow, AgentVersionRow
from weconnect.api.caller import Caller
from weconnect.base_entity import Wire
from weconnect.db import table
from weconnect.errors import NotFound, Problem

AGENT = "a"
GET_RUN = "get_agent_run"
PAGE = 25

AGENT_INPUT: dict[str, Any] = {
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
RUN_TOOL: dict[str, Any] = {
    "name": GET_RUN,
    "title": "Get an agent's run",
    "description": "Asks again for a run that was not over: waits up to 25 seconds for it and answers its result.",
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


class RunAsked(Wire):
    agent_id: UUID
    execution_id: UUID


def page(caller: Caller, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """A page of tools and the cursor of the next; raises BadRequest for a cursor of another list."""
    if cursor and cursor.startswith(workflow_tools.CURSOR):
        return workflow_tools.page(caller, cursor)
    found = service.find(caller, limit=PAGE, cursor=cursor, is_active=True)
    places = [at for agent in found.items for at in versions.keys_to_run(caller.organization_id, agent.id)]
    read = table.get_many(places) if places else {}
    tools = [
        _tool(agent, *versions.pick_to_run(read, caller.organization_id, agent.id))
        for agent in found.items
        if AgentRow.at(caller.organization_id, agent.id) in read  # else it was deleted just now
    ]
    tools = [RUN_TOOL, *tools] if cursor is None else tools
    if found.next_cursor or not caller.may(workflow_tools.PERMISSION):
        return tools, found.next_cursor
    more, following = workflow_tools.page(caller, None)
    return [*tools, *more], following


def call(caller: Caller, name: str, arguments: dict[str, Any], seconds: int) -> dict[str, Any] | None:
    """The result of a tool within `seconds`; None when there is no such tool.

    What stops a run (a limit, an agent that sleeps, wrong arguments) is a result that says so, for the model to read.
    """
    kind, agent_id = tool_names.id_in(name) or (None, None)
    try:
        if (name == workflow_tools.GET_RUN or kind == workflow_tools.WORKFLOW) and caller.may(
            workflow_tools.PERMISSION
        ):
            return workflow_tools.call(caller, agent_id, arguments, seconds)
        if name == GET_RUN:
            return _told(executions.wait(caller, _run(caller, RunAsked.model_validate(arguments)), seconds))
        if kind == AGENT and agent_id:
            try:
                begun = executions.start(caller, agent_id, NewExecution.model_validate(arguments))
            except NotFound:
                return None
            return _told(executions.wait(caller, begun, seconds), caller)
    except ValidationError as error:
        places = [f"/{'/'.join(map(str, item['loc']))} {item['msg']}" for item in error.errors()[:3]]
        return failed(f"The arguments do not fit: {'; '.join(places)}", "invalid")
    except Problem as problem:
        if problem.status >= 500:
            raise
        return failed(problem.detail, problem.code)
    return None


def _tool(agent: AgentSummary, _: AgentRow, version: AgentVersionRow) -> dict[str, Any]:
    tool = {
        "name": tool_names.with_id(agent.name, AGENT, agent.id),
        "title": agent.name,
        "description": agent.description or f"Asks the AI agent {agent.name}.",
        "inputSchema": AGENT_INPUT,
        "annotations": {"openWorldHint": True},
    }
    schema = version.to_entity().output_schema
    return tool if schema is None else {**tool, "outputSchema": {"type": "object", **schema}}


def _run(caller: Caller, asked: RunAsked) -> AIAgentExecution:
    """A run that the caller may see: any with agents:read, else those they began."""
    found = executions.get(caller, asked.agent_id, asked.execution_id)
    if not caller.may("agents:read") and found.user_id != caller.user_id:
        raise NotFound("No such execution", code="execution_not_found")
    return found


def _told(run: AIAgentExecution, promised: Caller | None = None) -> dict[str, Any]:
    """A run as a tool's result; `promised`, to whom an answer of the agent's own form may have been promised."""
    ids = {"agentId": str(run.agent_id), "executionId": str(run.id), "status": str(run.status)}
    if run.status in OPEN:
        text = f"The run is not over. Ask {GET_RUN} with agentId {run.agent_id} and executionId {run.id}."
        ran = versions.need(run.organization_id, run.agent_id, run.agent_version)
        if promised and ran.to_entity().output_schema is not None:
            return failed(text, "not_over", ids)  # clients take nothing else for an answer without that form
        return {"content": [text_of(text)], "structuredContent": ids, "isError": False}
    if run.status == ExecutionStatus.COMPLETED:
        result = {"content": [text_of(run.output or "")], "isError": False, "_meta": own(ids)}
        value = run.structured_output
        return result if value is None else {**result, "structuredContent": value}
    return failed(run.error or f"The run is {run.status}", run.error_code or str(run.status), ids)
