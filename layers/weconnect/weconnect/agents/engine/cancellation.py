"""Cancel an agent's execution together with what it has started."""

from uuid import UUID

from weconnect.agents.engine import executions, nested_executions
from weconnect.agents.entities import AIAgentExecution
from weconnect.api.caller import Caller
from weconnect.executions import followups


def cancel(caller: Caller, agent_id: UUID, execution_id: UUID) -> AIAgentExecution:
    """Cancel an execution and those it has started: at once unless it is running, else before its next step.

    Raises ExecutionNotFound, AlreadyFinished.
    """
    row = executions.require_execution(caller, agent_id, execution_id)
    nested_executions.request_cancellation(row)
    followups.cancel_children(UUID(row.organization_id), UUID(row.id))
    return executions.to_entity(executions.require_execution(caller, agent_id, execution_id))
