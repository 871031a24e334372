"""DELETE /v1/agents/{agentId}/memories"""

from weconnect.agents.memory import service
from weconnect.agents.memory.entities import SessionErasure
from weconnect.agents.parameters import AgentId, SessionToErase
from weconnect.agents.permissions import AgentsUpdate
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.delete("/v1/agents/<agentId>/memories", tags=["Agent memory"])
def erase_agent_session(
    agent_id: AgentId, session_id: SessionToErase, caller: AgentsUpdate
) -> SessionErasure:
    """Erase all memories of a session."""
    return service.erase_session(caller, agent_id, session_id)
