"""Duplicate an agent with its tools."""

from uuid import UUID

from weconnect.agents import service
from weconnect.agents.entities import AIAgent, NewAIAgent
from weconnect.agents.tools import service as tools
from weconnect.api.caller import Caller
from weconnect.errors import NameTaken
from weconnect.texts import make_visible

MAX_COPIES = 20


def duplicate(caller: Caller, agent_id: UUID) -> AIAgent:
    """Create an agent `<name> (copy)` with the newest definition and tools of another, in one transaction.

    Memories, executions, earlier versions and statistics are not copied. The second copy is named `<name> (copy 2)`.
    Raises AgentNotFound, NameTaken when there are too many copies, LimitReached at the plan's number of agents.
    """
    source = service.get(caller, agent_id)
    values = source.model_dump(include=set(NewAIAgent.model_fields) - {"name"})
    for number in range(1, MAX_COPIES + 1):
        suffix = " (copy)" if number == 1 else f" (copy {number})"
        new = NewAIAgent(name=make_visible(source.name)[: 255 - len(suffix)] + suffix, **values)
        try:
            return service.create(
                caller, new, lambda writes, copy_id: tools.copy_tools(writes, caller, agent_id, copy_id)
            )
        except NameTaken:
            if number == MAX_COPIES:
                raise
    raise AssertionError("the last attempt raises")
