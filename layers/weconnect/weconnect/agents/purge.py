"""End what belonged to an agent that left the trash for good."""

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
    AgentRow,
    AgentStatsRow,
    AgentVersionRow,
    BudgetRow,
    ExecutionRow,
    PurgedAgentRow,
    child,
)
from weconnect.agents.tools.rows import ToolNameRow, ToolRow
from weconnect.db import payloads, table
from weconnect.db.payloads import RETENTIONS
from weconnect.db.table import Row, key
from weconnect.log import logger

CHILDREN: dict[type[Row], str] = {
    AgentVersionRow: "VERSION",
    AgentStatsRow: "STATS",
    BudgetRow: "AGENTBUDGET",
    ToolRow: "TOOL",
    ToolNameRow: "TOOLNAME",
    MemoryRow: "MEMORY",
    MemoryKeyRow: "MEMORYKEY",
    MemoryHistoryRow: "MEMORYHISTORY",
    MemoryTermRow: "MEMORYTERM",
    VectorRow: "VECTOR",
    LexiconRow: "LEXICON",
    AgentSessionRow: "SESSION",
}


def purge(trash: dict[str, str]) -> int:
    """Delete an agent's versions, tools, memories and sessions; answers how many rows.

    Does nothing for an agent that was restored, or that is in the trash again. Runs are kept until they expire.
    Interrupted, it goes on where it was: what is gone is not read again.
    """
    organization = trash["pk"].removeprefix("ORG#")
    _, is_agent, agent = trash["sk"].partition("TRASH#AGENT#")
    if not is_agent:
        return 0
    organization_id, agent_id = UUID(organization), UUID(agent)
    places = [AgentRow.at(organization_id, agent_id), AgentRow.in_trash(organization_id, agent_id)]
    if table.get_many(places):
        return 0
    deleted = 0
    for kind, prefix in CHILDREN.items():
        rows = kind.query(child(organization_id, agent_id), Row.sk.startswith(key(prefix, "")))
        with kind.batch_write() as batch:
            for row in rows:
                if isinstance(row, MemoryRow | MemoryHistoryRow):
                    payloads.discard(organization_id, row.content)
                if isinstance(row, AgentVersionRow) and row.tools:
                    payloads.discard(organization_id, row.tools)
                batch.delete(row)
                deleted += 1
    _name_its_runs(organization_id, agent_id)
    logger.info("purged an agent", agent_id=agent, rows=deleted)
    return deleted


def _name_its_runs(organization_id: UUID, agent_id: UUID) -> None:
    """Note the agent while it has runs, for the longest that one is kept: their organization may be purged before."""
    runs = ExecutionRow.query(
        child(organization_id, agent_id), Row.sk.startswith(key("EXECUTION", "")), limit=1
    )
    if next(iter(runs), None):
        pk, sk = PurgedAgentRow.at(organization_id, agent_id)
        row = PurgedAgentRow(pk=pk, sk=sk, ttl=clock.epoch() + RETENTIONS[-1] * 86_400)
        table.put(row, {"system": "purge"})
