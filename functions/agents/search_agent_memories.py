"""POST /v1/agents/{agentId}/memories/search"""

from weconnect.agents.memory import search
from weconnect.agents.memory.entities import MemoryHits, MemorySearch
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsRead
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/memories/search", replays=True, reads_only=True, tags=["Agent memory"])
def search_agent_memories(agent_id: AgentId, body: MemorySearch, caller: AgentsRead) -> MemoryHits:
    """Search an agent's memories.

    Returns the memories that match a question, with the reasons for their rank.
    """
    return search.search(caller, agent_id, body)
