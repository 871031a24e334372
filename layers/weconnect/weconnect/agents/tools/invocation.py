"""Calls of tools: arguments and results are validated, and secrets are decrypted only for them."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect import json_schema
from weconnect.agents.mcp import tool_names
from weconnect.agents.tools import credentials, http_tool, mcp_tool
from weconnect.agents.tools.builtins import ASK_AGENT, BUILTINS, RUN_WORKFLOW
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.entities import (
    AgentToolApproval,
    AgentToolConfiguration,
    AgentToolType,
    McpServer,
    McpServerTool,
)
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.rows import AgentToolRow
from weconnect.base_entity import JsonObject
from weconnect.errors import Problem
from weconnect.models.messages import ToolSpec

ANY_OBJECT_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
AGENT_INPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "input": {"type": "string", "minLength": 1, "description": "What to ask or tell the agent"}
    },
    "required": ["input"],
    "additionalProperties": False,
}


class PinnedTool(BaseModel):
    """A tool as a version of its agent has it and an execution uses it; its secrets stay encrypted.

    `id` is that of the tool's row; all tools of an MCP server share one.
    """

    id: UUID
    name: str
    description: str
    type: AgentToolType
    input_schema: JsonObject
    output_schema: JsonObject | None = None
    configuration: AgentToolConfiguration
    sealed_key: str | None = None
    sealed_secrets: str | None = None
    remote_name: str | None = None
    protocol_version: str | None = None
    requires_approval: bool = False
    approval: AgentToolApproval = AgentToolApproval()
    is_active: bool = True

    def to_spec(self) -> ToolSpec:
        """Return the tool as a model request describes it."""
        return ToolSpec(name=self.name, description=self.description, input_schema=self.input_schema)


def pin_tools(row: AgentToolRow) -> list[PinnedTool]:
    """Return a row's tools as they are now: one, or each tool of an MCP server."""
    builtin = BUILTINS.get(row.tool_name) if row.tool_type == AgentToolType.BUILTIN else None
    default_schema = AGENT_INPUT_SCHEMA if row.tool_type == AgentToolType.AGENT else ANY_OBJECT_SCHEMA
    tool = PinnedTool(
        id=UUID(row.id),
        name=row.tool_name,
        description=row.description or (builtin.description if builtin else row.display_name),
        type=AgentToolType(row.tool_type),
        input_schema=(builtin.input_schema if builtin else row.input_schema) or default_schema,
        output_schema=row.output_schema,
        configuration=AgentToolConfiguration.model_validate(row.configuration or {}, by_name=True),
        sealed_key=row.sealed_key,
        sealed_secrets=row.sealed_secrets,
        requires_approval=bool(row.requires_approval),
        approval=AgentToolApproval.model_validate(row.approval or {}, by_name=True),
        is_active=bool(row.is_active),
    )
    if tool.type != AgentToolType.MCP:
        return [tool]
    server = McpServer.model_validate(row.remote, by_name=True)
    names = tool_names.prefix_names(row.tool_name, [remote.name for remote in server.tools])
    return [
        tool.model_copy(
            update={
                "name": names[remote.name],
                "description": remote.description or tool.description,
                "input_schema": remote.input_schema,
                "output_schema": tool.output_schema or remote.output_schema,
                "remote_name": remote.name,
                "protocol_version": server.protocol_version,
            }
        )
        for remote in server.tools
    ]


def is_agent_call(tool: PinnedTool) -> bool:
    """Return whether a call of the tool is an execution of another agent."""
    is_builtin = tool.type == AgentToolType.BUILTIN and tool.name == ASK_AGENT
    return is_builtin or tool.type == AgentToolType.AGENT


def is_workflow_call(tool: PinnedTool) -> bool:
    """Return whether a call of the tool is an execution of a workflow."""
    is_builtin = tool.type == AgentToolType.BUILTIN and tool.name == RUN_WORKFLOW
    return is_builtin or tool.type == AgentToolType.WORKFLOW


def call_tool(tool: PinnedTool, arguments: JsonObject, context: ToolContext) -> Any:
    """Call a tool and return its JSON result. Raises ToolError with a text for the model that contains no secret."""
    if mismatch := json_schema.find_mismatch(tool.input_schema, arguments):
        raise ToolError(f"The arguments do not match the schema: {mismatch}")
    try:
        result = _call(tool, arguments, context)
    except Problem as problem:
        raise ToolError(problem.detail) from problem
    if tool.output_schema is not None:
        value = result["body"] if tool.type == AgentToolType.HTTP else result
        if mismatch := json_schema.find_mismatch(tool.output_schema, value):
            raise ToolError(f"The result does not match the schema: {mismatch}")
    return result


def _call(tool: PinnedTool, arguments: JsonObject, context: ToolContext) -> Any:
    """Call a builtin, MCP or HTTP tool and return its JSON result. Raises ToolError, Problem."""
    if tool.type == AgentToolType.BUILTIN:
        return BUILTINS[tool.name].execute(arguments, context)
    api_key = credentials.decrypt_key(context.organization_id, tool.id, tool.sealed_key)
    configuration = credentials.open_configuration(
        context.organization_id, tool.id, tool.configuration, tool.sealed_secrets
    )
    if tool.type == AgentToolType.MCP:
        remote = McpServerTool(name=tool.remote_name or "", input_schema=tool.input_schema)
        return mcp_tool.call_server_tool(
            configuration,
            remote,
            tool.protocol_version or "",
            arguments,
            api_key=api_key,
            idempotency_key=context.call_key,
        )
    return http_tool.call_endpoint(
        configuration,
        tool.input_schema,
        arguments,
        api_key=api_key,
        idempotency_key=context.call_key,
    )
