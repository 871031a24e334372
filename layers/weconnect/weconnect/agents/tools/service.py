"""The tools of an agent: create, read, list, change, delete and copy."""

import re
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.agents import service as agents
from weconnect.agents import versions
from weconnect.agents.tools import credentials, invocation, validation
from weconnect.agents.tools.builtins import BUILTINS
from weconnect.agents.tools.entities import (
    AgentToolConfiguration,
    AgentToolType,
    AIAgentTool,
    AIAgentToolChanges,
    McpServer,
    NewAIAgentTool,
)
from weconnect.agents.tools.errors import ApiKeyNeeded, ToolLimitReached, ToolNotFound
from weconnect.agents.tools.rows import AgentToolNameRow, AgentToolRow
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.api.pagination import Page, query_page
from weconnect.base_entity import JsonObject
from weconnect.db import table
from weconnect.identity.permissions import may_change_entity_of
from weconnect.texts import make_visible

MAX_TOOLS = 40  # copied in one transaction, which takes 100 writes


def create(caller: Caller, agent_id: UUID, new: NewAIAgentTool) -> AIAgentTool:
    """Create a tool of an agent; the list of tools of an MCP server is fetched.

    Raises AgentNotFound, NotOwnEntity, ToolLimitReached, McpServerUnusable, Invalid.
    """
    agents.require_own_agent(caller, agent_id)
    validation.check_name(new.tool_type, new.tool_name)
    validation.check_schemas(new.input_schema, new.output_schema)
    validation.check_no_mask(new.configuration)
    validation.check_configuration(caller, new.configuration)
    validation.check_approvers(caller, new.approval)
    if new.tool_type == AgentToolType.WORKFLOW and new.input_schema is None:
        schema = validation.load_workflow_schema(caller, new.configuration)
        new = new.model_copy(update={"input_schema": schema})
    is_remote = new.tool_type == AgentToolType.MCP
    remote = (
        validation.fetch_server(caller, new.configuration, new.configuration.api_key) if is_remote else None
    )
    row = _build_row(caller, agent_id, new, remote)

    def add(
        writes: table.Transaction, before: list[JsonObject], rows_by_key: versions.RowsByKey
    ) -> tuple[list[JsonObject], AIAgentTool]:
        """Write the new tool; return the version's tools with it, and the tool. Raises ToolLimitReached, Invalid."""
        if len({tool["id"] for tool in before}) >= MAX_TOOLS:
            raise ToolLimitReached(f"An agent can have at most {MAX_TOOLS} tools.", pointer="/toolName")
        added = _to_version_tools(row)
        validation.check_names_are_unique(added, before)
        _write(writes, row)
        return [*before, *added], _to_entity(row)

    return versions.change_tools(caller, agent_id, add)


def get(caller: Caller, agent_id: UUID, tool_id: UUID) -> AIAgentTool:
    """Return a tool. Raises AgentNotFound, ToolNotFound."""
    agents.require_agent(caller, agent_id)
    key = AgentToolRow.at(caller.organization_id, agent_id, tool_id)
    return _to_entity(table.require(AgentToolRow, key, ToolNotFound))


def find(
    caller: Caller, agent_id: UUID, *, limit: int, cursor: str | None, is_active: bool | None
) -> Page[AIAgentTool]:
    """List the tools of an agent, newest first. Raises AgentNotFound."""
    agents.require_agent(caller, agent_id)
    pk, prefix = AgentToolRow.of_agent(caller.organization_id, agent_id)
    keep = None if is_active is None else lambda row: row.is_active == is_active
    rows, next_cursor = query_page(
        AgentToolRow, pk, prefix, limit=limit, cursor=cursor, keep=keep, filters=[is_active]
    )
    return Page(items=[_to_entity(row) for row in rows], next_cursor=next_cursor)


def list_rows(organization_id: UUID, agent_id: UUID) -> list[AgentToolRow]:
    """Return the rows of all tools of an agent, oldest first."""
    pk, prefix = AgentToolRow.of_agent(organization_id, agent_id)
    return list(AgentToolRow.query(pk, AgentToolRow.sk.startswith(prefix), consistent_read=True))


def update(
    caller: Caller, agent_id: UUID, tool_id: UUID, changes: AIAgentToolChanges, if_match: int | None
) -> AIAgentTool:
    """Change a tool; without an API key in the request the stored one stays. Without a change nothing is written.

    The list of tools of an MCP server is fetched again, unless the tool is only deactivated.
    Raises AgentNotFound, ToolNotFound, NotOwnEntity, StaleVersion, McpServerUnusable, Invalid.
    """
    key = AgentToolRow.at(caller.organization_id, agent_id, tool_id)

    def change(
        writes: table.Transaction, before: list[JsonObject], rows_by_key: versions.RowsByKey
    ) -> tuple[list[JsonObject], AgentToolRow]:
        """Write the changed tool; return the version's tools with it, and its row."""
        row = _pick(rows_by_key, key)
        table.check_version(row, if_match)
        if values := _changed_values(caller, row, changes):
            writes.change(row, values, if_match=if_match)
            row.set(**values)
        changed = _to_version_tools(row)
        validation.check_names_are_unique(changed, _replace(before, tool_id, []))
        return _replace(before, tool_id, changed), row

    return _to_entity(versions.change_tools(caller, agent_id, change, [key]))


def delete(caller: Caller, agent_id: UUID, tool_id: UUID, if_match: int | None) -> None:
    """Delete a tool; earlier versions keep it, and so do executions that have begun.

    Raises AgentNotFound, ToolNotFound, NotOwnEntity, StaleVersion.
    """
    key = AgentToolRow.at(caller.organization_id, agent_id, tool_id)

    def remove(
        writes: table.Transaction, before: list[JsonObject], rows_by_key: versions.RowsByKey
    ) -> tuple[list[JsonObject], None]:
        """Delete the tool and its name; return the version's tools without it."""
        row = _pick(rows_by_key, key)
        writes.delete(row, if_match=if_match)
        name_key = AgentToolNameRow.at(caller.organization_id, agent_id, row.tool_name)
        writes.discard(AgentToolNameRow(*name_key))
        return _replace(before, tool_id, []), None

    versions.change_tools(caller, agent_id, remove, [key])


def copy_tools(
    writes: table.Transaction, caller: Caller, source_id: UUID, target_id: UUID
) -> list[JsonObject]:
    """Add copies of an agent's tools to the transaction of another, and return them as its version has them.

    API keys are encrypted again. A caller who may not change the source agent gets the tools without them: in the copy
    nobody would be asked for an approval any more.
    """
    copied: list[JsonObject] = []
    has_keys = may_change_entity_of(caller, UUID(agents.require_agent(caller, source_id).user_id))
    for row in list_rows(caller.organization_id, source_id):
        values = row.to_entity().model_dump(include=set(NewAIAgentTool.model_fields))
        values["display_name"] = make_visible(row.display_name)
        if has_keys:
            opened = _open_secrets(caller.organization_id, row)
            api_key = credentials.decrypt_key(caller.organization_id, UUID(row.id), row.sealed_key)
            configuration = credentials.put_back(_stored_configuration(row), opened)
            values["configuration"] = configuration.model_dump() | {"api_key": api_key}
        remote = McpServer.model_validate(row.remote, by_name=True) if row.remote else None
        new = NewAIAgentTool.model_validate(values, by_name=True)
        copy = _build_row(caller, target_id, new, remote)
        _write(writes, copy)
        copied += _to_version_tools(copy)
    return copied


def _build_row(caller: Caller, agent_id: UUID, new: NewAIAgentTool, remote: McpServer | None) -> AgentToolRow:
    """Return the row of a new tool, not yet written, with its secrets encrypted; `remote` for an MCP server."""
    builtin = BUILTINS.get(new.tool_name) if new.tool_type == AgentToolType.BUILTIN else None
    moment, tool_id = clock.now(), replay_safe_id()
    configuration, secrets = credentials.take_out(new.configuration)
    values = new.model_dump() | {"configuration": configuration.model_dump(exclude={"api_key"})}
    values["display_name"] = new.display_name or (builtin.display_name if builtin else new.tool_name)
    api_key = new.configuration.api_key
    tool = AIAgentTool(
        id=tool_id,
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        agent_id=agent_id,
        remote=remote,
        **values,
    )
    sealed: dict[str, Any] = {}
    if api_key:
        sealed_key = credentials.encrypt_key(caller.organization_id, tool_id, api_key, 1)
        sealed = {"sealed_key": sealed_key, "key_version": 1}
    sealed["sealed_secrets"] = credentials.encrypt_secrets(caller.organization_id, tool_id, secrets, 1)
    pk, sk = AgentToolRow.at(caller.organization_id, agent_id, tool_id)
    return AgentToolRow.of(tool, pk=pk, sk=sk, **sealed)


def _write(writes: table.Transaction, row: AgentToolRow) -> None:
    """Add a new tool's row, and the one that reserves its name, to a transaction."""
    key = AgentToolNameRow.at(UUID(row.organization_id), UUID(row.agent_id), row.tool_name)
    writes.create(AgentToolNameRow(*key), validation.name_taken(row.tool_name))
    writes.create(row)


def _changed_values(caller: Caller, row: AgentToolRow, changes: AIAgentToolChanges) -> dict[str, Any]:
    """Return the values of the row that a request changes. Raises Invalid."""
    requested = changes.model_dump(mode="json", include=changes.model_fields_set - {"configuration"})
    values = {name: value for name, value in requested.items() if value not in (None, getattr(row, name))}
    validation.check_schemas(changes.input_schema, changes.output_schema)
    validation.check_approvers(caller, changes.approval)
    if changes.configuration is not None:
        requested_configuration, restored = _with_stored_secrets(caller, row, changes.configuration)
        changes = changes.model_copy(update={"configuration": requested_configuration})
        assert changes.configuration
        validation.check_configuration(caller, changes.configuration)
        validation.check_target(AgentToolType(row.tool_type), changes.configuration)
        configured = _configuration_values(caller, row, changes.configuration, restored)
        if changes.input_schema is not None:
            configured.pop("input_schema", None)
        values |= configured
    if row.tool_type == AgentToolType.MCP and changes.is_active is not False:
        sealed_key = values.get("sealed_key", row.sealed_key)
        configuration = changes.configuration or credentials.put_back(
            _stored_configuration(row), _open_secrets(caller.organization_id, row)
        )
        api_key = credentials.decrypt_key(caller.organization_id, UUID(row.id), sealed_key)
        remote = validation.fetch_server(caller, configuration, api_key).model_dump(mode="json")
        values |= {"remote": remote} if remote != row.remote else {}
    return values


def _configuration_values(
    caller: Caller, row: AgentToolRow, requested: AgentToolConfiguration, restored: frozenset[str]
) -> dict[str, Any]:
    """Return the values of the row that another configuration changes. Raises ApiKeyNeeded, Invalid.

    `restored` are the pointers of the stored secrets in it.
    """
    values: dict[str, Any] = {}
    masked, secrets = credentials.take_out(requested, restored)
    configuration = masked.model_dump(mode="json", exclude={"api_key"})
    api_key = requested.api_key
    before = {name: value for name, value in (row.configuration or {}).items() if name != "api_key"}
    is_other_server = _server(before.get("api_endpoint")) != _server(configuration["api_endpoint"])
    if row.sealed_key and not api_key and is_other_server:
        raise ApiKeyNeeded(
            "The stored API key belongs to another server. Send it again, or one for the new server.",
            pointer="/configuration/apiKey",
        )
    if configuration != before:
        values["configuration"] = configuration
    is_other_workflow = configuration["workflow_id"] != before.get("workflow_id")
    if is_other_workflow and row.tool_type == AgentToolType.WORKFLOW:
        values["input_schema"] = validation.load_workflow_schema(caller, requested)
    if api_key:
        version = int(row.key_version or 0) + 1
        values["sealed_key"] = credentials.encrypt_key(caller.organization_id, UUID(row.id), api_key, version)
        values["key_version"] = version
    if secrets != _open_secrets(caller.organization_id, row):
        version = int(row.key_version or 0) + 1
        sealed = credentials.encrypt_secrets(caller.organization_id, UUID(row.id), secrets, version)
        values |= {"sealed_secrets": sealed, "key_version": version}
    return values


def _with_stored_secrets(
    caller: Caller, row: AgentToolRow, requested: AgentToolConfiguration
) -> tuple[AgentToolConfiguration, frozenset[str]]:
    """Return the requested configuration with stored secrets in place of masks, and the pointers of those.

    Raises ApiKeyNeeded, Invalid.
    """
    stored = _stored_configuration(row)
    masks = credentials.find_masks(requested)
    if masks and _server(stored.api_endpoint) != _server(requested.api_endpoint):
        raise ApiKeyNeeded(
            "The stored secret belongs to another server. Send it again, or one for the new server.",
            pointer=f"/configuration{masks[0]}",
        )
    return credentials.restore(requested, stored, _open_secrets(caller.organization_id, row))


def _stored_configuration(row: AgentToolRow) -> AgentToolConfiguration:
    """Return the configuration of a row, with its secrets masked."""
    return AgentToolConfiguration.model_validate(row.configuration or {}, by_name=True)


def _open_secrets(organization_id: UUID, row: AgentToolRow) -> credentials.SecretsByPointer:
    """Return the secrets of a row's configuration, decrypted, by pointer."""
    return credentials.decrypt_secrets(organization_id, UUID(row.id), row.sealed_secrets)


def _to_version_tools(row: AgentToolRow) -> list[JsonObject]:
    """Return the tool as a version of its agent has it; an MCP server has several."""
    return [tool.model_dump(mode="json") for tool in invocation.pin_tools(row)]


def _replace(tools: list[JsonObject], tool_id: UUID, replacements: list[JsonObject]) -> list[JsonObject]:
    """Return the list with a tool replaced at its position, or with the replacements appended."""
    is_match = [tool["id"] == str(tool_id) for tool in tools]
    position = is_match.index(True) if any(is_match) else len(tools)
    rest = [tool for tool, matches in zip(tools, is_match, strict=True) if not matches]
    return [*rest[:position], *replacements, *rest[position:]]


def _pick(rows_by_key: versions.RowsByKey, key: tuple[str, str]) -> AgentToolRow:
    """Return the tool's row among those that were read. Raises ToolNotFound."""
    row = rows_by_key.get(key)
    if not isinstance(row, AgentToolRow):
        raise ToolNotFound()
    return row


def _server(endpoint: str | None) -> tuple[str, str]:
    """Return scheme, host and port of an endpoint: the server that a stored key may be sent to."""
    scheme, _, rest = (endpoint or "").lower().partition("://")
    return scheme, re.split(r"[/?#]", rest)[0].rpartition("@")[2]


def _to_entity(row: AgentToolRow) -> AIAgentTool:
    """Return the tool of a row, without its API key."""
    return row.to_entity(has_api_key=bool(row.sealed_key))
