"""An execution of a workflow that may be started, and its row."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from weconnect import clock
from weconnect.db import payloads
from weconnect.db.payloads import StoredText
from weconnect.db.table import Row
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.errors import InputTooLarge
from weconnect.executions.kinds import Key, PreparedExecution
from weconnect.executions.requests import StartExecution
from weconnect.executions.retention import count_payload_days
from weconnect.executions.rows import AnyRow, ConcurrencyLimit
from weconnect.executions.stored_values import store_value
from weconnect.workflows.definition import validation
from weconnect.workflows.entities import WorkflowDefinition, WorkflowSettings
from weconnect.workflows.executions.entities import Execution
from weconnect.workflows.executions.rows import WorkflowExecutionRow

MAX_INPUT_BYTES = 1024 * 1024


@dataclass(frozen=True)
class PreparedWorkflowExecution(PreparedExecution):
    """An execution of a workflow that may be started. A part of another execution has no definition here."""

    rows: Mapping[Key, Row]
    request: StartExecution
    workflow_name: str
    version: int
    settings: WorkflowSettings
    definition: WorkflowDefinition | None = None
    concurrency: ConcurrencyLimit | None = None

    def build_row(self, retention_days: int) -> WorkflowExecutionRow:
        """Return the row of the execution; a long input is stored outside of it. Raises InputTooLarge."""
        request, moment = self.request, clock.now()
        organization_id, execution_id = request.organization_id, request.execution_id
        is_express = self._is_express()
        status = ExecutionStatus.RUNNING if is_express else ExecutionStatus.PENDING
        days = _choose_retention_days(self.settings, retention_days)
        earlier, cause = request.retry_of, request.failed or request.parent
        origin = earlier or request.parent
        execution = Execution(
            id=execution_id,
            created_at=request.requested_at,
            updated_at=request.requested_at,
            organization_id=organization_id,
            user_id=request.user_id,
            workflow_id=request.target_id,
            workflow_name=self.workflow_name,
            workflow_version=self.version,
            status=status,
            mode=request.mode,
            is_express=is_express,
            started_at=moment if is_express else None,
            api_key_id=request.api_key_id,
            parent_execution_id=UUID(cause.id) if cause else None,
            retry_of=UUID(earlier.id) if earlier else None,
            retry_count=int(earlier.retry_count or 0) + 1 if isinstance(earlier, WorkflowExecutionRow) else 0,
        )
        error_workflow_id, parent = self.settings.error_workflow_id, request.parent
        return WorkflowExecutionRow.new(
            execution,
            retention_days=days,
            error_workflow_id=str(error_workflow_id) if error_workflow_id else None,
            input=self._store_input(count_payload_days(days, is_express=is_express)),
            concurrency=self.concurrency,
            trigger_node_id=request.trigger_node_id,
            depth=request.depth,
            parent_key=[parent.pk, parent.sk] if parent else None,
            handles_error=bool(request.failed or (origin and origin.handles_error)),
            reuses_outputs_of=str(request.reuses_outputs_of) if request.reuses_outputs_of else None,
            part=store_value(organization_id, execution_id, "part", request.part) if request.part else None,
        )

    def execute(self, row: AnyRow) -> None:
        """Execute an express execution, which has ended afterwards."""
        from weconnect.workflows.engine import express  # cold start

        assert self.definition and isinstance(row, WorkflowExecutionRow), (
            "a part of an execution is not express"
        )
        express.execute_express(row, self.definition)

    def _is_express(self) -> bool:
        """Return whether the execution is executed within the call that starts it."""
        requested, as_set = self.request.express, self.settings.execution
        is_wanted = requested == "preferred" or (requested == "as_set" and as_set == "express")
        return is_wanted and self.definition is not None and validation.is_express(self.definition)

    def _store_input(self, days: int) -> StoredText | None:
        """Store the input of the execution. Raises InputTooLarge, but not for a part of another execution."""
        request = self.request
        if request.input is None:
            return None
        text = store_value(request.organization_id, request.execution_id, "input", request.input, days)
        if not request.part and not isinstance(text, str) and text["bytes"] > MAX_INPUT_BYTES:
            payloads.discard(request.organization_id, text)
            limit = f"{MAX_INPUT_BYTES >> 20} MB"
            raise InputTooLarge(f"The input exceeds {limit}. Send large data by reference.")
        return text


def _choose_retention_days(settings: WorkflowSettings, allowed: int) -> int:
    """Return the days for which an execution is kept: those of the settings, but at most `allowed` (-1: any)."""
    own = settings.retention_days
    if own is None:
        return allowed
    return own if allowed < 0 else min(own, allowed)
