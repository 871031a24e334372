"""Delete what belongs to an agent that was removed from the trash, and to the agents of a deleted organization."""

from collections.abc import Iterator
from uuid import UUID

from weconnect import clock
from weconnect.agents.memory.rows import (
    AgentSessionRow,
    LexiconRow,
    MemoryHistoryRow,
    MemoryKeyRow,
    MemoryRow,
    MemoryTermRow,
    VectorRow,
)
from weconnect.agents.rows import (
    AgentBudgetRow,
    AgentExecutionRow,
    AgentRow,
    AgentStatsRow,
    AgentVersionRow,
    EndedExecutionRow,
    PurgedAgentRow,
    agent_partition,
)
from weconnect.agents.tools.rows import AgentToolNameRow, AgentToolRow
from weconnect.db import payloads, table
from weconnect.db.erasure import Eraser, list_keys
from weconnect.db.payloads import RETENTIONS
from weconnect.db.table import Row, key
from weconnect.executions.rows import partition_of
from weconnect.log import logger

CHILDREN: dict[type[Row], str] = {
    AgentVersionRow: "VERSION",
    AgentStatsRow: "STATS",
    EndedExecutionRow: "ENDED",
    AgentBudgetRow: "AGENTBUDGET",
    AgentToolRow: "TOOL",
    AgentToolNameRow: "TOOLNAME",
    MemoryRow: "MEMORY",
    MemoryKeyRow: "MEMORYKEY",
    MemoryHistoryRow: "MEMORYHISTORY",
    MemoryTermRow: "MEMORYTERM",
    VectorRow: "VECTOR",
    LexiconRow: "LEXICON",
    AgentSessionRow: "SESSION",
}


def purge(trash: tuple[str, str]) -> bool:
    """Delete the versions, tools, memories and sessions of the agent with this key in the trash; return True.

    Does nothing for an agent that was restored, or that is in the trash again. Executions are kept until they expire.
    Idempotent: when it was interrupted, another call deletes the rest.
    """
    organization_id, agent_id = UUID(trash[0].removeprefix("ORG#")), UUID(trash[1].rpartition("#")[2])
    keys = [AgentRow.at(organization_id, agent_id), AgentRow.in_trash(organization_id, agent_id)]
    if table.get_many(keys):
        return True
    deleted = 0
    for kind, prefix in CHILDREN.items():
        rows = kind.query(agent_partition(organization_id, agent_id), Row.sk.startswith(key(prefix, "")))
        with kind.batch_write() as batch:
            for row in rows:
                if isinstance(row, MemoryRow | MemoryHistoryRow):
                    payloads.discard(organization_id, row.content)
                if isinstance(row, AgentVersionRow) and row.tools:
                    payloads.discard(organization_id, row.tools)
                batch.delete(row)
                deleted += 1
    _remember_purged_agent(organization_id, agent_id)
    logger.info("agent purged", agent_id=str(agent_id), rows=deleted)
    return True


def _remember_purged_agent(organization_id: UUID, agent_id: UUID) -> None:
    """Write a row that names the agent while it has executions, for the longest retention.

    Their organization may be purged before they expire, and finds them through this row.
    """
    executions = AgentExecutionRow.query(
        agent_partition(organization_id, agent_id), Row.sk.startswith(key("EXECUTION", "")), limit=1
    )
    if next(iter(executions), None):
        pk, sk = PurgedAgentRow.at(organization_id, agent_id)
        row = PurgedAgentRow(pk=pk, sk=sk, ttl=clock.epoch_seconds() + RETENTIONS[-1] * 86_400)
        table.put(row, {"system": "purge"})


def erase_organization(organization_id: UUID, eraser: Eraser) -> None:
    """Delete everything about the agents of a deleted organization that is outside of its own partition."""
    for agent_id in _list_agents(organization_id):
        executions = [
            sk for _, sk in list_keys(agent_partition(organization_id, agent_id), key("EXECUTION", ""))
        ]
        for sk in executions:
            eraser.erase(list_keys(partition_of(organization_id, UUID(sk.rpartition("#")[2]))))
        eraser.erase(list_keys(agent_partition(organization_id, agent_id)))


def _list_agents(organization_id: UUID) -> Iterator[UUID]:
    """Yield every agent, also those in the trash and purged ones whose executions remain."""
    pk, prefix = AgentRow.of_organization(organization_id)
    _, trash_prefix = AgentRow.of_organization(organization_id, deleted=True)
    for agent_prefix in (prefix, trash_prefix, PurgedAgentRow.PREFIX):
        for _, sk in list_keys(pk, agent_prefix):
            yield UUID(sk.rpartition("#")[2])
