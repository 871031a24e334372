"""Copy an agent with its tools."""

from uuid import UUID

from weconnect.agents import service
from weconnect.agents.entities import AIAgent, NewAIAgent
from weconnect.agents.tools import service as tools
from weconnect.caller import Caller


def duplicate(caller: Caller, agent_id: UUID) -> AIAgent:
    """A new agent `<name> (copy)` with the newest definition and tools of another, whole or not at all.

    Without its memories, runs, earlier versions and numbers.
    """
    source = service.get(caller, agent_id)
    values = source.model_dump(include=set(NewAIAgent.model_fields) - {"name"})
    new = NewAIAgent(name=f"{source.name[:248]} (copy)", **values)
    return service.create(caller, new, lambda writes, copy_id: tools.copy(writes, caller, agent_id, copy_id))
