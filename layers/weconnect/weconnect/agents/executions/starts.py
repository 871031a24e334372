"""Executions of agents that callers start."""

from typing import cast
from uuid import UUID

from weconnect.agents.entities import AIAgentExecution, NewAIAgentExecution
from weconnect.agents.executions.conversion import to_execution
from weconnect.agents.rows import AgentExecutionRow
from weconnect.api.caller import Caller
from weconnect.executions import service as executions
from weconnect.executions.requests import StartExecution
from weconnect.executions.start import start


def start_for_caller(
    caller: Caller, agent_id: UUID, new: NewAIAgentExecution, wait_seconds: int
) -> AIAgentExecution:
    """Start an execution and return it after at most `wait_seconds`, or as soon as it has ended or waits.

    Raises AgentNotFound, AgentInactive, and LimitReached with its Retry-After.
    """
    request = StartExecution.by_caller(caller, "agent", agent_id, new.input, session_id=new.session_id)
    row = cast("AgentExecutionRow", start(request).row)
    return to_execution(executions.wait(row, wait_seconds))
