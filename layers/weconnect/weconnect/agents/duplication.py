"""Copy an agent with its tools."""

from uuid import UUID

from weconnect.agents import service
from weconnect.agents.entities import AIAgent, NewAIAgent
from weconnect.agents.tools import service as tools
from weconnect.api.caller import Caller
from weconnect.errors import Conflict

COPIES = 20


def duplicate(caller: Caller, agent_id: UUID) -> AIAgent:
    """A new agent `<name> (copy)` with the newest definition and tools of another, whole or not at all.

    Without its memories, runs, earlier versions and numbers. The second copy is `<name> (copy 2)`; raises Conflict
    `name_taken` when there are too many.
    """
    source = service.get(caller, agent_id)
    values = source.model_dump(include=set(NewAIAgent.model_fields) - {"name"})
    for number in range(1, COPIES + 1):
        end = " (copy)" if number == 1 else f" (copy {number})"
        new = NewAIAgent(name=source.name[: 255 - len(end)] + end, **values)
        try:
            return service.create(
                caller, new, lambda writes, copy_id: tools.copy(writes, caller, agent_id, copy_id)
            )
        except Conflict as conflict:
            if conflict.code != "name_taken" or number == COPIES:
                raise
    raise AssertionError("the last name ends it")
