"""POST /v1/agents/{agentId}/memories"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents.memory import service
from weconnect.agents.memory.entities import MemoryWritten, NewAIAgentMemory
from weconnect.agents.parameters import AgentId, written
from weconnect.agents.permissions import AgentsUpdate
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/memories", status_code=201, tags=["AI agents"])
def create_agent_memory(
    agent_id: AgentId, body: NewAIAgentMemory, caller: AgentsUpdate
) -> Response[MemoryWritten]:
    """Write a memory; the answer says what was decided: 201 when it is new, else 200."""
    return written(service.create(caller, agent_id, body))
