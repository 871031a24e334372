"""DELETE /v1/agents/{agentId}/memories/{memoryId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents.memory import service
from weconnect.agents.parameters import AgentId, MemoryId
from weconnect.agents.permissions import AgentsUpdate
from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content

__all__ = ["handler"]


@app.delete("/v1/agents/<agentId>/memories/<memoryId>", status_code=204, tags=["Agent memory"])
def delete_agent_memory(
    agent_id: AgentId, memory_id: MemoryId, caller: AgentsUpdate, if_match: IfMatch = None
) -> Response[None]:
    """Delete a memory for good."""
    service.delete(caller, agent_id, memory_id, if_match)
    return no_content()
