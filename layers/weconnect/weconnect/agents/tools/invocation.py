"""Call a tool: check the arguments, decrypt its key in the only place that needs it, answer JSON that was checked."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect import json_schema
from weconnect.agents.mcp import tool_names
from weconnect.agents.models.messages import ToolSpec
from weconnect.agents.tools import http_tool, mcp_tool
from weconnect.agents.tools.builtins import ASK_AGENT, BUILTINS, RUN_WORKFLOW
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.entities import (
    RemoteServer,
    RemoteTool,
    ToolApproval,
    ToolConfiguration,
    ToolType,
)
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.rows import ToolRow
from weconnect.errors import Problem
from weconnect.security import encryption

ANY_OBJECT: dict[str, Any] = {"type": "object", "properties": {}}
QUESTION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "input": {"type": "string", "minLength": 1, "description": "What to ask or tell the agent"}
    },
    "required": ["input"],
    "additionalProperties": False,
}


class Tool(BaseModel):
    """A function as a version holds it and a run pins it: plain data, its key still sealed.

    `id` is its row's, which may have several.
    """

    id: UUID
    name: str
    description: str
    type: ToolType
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    configuration: ToolConfiguration
    sealed_key: str | None = None
    remote_name: str | None = None
    protocol_version: str | None = None
    requires_approval: bool = False
    approval: ToolApproval = ToolApproval()
    is_active: bool = True

    def spec(self) -> ToolSpec:
        """What a model is told of it."""
        return ToolSpec(name=self.name, description=self.description, input_schema=self.input_schema)


def pin(row: ToolRow) -> list[Tool]:
    """The row's functions as they are now: one, or each of an MCP server's tools."""
    builtin = BUILTINS.get(row.tool_name) if row.tool_type == ToolType.BUILTIN else None
    tool = Tool(
        id=UUID(row.id),
        name=row.tool_name,
        description=row.description or (builtin.description if builtin else row.display_name),
        type=ToolType(row.tool_type),
        input_schema=(builtin.input_schema if builtin else row.input_schema)
        or (QUESTION if row.tool_type == ToolType.AGENT else ANY_OBJECT),
        output_schema=row.output_schema,
        configuration=ToolConfiguration.model_validate(row.configuration or {}, by_name=True),
        sealed_key=row.sealed_key,
        requires_approval=bool(row.requires_approval),
        approval=ToolApproval.model_validate(row.approval or {}, by_name=True),
        is_active=bool(row.is_active),
    )
    if tool.type != ToolType.MCP:
        return [tool]
    server = RemoteServer.model_validate(row.remote, by_name=True)
    named = tool_names.prefixed(row.tool_name, [remote.name for remote in server.tools])
    return [
        tool.model_copy(
            update={
                "name": named[remote.name],
                "description": remote.description or tool.description,
                "input_schema": remote.input_schema,
                "output_schema": tool.output_schema or remote.output_schema,
                "remote_name": remote.name,
                "protocol_version": server.protocol_version,
            }
        )
        for remote in server.tools
    ]


def asks_agent(tool: Tool) -> bool:
    """Whether a call of it is a run of another agent."""
    return tool.type == ToolType.AGENT or (tool.type == ToolType.BUILTIN and tool.name == ASK_AGENT)


def runs_workflow(tool: Tool) -> bool:
    """Whether a call of it is a run of a workflow."""
    return tool.type == ToolType.WORKFLOW or (tool.type == ToolType.BUILTIN and tool.name == RUN_WORKFLOW)


def call(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> Any:
    """The tool's JSON answer; raises ToolError with a text for the model, never with a secret."""
    if error := json_schema.mismatch(tool.input_schema, arguments):
        raise ToolError(f"The arguments do not fit: {error}")
    try:
        result = _called(tool, arguments, context)
    except Problem as problem:
        raise ToolError(problem.detail) from problem
    if tool.output_schema is not None:
        value = result["body"] if tool.type == ToolType.HTTP else result
        if error := json_schema.mismatch(tool.output_schema, value):
            raise ToolError(f"The result does not fit: {error}")
    return result


def _called(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> Any:
    if tool.type == ToolType.BUILTIN:
        return BUILTINS[tool.name].run(arguments, context)
    api_key = unseal(context.organization_id, tool.id, tool.sealed_key)
    if tool.type == ToolType.MCP:
        remote = RemoteTool(name=tool.remote_name or "", input_schema=tool.input_schema)
        return mcp_tool.call(
            tool.configuration,
            remote,
            tool.protocol_version or "",
            arguments,
            api_key=api_key,
            idempotency_key=context.call_key,
        )
    return http_tool.call_declared(
        tool.configuration.model_dump(by_alias=True, exclude_none=True),
        tool.input_schema,
        arguments,
        api_key=api_key,
        idempotency_key=context.call_key,
    )


def seal(organization_id: UUID, tool_id: UUID, api_key: str, version: int) -> str:
    """Encrypt a tool's key for its row."""
    return encryption.encrypt(
        organization_id,
        kind="AGENTTOOL",
        id=str(tool_id),
        field="apiKey",
        text=api_key,
        secret_version=version,
    )


def unseal(organization_id: UUID, tool_id: UUID, sealed: str | None) -> str | None:
    """Decrypt it again."""
    if sealed is None:
        return None
    return encryption.decrypt(
        organization_id, kind="AGENTTOOL", id=str(tool_id), field="apiKey", sealed=sealed
    )
