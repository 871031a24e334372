"""PATCH /v1/agents/{agentId}/memories/{memoryId}"""

from weconnect.agents.memory import service
from weconnect.agents.memory.entities import AIAgentMemory, AIAgentMemoryChanges
from weconnect.agents.parameters import AgentId, MemoryId
from weconnect.agents.permissions import AgentsUpdate
from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.patch("/v1/agents/<agentId>/memories/<memoryId>", takes_document=True, tags=["Agent memory"])
def update_agent_memory(
    agent_id: AgentId,
    memory_id: MemoryId,
    body: AIAgentMemoryChanges,
    caller: AgentsUpdate,
    if_match: IfMatch = None,
) -> AIAgentMemory:
    """Correct a memory."""
    return service.update(caller, agent_id, memory_id, body, if_match)
