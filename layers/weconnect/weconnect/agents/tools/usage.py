"""The usage counters of agents' tools."""

from uuid import UUID

from weconnect import clock
from weconnect.agents.tools.rows import AgentToolRow
from weconnect.db import table


def count_use(organization_id: UUID, agent_id: UUID, tool_id: UUID) -> None:
    """Count a call of a tool and note its time. Does nothing when the tool was deleted."""
    row = AgentToolRow(*AgentToolRow.at(organization_id, agent_id, tool_id))
    table.touch(row, add={"usage_count": 1}, put={"last_used_at": clock.iso(clock.now())})
