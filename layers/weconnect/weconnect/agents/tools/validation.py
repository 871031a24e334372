"""Validation of tools: their names, schemas, configurations and approvers."""

from collections.abc import Iterator
from typing import Any

from pydantic.alias_generators import to_camel

from weconnect import json_schema
from weconnect.agents.rows import AgentRow
from weconnect.agents.tools import credentials, http_tool, mcp_tool
from weconnect.agents.tools.builtins import BUILTINS
from weconnect.agents.tools.entities import (
    AgentToolApproval,
    AgentToolConfiguration,
    AgentToolType,
    McpServer,
)
from weconnect.agents.tools.errors import McpServerUnusable, ToolError, ToolNameTaken
from weconnect.agents.tools.workflow_offers import get_offers
from weconnect.api.caller import Caller
from weconnect.base_entity import JsonObject
from weconnect.db import table
from weconnect.errors import FieldError, Invalid
from weconnect.identity import waiting
from weconnect.organizations.rows import MemberRow
from weconnect.security import secrecy, secret_fields

_HEADER_NAME = {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"}
_HEADER_VALUE = {"type": ["string", "number", "boolean"], "pattern": "^[^\\r\\n\\x00]*$", "maxLength": 8_000}
PARAMETERS: dict[str, dict[str, Any]] = {
    "method": {"type": "string", "pattern": "(?i)^(get|head|post|put|patch|delete)$"},
    "headers": {"type": "object", "propertyNames": _HEADER_NAME, "additionalProperties": _HEADER_VALUE},
    "query": {"type": "object"},
    "body": {"type": "object"},
    "bodyFormat": {"enum": ["json", "form"]},
    "apiKeyHeader": {"type": "string", **_HEADER_NAME},
    "apiKeyPrefix": {"type": ["string", "null"], "pattern": "^[ -~]*$", "maxLength": 100},
    "tools": {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": 64,
        "uniqueItems": True,
    },
}
"""The JSON Schemas of the known `configuration.parameters`; any other parameter is accepted and ignored."""


TARGETS = {
    AgentToolType.HTTP: "api_endpoint",
    AgentToolType.MCP: "api_endpoint",
    AgentToolType.AGENT: "agent_id",
    AgentToolType.WORKFLOW: "workflow_id",
}
"""The field of the configuration that names what a tool of this type calls."""


def check_name(tool_type: AgentToolType, name: str) -> None:
    """Raise Invalid for a builtin tool that does not exist."""
    if tool_type == AgentToolType.BUILTIN and name not in BUILTINS:
        detail = f"Unknown builtin tool {name!r}. The builtin tools are {', '.join(sorted(BUILTINS))}."
        raise Invalid(detail, errors=[{"pointer": "/toolName", "detail": "unknown builtin"}])


def check_names_are_unique(own: list[JsonObject], others: list[JsonObject]) -> None:
    """Raise ToolNameTaken when two of an agent's tools, those of MCP servers included, have the same name."""
    taken_names = {tool["name"] for tool in others}
    for tool in own:
        if tool["name"] in taken_names:
            raise name_taken(tool["name"])


def name_taken(name: str) -> ToolNameTaken:
    """Return the error for a name that the agent already has."""
    detail = f"The agent already has a tool named {name!r}. Choose another name."
    return ToolNameTaken(detail, errors=[{"pointer": "/toolName", "detail": "taken"}])


def check_schemas(input_schema: JsonObject | None, output_schema: JsonObject | None) -> None:
    """Raise Invalid for a schema that is not a JSON Schema, or whose evaluation could take too long."""
    if input_schema is not None:
        json_schema.require_valid_schema(input_schema, "/inputSchema")
        if pointers := list(_list_schema_secrets(input_schema, "/inputSchema")):
            raise Invalid(
                f"{pointers[0]} is a secret, which the model and all readers of the tool would see. "
                "Put it into configuration.parameters.",
                pointer=pointers[0],
            )
    if output_schema is not None:
        json_schema.require_valid_schema(output_schema, "/outputSchema", of_object=False)


def _list_schema_secrets(schema: Any, pointer: str, *, is_secret: bool = False) -> Iterator[str]:
    """Yield the pointers of values in a schema that are secrets, by the name of their property or by their form."""
    if not isinstance(schema, dict):
        return
    for key, inner in schema.items():
        if key in ("properties", "patternProperties", "$defs", "definitions") and isinstance(inner, dict):
            for name, of_property in inner.items():
                is_named = is_secret or secrecy.is_secret_name(name)
                yield from _list_schema_secrets(of_property, f"{pointer}/{key}/{name}", is_secret=is_named)
        elif key in ("default", "const", "enum", "examples", "example"):
            secret = secret_fields.Fields(secret=frozenset({""} if is_secret else ()))
            if secret_fields.take_out(inner, secret)[1]:
                yield f"{pointer}/{key}"
        else:
            for each in inner if isinstance(inner, list) else [inner]:
                yield from _list_schema_secrets(each, f"{pointer}/{key}", is_secret=is_secret)


def check_configuration(caller: Caller, configuration: AgentToolConfiguration) -> None:
    """Raise Invalid for an endpoint that cannot be called, a missing agent or workflow, or malformed parameters."""
    organization_id = caller.organization_id
    try:
        if configuration.api_endpoint is not None:
            http_tool.check_endpoint(configuration.api_endpoint)
    except ToolError as error:
        raise Invalid(str(error), pointer="/configuration/apiEndpoint") from error
    agent_id = configuration.agent_id
    if agent_id and not table.get(AgentRow, AgentRow.at(organization_id, agent_id)):
        raise Invalid("The agent does not exist.", pointer="/configuration/agentId")
    if workflow_id := configuration.workflow_id:
        caller.require_permission("workflows:execute")
        if not get_offers().exists(organization_id, workflow_id):
            raise Invalid("The workflow does not exist.", pointer="/configuration/workflowId")
    for name, value in (configuration.parameters or {}).items():
        if name in PARAMETERS and (mismatch := json_schema.find_mismatch(PARAMETERS[name], value)):
            pointer = f"/configuration/parameters/{name}{mismatch.pointer}"
            raise Invalid(mismatch.detail, pointer=pointer)


def check_no_mask(configuration: AgentToolConfiguration) -> None:
    """Raise Invalid for the mask of a secret that is not stored."""
    if masks := credentials.find_masks(configuration):
        text = "No secret is stored here. Send the secret itself instead of its mask."
        raise Invalid(text, pointer=f"/configuration{masks[0]}")


def check_target(tool_type: AgentToolType, configuration: AgentToolConfiguration) -> None:
    """Raise Invalid for a configuration that does not name what a tool of this type calls."""
    field = TARGETS.get(tool_type)
    if field and not getattr(configuration, field):
        name = to_camel(field)
        errors: list[FieldError] = [{"pointer": f"/configuration/{name}", "detail": "missing"}]
        raise Invalid(f"A tool of type {tool_type} needs configuration.{name}.", errors=errors)


def load_workflow_schema(caller: Caller, configuration: AgentToolConfiguration) -> JsonObject:
    """Return the JSON Schema of a workflow's input, from its active version, else from its newest."""
    assert configuration.workflow_id
    return get_offers().load_input_schema(caller.organization_id, configuration.workflow_id)


def check_approvers(caller: Caller, approval: AgentToolApproval | None) -> None:
    """Raise Invalid for approvers who could never decide, because they are not members of the organization."""
    user_ids = approval.users if approval else []
    keys = [MemberRow.at(caller.organization_id, user_id) for user_id in user_ids]
    rows_by_key = table.get_many(keys) if keys else {}
    errors: list[FieldError] = [
        {"pointer": f"/approval/users/{number}", "detail": "not a member"}
        for number, key in enumerate(keys)
        if key not in rows_by_key
    ]
    if errors:
        raise Invalid("Only members of the organization can be approvers.", errors=errors)


def fetch_server(caller: Caller, configuration: AgentToolConfiguration, api_key: str | None) -> McpServer:
    """Return the present tools of an MCP server. Raises McpServerUnusable, and TooManyWaiting."""
    try:
        with waiting.require_lease(caller.organization_id, mcp_tool.LIST_SECONDS):
            return mcp_tool.fetch_server(configuration, api_key)
    except ToolError as error:
        raise McpServerUnusable(str(error), pointer="/configuration/apiEndpoint") from error
