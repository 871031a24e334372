"""GET /v1/agents/{agentId}/memories"""

from weconnect.agents.memory import service
from weconnect.agents.memory.entities import AIAgentMemory
from weconnect.agents.parameters import AgentId, AsOf, MemoryTypeFilter, SessionFilter, TagFilter
from weconnect.agents.permissions import AgentsRead
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/memories", tags=["Agent memory"])
def list_agent_memories(
    agent_id: AgentId,
    caller: AgentsRead,
    limit: Limit = 25,
    cursor: Cursor = None,
    memory_type: MemoryTypeFilter = None,
    session_id: SessionFilter = None,
    tag: TagFilter = None,
    as_of: AsOf = None,
) -> Page[AIAgentMemory]:
    """List an agent's memories, newest first."""
    return service.list_memories(
        caller,
        agent_id,
        limit=limit,
        cursor=cursor,
        memory_type=memory_type,
        session_id=session_id,
        tag=tag,
        as_of=as_of,
    )
