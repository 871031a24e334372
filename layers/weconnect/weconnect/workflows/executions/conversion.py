"""Executions of workflows as the API shows them, from their rows."""

from typing import cast

from weconnect.executions.results import ErrorValues, ExecutionResult
from weconnect.executions.stored_values import load_value
from weconnect.workflows.executions.entities import Execution
from weconnect.workflows.executions.rows import WorkflowExecutionRow


def to_execution(row: WorkflowExecutionRow, *, with_values: bool = True) -> Execution:
    """Return the execution as the API shows it; lists omit input and output (`with_values=False`)."""
    values = row.values()
    for name in ("input", "output"):
        values.pop(name, None)
        if with_values:
            values[name] = load_value(row, name)
    return Execution.model_validate(values, by_name=True)


def to_result(row: WorkflowExecutionRow) -> ExecutionResult:
    """Return the status of an execution, with its output or its error."""
    execution = to_execution(row)
    error = execution.error.to_json_dict() if execution.error else None
    return {
        "executionId": row.id,
        "status": execution.status.value,
        "output": execution.output,
        "error": cast("ErrorValues | None", error),
    }
