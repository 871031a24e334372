"""The versions of an agent: how one is made, and which one an execution uses.

A version is a definition with the tools that an execution needs, as plain data. Each is an immutable row; none is
deleted before its agent is purged.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from weconnect.agents.entities import AgentDefinition
from weconnect.agents.errors import AgentNotFound, AgentVersionNotFound
from weconnect.agents.rows import AgentRow, AgentVersionRow
from weconnect.agents.tools.errors import ToolsTooLarge
from weconnect.api.caller import Caller
from weconnect.base_entity import JsonObject
from weconnect.db import payloads, table
from weconnect.errors import Unavailable, VersionConflict
from weconnect.identity.permissions import require_own_entity

MAX_TOOLS_BYTES = 1_000_000
ROOMY_BYTES = 200_000  # a definition up to here leaves room for its tools in their row, which has 400 KB
ATTEMPTS = 20

RowsByKey = Mapping[tuple[str, str], table.Row]
T = TypeVar("T")


class NextVersionTaken(VersionConflict):
    """Another request made the agent's next version at the same time."""


# Reading


def current_keys(organization_id: UUID, agent_id: UUID) -> list[tuple[str, str]]:
    """Return the keys to read for an agent with its newest version; see `pick_current`."""
    return [AgentRow.at(organization_id, agent_id), AgentVersionRow.at(organization_id, agent_id)]


def pick_current(
    rows_by_key: RowsByKey, organization_id: UUID, agent_id: UUID
) -> tuple[AgentRow, AgentVersionRow]:
    """Return the agent and its newest version among rows read by `current_keys`. Raises AgentNotFound."""
    head, newest = (rows_by_key.get(key) for key in current_keys(organization_id, agent_id))
    if not isinstance(head, AgentRow) or not isinstance(newest, AgentVersionRow):
        raise AgentNotFound()
    return head, newest


def pick_to_change(
    rows_by_key: RowsByKey, organization_id: UUID, agent_id: UUID
) -> tuple[AgentRow, AgentVersionRow]:
    """Return the same as `pick_current`, both rows of one moment, which a batch does not guarantee.

    Raises AgentNotFound, NextVersionTaken.
    """
    head, newest = pick_current(rows_by_key, organization_id, agent_id)
    if newest.number != head.agent_version:
        raise NextVersionTaken()
    return head, newest


def runnable_keys(organization_id: UUID, agent_id: UUID) -> list[tuple[str, str]]:
    """Return the keys to read for an agent with the version that an execution uses; see `pick_runnable`."""
    published = AgentVersionRow.at(organization_id, agent_id, "published")
    return [*current_keys(organization_id, agent_id), published]


def pick_runnable(
    rows_by_key: RowsByKey, organization_id: UUID, agent_id: UUID
) -> tuple[AgentRow, AgentVersionRow]:
    """Return the agent and its published version, else its newest, among rows read by `runnable_keys`.

    Raises AgentNotFound.
    """
    return _pick_runnable(rows_by_key, runnable_keys(organization_id, agent_id))


def load_runnable(
    organization_id: UUID, agent_id: UUID, more_keys: Sequence[tuple[str, str]] = ()
) -> tuple[AgentRow, AgentVersionRow, RowsByKey]:
    """Return the agent, the version that an execution uses, and all rows that were read with them, in one call.

    Raises AgentNotFound.
    """
    keys = runnable_keys(organization_id, agent_id)
    rows_by_key = table.get_many([*keys, *more_keys])
    return *_pick_runnable(rows_by_key, keys), rows_by_key


def _pick_runnable(
    rows_by_key: RowsByKey, keys: Sequence[tuple[str, str]]
) -> tuple[AgentRow, AgentVersionRow]:
    """Return the agent and its published version, else its newest, by their three keys. Raises AgentNotFound."""
    head, newest, published = (rows_by_key.get(key) for key in keys)
    version = published if isinstance(published, AgentVersionRow) else newest
    if not isinstance(head, AgentRow) or not isinstance(version, AgentVersionRow):
        raise AgentNotFound()
    return head, version


def require_version(organization_id: UUID, agent_id: UUID, number: int) -> AgentVersionRow:
    """Return the row of a version. Raises AgentVersionNotFound."""
    key = AgentVersionRow.at(organization_id, agent_id, number)
    return table.require(AgentVersionRow, key, AgentVersionNotFound)


def load_tools(organization_id: UUID, version: AgentVersionRow) -> list[JsonObject]:
    """Return the tools of a version, oldest first, as `invocation.PinnedTool` dumps them."""
    tools: list[JsonObject] = (
        json.loads(payloads.load(organization_id, version.tools)) if version.tools else []
    )
    return tools


# Writing


def write_version(
    writes: table.Transaction,
    caller: Caller,
    agent_id: UUID,
    number: int,
    definition: AgentDefinition,
    tools: list[JsonObject],
    changes: list[str],
) -> None:
    """Add a new version's row, and the copy of the newest version, to a transaction.

    `changes` names the fields that differ from the version before. Raises ToolsTooLarge.
    """
    values: dict[str, Any] = {
        "number": number,
        "tools": _store_tools(caller.organization_id, agent_id, definition, tools),
        "changes": changes,
        "made_by": str(caller.user_id),
    }
    pk, sk = AgentVersionRow.at(caller.organization_id, agent_id, number)
    writes.create(AgentVersionRow.of(definition, pk=pk, sk=sk, **values), NextVersionTaken())
    pk, sk = AgentVersionRow.at(caller.organization_id, agent_id)
    writes.put(AgentVersionRow.of(definition, pk=pk, sk=sk, **values))


def change_tools(
    caller: Caller,
    agent_id: UUID,
    change: Callable[[table.Transaction, list[JsonObject], RowsByKey], tuple[list[JsonObject], T]],
    extra_keys: list[tuple[str, str]] | None = None,
) -> T:
    """Change an agent's tools, which makes a new version, and return the result of `change`.

    `change` takes the transaction, the present tools and the rows, those at `extra_keys` included; it adds its writes
    and returns the new tools and a result. It is called again when another request made the next version.
    """
    organization_id = caller.organization_id
    for attempt in range(ATTEMPTS):
        rows_by_key = table.get_many([*current_keys(organization_id, agent_id), *(extra_keys or [])])
        try:
            head, newest = pick_to_change(rows_by_key, organization_id, agent_id)
            require_own_entity(caller, UUID(head.user_id))
            before = load_tools(organization_id, newest)
            writes = table.Transaction(caller.actor())
            after, result = change(writes, before, rows_by_key)
            if after != before:
                number = int(head.agent_version) + 1
                writes.change(head, {"agent_version": number}, if_refused=NextVersionTaken())
                write_version(writes, caller, agent_id, number, newest.to_entity(), after, ["tools"])
            writes.commit()
            return result
        except NextVersionTaken:
            time.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 6)))
    raise Unavailable("Too many requests change this agent at the same time. Try again shortly.")


def _store_tools(
    organization_id: UUID, agent_id: UUID, definition: AgentDefinition, tools: list[JsonObject]
) -> payloads.StoredText:
    """Return the tools as JSON text, or a pointer to a long one; the same tools have the same storage key."""
    text = json.dumps(tools, ensure_ascii=False, separators=(",", ":"))
    content = text.encode()
    if len(content) > MAX_TOOLS_BYTES:
        detail = (
            f"The tools of an agent can take at most {MAX_TOOLS_BYTES} bytes together. Delete some first."
        )
        raise ToolsTooLarge(detail, pointer="")
    is_roomy = len(definition.model_dump_json().encode()) <= ROOMY_BYTES
    name = f"agents/{agent_id}/tools-{hashlib.sha256(content).hexdigest()}"
    return payloads.store(organization_id, name, text, inline_bytes=payloads.INLINE_BYTES if is_roomy else 0)
