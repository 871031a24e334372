"""POST /v1/agents"""

from weconnect.agents import service
from weconnect.agents.entities import AIAgent, NewAIAgent
from weconnect.agents.permissions import AgentsCreate
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post(
    "/v1/agents",
    status_code=201,
    replays=True,
    location="/v1/agents/{id}",
    takes_document=True,
    tags=["Agents"],
)
def create_agent(body: NewAIAgent, caller: AgentsCreate) -> AIAgent:
    """Create an agent."""
    return service.create(caller, body)
