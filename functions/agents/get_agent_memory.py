"""GET /v1/agents/{agentId}/memories/{memoryId}"""

from weconnect.agents.memory import service
from weconnect.agents.memory.entities import AIAgentMemory
from weconnect.agents.parameters import AgentId, AsOf, MemoryId
from weconnect.agents.permissions import AgentsRead
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/memories/<memoryId>", tags=["Agent memory"])
def get_agent_memory(
    agent_id: AgentId, memory_id: MemoryId, caller: AgentsRead, as_of: AsOf = None
) -> AIAgentMemory:
    """Get a memory with its history."""
    return service.get(caller, agent_id, memory_id, as_of)
