"""Agents: create, read, list, change, delete and restore."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from weconnect import clock, json_schema
from weconnect.agents import versions
from weconnect.agents.entities import (
    AgentDefinition,
    AIAgent,
    AIAgentChanges,
    AIAgentSummary,
    NewAIAgent,
)
from weconnect.agents.errors import AgentNotFound
from weconnect.agents.rows import AgentRow, AgentVersionRow
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.api.pagination import Page, query_page
from weconnect.base_entity import JsonObject
from weconnect.db import table
from weconnect.errors import Invalid
from weconnect.executions import closing
from weconnect.identity.permissions import require_own_entity
from weconnect.models.provider_registry import validate_model_choice
from weconnect.organizations.errors import AgentLimitReached
from weconnect.organizations.plans import quotas
from weconnect.security import secrecy

SUMMARY_LENGTH = 500
QUOTA = quotas.Quota("agents", "an agent", AgentLimitReached)
REMOVABLE = {"base_url", "output_schema", "published_version"}


def create(
    caller: Caller,
    new: NewAIAgent,
    write_tools: Callable[[table.Transaction, UUID], list[JsonObject]] = lambda writes, agent_id: [],
) -> AIAgent:
    """Create an agent; `write_tools` adds its tools' rows to the transaction and returns them as a version has them.

    Raises NameTaken, LimitReached at the plan's number of agents, Invalid.
    """
    definition = AgentDefinition.model_validate(new.model_dump(exclude={"name", "is_active"}))
    _check(definition)
    row = _build_row(caller, replay_safe_id(), new.name, new.is_active, definition)
    agent_id = UUID(row.id)
    with quotas.reserve(caller, QUOTA, row.name) as writes:
        writes.create(row)
        tools = write_tools(writes, agent_id)
        versions.write_version(writes, caller, agent_id, 1, definition, tools, [])
    return to_entity(row, definition)


def get(caller: Caller, agent_id: UUID) -> AIAgent:
    """Return an agent, read in one call. Raises AgentNotFound."""
    rows_by_key = table.get_many(versions.current_keys(caller.organization_id, agent_id))
    head, newest = versions.pick_current(rows_by_key, caller.organization_id, agent_id)
    return to_entity(head, newest.to_entity())


def to_entity(row: AgentRow, definition: AgentDefinition) -> AIAgent:
    """Return the agent of a row and its definition."""
    values = row.values() | row.rates() | definition.model_dump()
    return AIAgent.model_validate(values, by_name=True)


def require_agent(caller: Caller, agent_id: UUID) -> AgentRow:
    """Return the row of an agent. Raises AgentNotFound."""
    return table.require(AgentRow, AgentRow.at(caller.organization_id, agent_id), AgentNotFound)


def require_own_agent(caller: Caller, agent_id: UUID) -> AgentRow:
    """Return the row of an agent that the caller may change. Raises AgentNotFound, NotOwnEntity."""
    row = require_agent(caller, agent_id)
    require_own_entity(caller, UUID(row.user_id))
    return row


def find_by_name(organization_id: UUID, name: str) -> UUID | None:
    """Return the id of the agent with this name, in any case of letters."""
    return quotas.find_by_name(AgentRow, AgentRow.of_organization(organization_id), name)


def find(
    caller: Caller,
    *,
    limit: int,
    cursor: str | None,
    provider: str | None = None,
    model: str | None = None,
    is_active: bool | None = None,
    search: str | None = None,
    deleted: bool = False,
) -> Page[AIAgentSummary]:
    """List the organization's agents, newest first; ordered by model when filtered by provider."""
    text = (search or "").casefold()

    def is_match(row: AgentRow) -> bool:
        """Return whether the row meets the filters; `text` is part of the name or the description."""
        return (
            (is_active is None or row.is_active == is_active)
            and (provider is None or row.provider == provider)
            and (model is None or row.model == model)
            and (not text or text in row.name.casefold() or text in (row.description or "").casefold())
        )

    index, (pk, prefix) = None, AgentRow.of_organization(caller.organization_id, deleted=deleted)
    if provider and not deleted:
        index, (pk, prefix) = "gsi1", AgentRow.by_model(caller.organization_id, provider, model or "")
    filters = [provider, model, is_active, search]
    rows, next_cursor = query_page(
        AgentRow,
        pk,
        prefix,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=is_match if any(value is not None for value in filters) else None,
        filters=filters,
    )
    return Page(items=[_to_summary(row) for row in rows], next_cursor=next_cursor)


def update(caller: Caller, agent_id: UUID, changes: AIAgentChanges, if_match: int | None) -> AIAgent:
    """Change an agent. A change of its definition makes a new version; without a change nothing is written.

    Raises AgentNotFound, NotOwnEntity, StaleVersion, NameTaken, VersionConflict, Invalid.
    """
    organization_id = caller.organization_id
    rows_by_key = table.get_many(versions.current_keys(organization_id, agent_id))
    row, newest = versions.pick_to_change(rows_by_key, organization_id, agent_id)
    before = newest.to_entity()
    require_own_entity(caller, UUID(row.user_id))
    table.check_version(row, if_match)
    requested = {name: getattr(changes, name) for name in changes.model_fields_set}
    requested = {name: value for name, value in requested.items() if value is not None or name in REMOVABLE}
    fields = {name: requested[name] for name in requested if name in AgentDefinition.model_fields}
    definition = before.model_copy(update=fields)
    changed = [name for name in fields if fields[name] != getattr(before, name)]
    head_fields = [name for name in ("name", "is_active", "published_version") if name in requested]
    values: dict[str, Any] = {
        name: requested[name] for name in head_fields if requested[name] != getattr(row, name)
    }
    old_name = row.name
    with table.transaction(caller.actor()) as writes:
        if changed:
            _check(definition)
            number = int(row.agent_version) + 1
            values |= _definition_values(definition) | {"agent_version": number}
            values |= _build_model_keys(organization_id, definition, agent_id)
            tools = versions.load_tools(organization_id, newest)
            names = sorted(to_camel(name) for name in changed)
            versions.write_version(writes, caller, agent_id, number, definition, tools, names)
        if values:
            writes.change(row, values, if_match=if_match)
        if "published_version" in values:
            pk, sk = AgentVersionRow.at(organization_id, agent_id, "published")
            writes.discard(AgentVersionRow(pk=pk, sk=sk))
        quotas.rename(writes, organization_id, QUOTA, old_name, values.get("name", old_name))
    if values.get("is_active") is False:
        closing.cancel_queued(organization_id, agent_id)
    return to_entity(row, definition)


def delete(caller: Caller, agent_id: UUID, if_match: int | None, *, purge: bool = False) -> None:
    """Move an agent to the trash and cancel its queued executions; with `purge`, delete one there for good.

    Raises AgentNotFound, StaleVersion.
    """
    if purge:
        trashed = _require_in_trash(caller, agent_id)
        with table.transaction(caller.actor()) as writes:
            writes.delete(trashed, if_match=if_match)
        return
    row = require_agent(caller, agent_id)
    trash_key = AgentRow.in_trash(caller.organization_id, agent_id)
    with table.transaction(caller.actor()) as writes:
        table.move_to_trash(writes, row, trash_key, if_match=if_match)
        quotas.release(writes, caller.organization_id, QUOTA, row.name)
    closing.cancel_queued(caller.organization_id, agent_id)


def restore(caller: Caller, agent_id: UUID) -> AIAgent:
    """Restore an agent from the trash.

    Raises AgentNotFound, and like `create` NameTaken and LimitReached when its name or quota was taken meanwhile.
    """
    row = _require_in_trash(caller, agent_id)
    pk, sk = AgentRow.by_model(caller.organization_id, row.provider, row.model, agent_id)
    key = AgentRow.at(caller.organization_id, agent_id)
    with quotas.reserve(caller, QUOTA, row.name) as writes:
        table.restore_from_trash(writes, row, key, gsi1pk=pk, gsi1sk=sk)
    return get(caller, agent_id)


def _check(definition: AgentDefinition) -> None:
    """Raise Invalid for a model or a schema that no execution could use."""
    validate_model_choice(definition.provider, definition.model, definition.base_url)
    if secrecy.list_url_secrets(definition.base_url or ""):
        raise Invalid(
            "The base URL contains a secret, which everybody who may read the agent would see. Remove it.",
            pointer="/baseUrl",
        )
    if definition.output_schema is not None:
        json_schema.require_valid_schema(definition.output_schema, "/outputSchema")


def _build_row(
    caller: Caller, agent_id: UUID, name: str, is_active: bool, definition: AgentDefinition
) -> AgentRow:
    """Return the row of a new agent, not yet written."""
    moment = clock.now()
    summary = AIAgentSummary(
        id=agent_id,
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        name=name,
        is_active=is_active,
        **_definition_values(definition),
    )
    pk, sk = AgentRow.at(caller.organization_id, agent_id)
    return AgentRow.of(
        summary, pk=pk, sk=sk, **_build_model_keys(caller.organization_id, definition, agent_id)
    )


def _definition_values(definition: AgentDefinition) -> dict[str, Any]:
    """Return the fields of a definition that the agent's row repeats for lists."""
    return {
        "description": definition.description[:SUMMARY_LENGTH],
        "provider": definition.provider,
        "model": definition.model,
    }


def _build_model_keys(organization_id: UUID, definition: AgentDefinition, agent_id: UUID) -> dict[str, str]:
    """Return the index keys by which an agent is found by provider and model."""
    pk, sk = AgentRow.by_model(organization_id, definition.provider, definition.model, agent_id)
    return {"gsi1pk": pk, "gsi1sk": sk}


def _require_in_trash(caller: Caller, agent_id: UUID) -> AgentRow:
    """Return the row of an agent in the trash. Raises AgentNotFound."""
    return table.require(AgentRow, AgentRow.in_trash(caller.organization_id, agent_id), AgentNotFound)


def _to_summary(row: AgentRow) -> AIAgentSummary:
    """Return the agent of a row with its averages, without its definition."""
    return row.to_entity(**row.rates())
