"""Agents: create, read, change, put in the trash and bring back."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from weconnect import clock, json_schema
from weconnect.agents import versions
from weconnect.agents.entities import (
    AgentDefinition,
    AgentSummary,
    AIAgent,
    AIAgentChanges,
    NewAIAgent,
)
from weconnect.agents.models.provider_registry import validate_model_choice
from weconnect.agents.rows import AgentRow, AgentVersionRow
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.api.pagination import Page, query_page
from weconnect.base_entity import Json
from weconnect.db import table
from weconnect.identity.permissions import require_own
from weconnect.organizations.plans import quotas

SUMMARY_LENGTH = 500
REMOVABLE = {"base_url", "output_schema", "published_version"}


def create(
    caller: Caller,
    new: NewAIAgent,
    equip: Callable[[table.Transaction, UUID], list[Json]] = lambda writes, agent_id: [],
) -> AIAgent:
    """Create an agent with the tools that `equip` writes for it and answers.

    Raises Conflict `name_taken`, LimitReached at the plan's number of agents, Invalid.
    """
    definition = AgentDefinition.model_validate(new.model_dump(exclude={"name", "is_active"}))
    _check(definition)
    row = _head(caller, new_id(), new.name, new.is_active, definition)
    agent_id = UUID(row.id)
    with quotas.taken(caller, quotas.AGENTS, row.name) as writes:
        writes.create(row)
        versions.write(writes, caller, agent_id, 1, definition, equip(writes, agent_id), [])
    return entity(row, definition)


def get(caller: Caller, agent_id: UUID) -> AIAgent:
    """One agent, in one call to the table."""
    found = table.get_many(versions.keys(caller.organization_id, agent_id))
    head, newest = versions.pick(found, caller.organization_id, agent_id)
    return entity(head, newest.to_entity())


def entity(row: AgentRow, definition: AgentDefinition) -> AIAgent:
    """The agent on the wire."""
    values = row.values() | row.rates() | definition.model_dump()
    return AIAgent.model_validate(values, by_name=True)


def need(caller: Caller, agent_id: UUID) -> AgentRow:
    """The head of an agent: what every route of its children asks first."""
    return table.need(AgentRow, AgentRow.at(caller.organization_id, agent_id), "agent")


def need_own(caller: Caller, agent_id: UUID) -> AgentRow:
    """The head of an agent that the caller may change: a plain member changes only what is theirs (403)."""
    row = need(caller, agent_id)
    require_own(caller, UUID(row.user_id))
    return row


def named(organization_id: UUID, name: str) -> UUID | None:
    """The agent of that name."""
    return quotas.named(AgentRow, AgentRow.of_organization(organization_id), name)


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
) -> Page[AgentSummary]:
    """Agents of the organization, newest first; by provider and model they come by model."""
    wanted = (search or "").casefold()

    def keep(row: AgentRow) -> bool:
        return (
            (is_active is None or row.is_active == is_active)
            and (provider is None or row.provider == provider)
            and (model is None or row.model == model)
            and (not wanted or wanted in row.name.casefold() or wanted in (row.description or "").casefold())
        )

    index, (pk, prefix) = None, AgentRow.of_organization(caller.organization_id, deleted=deleted)
    if provider and not deleted:
        index, (pk, prefix) = "gsi1", AgentRow.by_model(caller.organization_id, provider, model or "")
    filters = [provider, model, is_active, search]
    rows, following = query_page(
        AgentRow,
        pk,
        prefix,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=keep if any(value is not None for value in filters) else None,
        filters=filters,
    )
    return Page(items=[_summary(row) for row in rows], next_cursor=following)


def update(caller: Caller, agent_id: UUID, changes: AIAgentChanges, if_match: int | None) -> AIAgent:
    """Change an agent; whatever belongs to its definition makes a new version. What changes nothing writes nothing."""
    organization_id = caller.organization_id
    found = table.get_many(versions.keys(organization_id, agent_id))
    row, newest = versions.pick_to_change(found, organization_id, agent_id)
    before: AgentDefinition = newest.to_entity()
    require_own(caller, UUID(row.user_id))
    table.expect(row, if_match)
    given = {name: getattr(changes, name) for name in changes.model_fields_set}
    given = {name: value for name, value in given.items() if value is not None or name in REMOVABLE}
    fields = {name: given[name] for name in given if name in AgentDefinition.model_fields}
    definition = before.model_copy(update=fields)
    changed = [name for name in fields if fields[name] != getattr(before, name)]
    old_name = row.name
    values: dict[str, Any] = {
        name: given[name] for name in ("name", "is_active", "published_version") if name in given
    }
    values = {name: value for name, value in values.items() if value != getattr(row, name)}
    with table.transaction(caller.actor()) as writes:
        if changed:
            _check(definition)
            number = int(row.agent_version) + 1
            values |= _head_values(definition) | {"agent_version": number}
            values |= _model_keys(organization_id, definition, agent_id)
            tools = versions.tools_of(organization_id, newest)
            names = sorted(to_camel(name) for name in changed)
            versions.write(writes, caller, agent_id, number, definition, tools, names)
        if values:
            writes.change(row, values, if_match=if_match)
        if "published_version" in values:
            pk, sk = AgentVersionRow.at(organization_id, agent_id, "published")
            writes.discard(AgentVersionRow(pk=pk, sk=sk))
        quotas.rename(writes, organization_id, quotas.AGENTS, old_name, values.get("name", old_name))
    return entity(row, definition)


def delete(caller: Caller, agent_id: UUID, if_match: int | None, *, purge: bool = False) -> None:
    """Move an agent to the trash; with `purge`, end one that is there."""
    if purge:
        gone = _need_in_trash(caller, agent_id)
        with table.transaction(caller.actor()) as writes:
            writes.delete(gone, if_match=if_match)
        return
    row = need(caller, agent_id)
    with table.transaction(caller.actor()) as writes:
        table.trash(writes, row, AgentRow.in_trash(caller.organization_id, agent_id), if_match=if_match)
        quotas.give_back(writes, caller.organization_id, quotas.AGENTS, row.name)


def restore(caller: Caller, agent_id: UUID) -> AIAgent:
    """Bring an agent back; fails as creation does when its name or its place was taken meanwhile."""
    row = _need_in_trash(caller, agent_id)
    index = {"gsi1pk": "", "gsi1sk": ""}
    index["gsi1pk"], index["gsi1sk"] = AgentRow.by_model(
        caller.organization_id, row.provider, row.model, agent_id
    )
    with quotas.taken(caller, quotas.AGENTS, row.name) as writes:
        table.untrash(writes, row, AgentRow.at(caller.organization_id, agent_id), **index)
    return get(caller, agent_id)


def _check(definition: AgentDefinition) -> None:
    """Raise Invalid for a model or a schema that no run could use."""
    validate_model_choice(definition.provider, definition.model, definition.base_url)
    if definition.output_schema is not None:
        json_schema.check(definition.output_schema, "/outputSchema")


def _head(
    caller: Caller, agent_id: UUID, name: str, is_active: bool, definition: AgentDefinition
) -> AgentRow:
    moment = clock.now()
    summary = AgentSummary(
        id=agent_id,
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        name=name,
        is_active=is_active,
        **_head_values(definition),
    )
    pk, sk = AgentRow.at(caller.organization_id, agent_id)
    return AgentRow.of(summary, pk=pk, sk=sk, **_model_keys(caller.organization_id, definition, agent_id))


def _head_values(definition: AgentDefinition) -> dict[str, Any]:
    return {
        "description": definition.description[:SUMMARY_LENGTH],
        "provider": definition.provider,
        "model": definition.model,
    }


def _model_keys(organization_id: UUID, definition: AgentDefinition, agent_id: UUID) -> dict[str, str]:
    pk, sk = AgentRow.by_model(organization_id, definition.provider, definition.model, agent_id)
    return {"gsi1pk": pk, "gsi1sk": sk}


def _need_in_trash(caller: Caller, agent_id: UUID) -> AgentRow:
    return table.need(AgentRow, AgentRow.in_trash(caller.organization_id, agent_id), "agent")


def _summary(row: AgentRow) -> AgentSummary:
    return row.to_entity(**row.rates())  # type: ignore[no-any-return]
