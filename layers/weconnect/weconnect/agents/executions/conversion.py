"""Executions of agents and their steps as the API shows them, from their rows."""

import json
from uuid import UUID

from weconnect.agents.entities import AgentExecutionStep, AIAgentExecution
from weconnect.agents.rows import AgentExecutionRow, AgentStepRow
from weconnect.db import payloads
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.results import ExecutionResult


def to_execution(row: AgentExecutionRow, *, with_values: bool = True) -> AIAgentExecution:
    """Return the execution as the API shows it; in lists, input and output are cut (`with_values=False`)."""
    values = row.values()
    for name in ("input", "output"):
        if (text := values.get(name)) is not None:
            values[name] = payloads.load(row.organization_id, text) if with_values else payloads.preview(text)
    values["cost"] = _to_usd(row.cost_micros)
    if row.is_structured and with_values:
        values["structured_output"] = json.loads(values["output"])
    return AIAgentExecution.model_validate(values, by_name=True)


def to_result(row: AgentExecutionRow) -> ExecutionResult:
    """Return the status of an execution, with its output or its error."""
    execution = to_execution(row)
    is_completed = execution.status == ExecutionStatus.COMPLETED
    error = execution.error
    return {
        "executionId": row.id,
        "status": execution.status.value,
        "output": execution.output if is_completed else None,
        "error": {"code": execution.error_code or execution.status.value, "message": error}
        if error
        else None,
    }


def to_step(row: AgentStepRow) -> AgentExecutionStep:
    """Return a step with its result loaded and its cost in USD."""
    values = row.values()
    if row.result is not None:
        organization_id = UUID(row.pk.split("#")[1])
        values["result"] = json.loads(payloads.load(organization_id, row.result))
    return AgentExecutionStep.model_validate(values | {"cost": _to_usd(row.cost_micros)}, by_name=True)


def _to_usd(micros: float | None) -> float | None:
    return None if micros is None else micros / 1e6
