"""Copy an agent with its tools."""

from uuid import UUID

from weconnect.agents import service
from weconnect.agents.entities import AIAgent, NewAIAgent
from weconnect.agents.tools import service as tools
from weconnect.caller import Caller


def duplicate(caller: Caller, agent_id: UUID) -> AIAgent:
    """A new agent `<name> (copy)` with the definition and the tools of another, without its memories and runs."""
    source = service.get(caller, agent_id)
    values = source.model_dump(include=set(NewAIAgent.model_fields) - {"name"})
    copy = service.create(caller, NewAIAgent(name=f"{source.name[:248]} (copy)", **values))
    tools.copy(caller, agent_id, copy.id)
    return copy
