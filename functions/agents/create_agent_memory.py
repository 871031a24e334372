"""POST /v1/agents/{agentId}/memories"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents.memory import service
from weconnect.agents.memory.entities import MemoryWriteResult, NewAIAgentMemory
from weconnect.agents.parameters import AgentId, memory_response
from weconnect.agents.permissions import AgentsUpdate
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post(
    "/v1/agents/<agentId>/memories", status_code=201, replays=True, takes_document=True, tags=["Agent memory"]
)
def create_agent_memory(
    agent_id: AgentId, body: NewAIAgentMemory, caller: AgentsUpdate
) -> Response[MemoryWriteResult]:
    """Write a memory.

    The response says what was decided: 201 when the memory was added or supersedes another, 200 when it duplicates
    one or was rejected.
    """
    return memory_response(service.create(caller, agent_id, body))
