"""End what belonged to an agent that left the trash for good."""

from uuid import UUID

from weconnect import payloads, table
from weconnect.agents.rows import CHILDREN, AgentRow, MemoryRow, child, prefix_of
from weconnect.log import logger
from weconnect.table import Row


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
    for kind in CHILDREN:
        rows = kind.query(child(organization_id, agent_id), Row.sk.startswith(prefix_of(kind)))
        with kind.batch_write() as batch:
            for row in rows:
                if isinstance(row, MemoryRow):
                    payloads.discard(organization_id, row.content)
                batch.delete(row)
                deleted += 1
    logger.info("purged an agent", agent_id=agent, rows=deleted)
    return deleted
