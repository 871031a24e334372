"""The versions of an agent: what makes one, and what is read of them.

A version is a definition with the tools that a run needs, as plain data. Each is a row that never changes; none is
removed before its agent is purged.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from weconnect.agents.entities import AgentDefinition
from weconnect.agents.rows import AgentRow, AgentVersionRow
from weconnect.api.caller import Caller
from weconnect.base_entity import Json
from weconnect.db import payloads, table
from weconnect.errors import Conflict, Invalid, NotFound, Unavailable
from weconnect.identity.permissions import require_own

TOOLS_BYTES = 1_000_000
ROOMY_BYTES = 200_000  # a definition up to here leaves room for its tools in their row, which has 400 KB
ATTEMPTS = 20

Found = dict[tuple[str, str], table.Row]
T = TypeVar("T")


class Moved(Conflict):
    """Somebody else made the agent's next version."""

    code, title = "version_conflict", "Somebody else changed it at the same time; read it again"


# Reading


def keys(organization_id: UUID, agent_id: UUID) -> list[tuple[str, str]]:
    """What to read for an agent as it was last changed."""
    return [AgentRow.at(organization_id, agent_id), AgentVersionRow.at(organization_id, agent_id)]


def pick(found: Found, organization_id: UUID, agent_id: UUID) -> tuple[AgentRow, AgentVersionRow]:
    """The agent and its newest version among rows read by `keys`; raises NotFound."""
    head, newest = (found.get(at) for at in keys(organization_id, agent_id))
    if not isinstance(head, AgentRow) or not isinstance(newest, AgentVersionRow):
        raise NotFound("No such agent", code="agent_not_found")
    return head, newest


def pick_to_change(found: Found, organization_id: UUID, agent_id: UUID) -> tuple[AgentRow, AgentVersionRow]:
    """The same, both as they were at one moment, which a batch does not promise; else raises Moved."""
    head, newest = pick(found, organization_id, agent_id)
    if newest.number != head.agent_version:
        raise Moved()
    return head, newest


def keys_to_run(organization_id: UUID, agent_id: UUID) -> list[tuple[str, str]]:
    """What to read for an agent as it runs."""
    published = AgentVersionRow.at(organization_id, agent_id, "published")
    return [*keys(organization_id, agent_id), published]


def pick_to_run(found: Found, organization_id: UUID, agent_id: UUID) -> tuple[AgentRow, AgentVersionRow]:
    """The agent and the version that runs, the published or else the newest, among rows read by `keys_to_run`."""
    head, newest = pick(found, organization_id, agent_id)
    published = found.get(AgentVersionRow.at(organization_id, agent_id, "published"))
    return head, published if isinstance(published, AgentVersionRow) else newest


def need(organization_id: UUID, agent_id: UUID, number: int) -> AgentVersionRow:
    """One version; raises NotFound."""
    return table.need(AgentVersionRow, AgentVersionRow.at(organization_id, agent_id, number), "agent version")


def tools_of(organization_id: UUID, version: AgentVersionRow) -> list[Json]:
    """The tools of a version, oldest first, as `calling.Tool` dumps them."""
    return json.loads(payloads.load(organization_id, version.tools)) if version.tools else []


# Writing


def write(
    writes: table.Transaction,
    caller: Caller,
    agent_id: UUID,
    number: int,
    definition: AgentDefinition,
    tools: list[Json],
    changes: list[str],
) -> None:
    """Put a version's row, which must not exist, and the copy of the newest."""
    values: dict[str, Any] = {
        "number": number,
        "tools": _kept(caller.organization_id, agent_id, definition, tools),
        "changes": changes,
        "made_by": str(caller.user_id),
    }
    pk, sk = AgentVersionRow.at(caller.organization_id, agent_id, number)
    writes.create(AgentVersionRow.of(definition, pk=pk, sk=sk, **values), Moved())
    pk, sk = AgentVersionRow.at(caller.organization_id, agent_id)
    writes.put(AgentVersionRow.of(definition, pk=pk, sk=sk, **values))


def equip(
    caller: Caller,
    agent_id: UUID,
    change: Callable[[table.Transaction, list[Json], Found], tuple[list[Json], T]],
    reads: list[tuple[str, str]] | None = None,
) -> T:
    """Change an agent's tools, which makes a version: `change` adds its writes, answers the new list and a result.

    It is given the tools and what was found at `reads`, and again what stands there then while somebody else is faster.
    """
    organization_id = caller.organization_id
    for attempt in range(ATTEMPTS):
        found = table.get_many([*keys(organization_id, agent_id), *(reads or [])])
        try:
            head, newest = pick_to_change(found, organization_id, agent_id)
            require_own(caller, UUID(head.user_id))
            before = tools_of(organization_id, newest)
            writes = table.Transaction(caller.actor())
            after, result = change(writes, before, found)
            if after != before:
                number = int(head.agent_version) + 1
                writes.change(head, {"agent_version": number}, refused=Moved())
                write(writes, caller, agent_id, number, newest.to_entity(), after, ["tools"])
            writes.commit()
            return result
        except Moved:
            time.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 6)))
    raise Unavailable("Too many changes to the same agent at once; try again")


def _kept(
    organization_id: UUID, agent_id: UUID, definition: AgentDefinition, tools: list[Json]
) -> str | payloads.Pointer:
    """The tools' text, or a pointer to a long one; the same tools have the same place."""
    text = json.dumps(tools, ensure_ascii=False, separators=(",", ":"))
    content = text.encode()
    if len(content) > TOOLS_BYTES:
        detail = f"the tools of an agent take at most {TOOLS_BYTES} bytes together"
        raise Invalid(detail, code="tools_too_large", errors=[{"pointer": "", "detail": detail}])
    roomy = len(definition.model_dump_json().encode()) <= ROOMY_BYTES
    name = f"agents/{agent_id}/tools-{hashlib.sha256(content).hexdigest()}"
    return payloads.store(organization_id, name, text, inline_bytes=payloads.INLINE_BYTES if roomy else 0)
