"""The kind of workflows' executions: the object that the registry names, with all that differs from agents'."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.db.payloads import StoredText
from weconnect.db.table import Row, Transaction
from weconnect.executions import lifecycle
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.kinds import ExecutionKind, Key, Operation
from weconnect.executions.requests import StartExecution
from weconnect.executions.results import Completion, ExecutionResult
from weconnect.executions.retention import count_payload_days
from weconnect.executions.stored_values import store_value
from weconnect.workflows.definition import stored_versions, validation
from weconnect.workflows.entities import WorkflowDefinition, WorkflowSettings, WorkflowStatus
from weconnect.workflows.errors import WorkflowInactive, WorkflowNotFound, WorkflowVersionNotFound
from weconnect.workflows.executions import journal
from weconnect.workflows.executions.concurrency_keys import evaluate_concurrency
from weconnect.workflows.executions.conversion import to_execution, to_result
from weconnect.workflows.executions.entities import Execution
from weconnect.workflows.executions.errors import TriggerNotFound
from weconnect.workflows.executions.journal import UnwrittenJournal
from weconnect.workflows.executions.new_executions import PreparedWorkflowExecution
from weconnect.workflows.executions.rows import WorkflowExecutionRow
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow
from weconnect.workflows.sharing import access

ACCESS_BY_OPERATION: dict[Operation, access.RequiredAccess] = {
    "view": access.VIEW_EXECUTION,
    "control": access.CONTROL_EXECUTION,
    "delete": access.DELETE_EXECUTION,
}


class WorkflowExecutions(ExecutionKind[WorkflowExecutionRow, Execution, UnwrittenJournal]):
    """The executions of workflows."""

    row_class = WorkflowExecutionRow

    def prepare(self, request: StartExecution, limit_keys: Sequence[Key]) -> PreparedWorkflowExecution:
        """Return the execution to start.

        Raises WorkflowNotFound, Forbidden, WorkflowInactive, WorkflowVersionNotFound, TriggerNotFound,
        ConcurrencyKeyFailed, and for a test of the newest version WorkflowInvalid.
        """
        if request.part:
            parent = request.parent
            assert isinstance(parent, WorkflowExecutionRow), "only a workflow's execution has parts"
            version = int(parent.workflow_version)
            return PreparedWorkflowExecution({}, request, parent.workflow_name, version, WorkflowSettings())
        at, at_version = _choose_keys(request)
        rows = table.get_many([at, at_version, *limit_keys])
        if request.caller:
            access.require(request.caller, rows.get(at), access.EXECUTE)
        workflow = _require_startable(rows.get(at), is_test=request.mode == "test")
        version_row = rows.get(at_version)
        if not isinstance(version_row, WorkflowVersionRow):
            raise WorkflowVersionNotFound() if request.version else WorkflowInactive()
        _, definition = stored_versions.unpack_definition(request.organization_id, version_row)
        if request.mode == "test" and request.version is None:
            validation.require_valid(definition)
        _require_trigger(definition, request.trigger_node_id)
        settings = definition.settings
        concurrency = evaluate_concurrency(settings, request.input)
        return PreparedWorkflowExecution(
            rows, request, workflow.name, version_row.number, settings, definition, concurrency
        )

    def require_executable(self, row: WorkflowExecutionRow) -> None:
        """Raise WorkflowNotFound or WorkflowInactive when an execution of the workflow could not be requested now."""
        workflow = table.get(WorkflowRow, WorkflowRow.at(UUID(row.organization_id), UUID(row.workflow_id)))
        _require_startable(workflow, is_test=row.mode == "test")

    def list_open(self, organization_id: UUID) -> Iterable[WorkflowExecutionRow]:
        """Return the open executions of an organization's workflows, as indexes have them."""
        pk = WorkflowExecutionRow.of_organization(organization_id)
        yield from WorkflowExecutionRow.gsi1.query(pk, filter_condition=lifecycle.build_open_condition())

    def find_by_durable_name(self, name: str) -> WorkflowExecutionRow | None:
        """Return the execution of a durable execution's name: the IDs of organization and execution, as hexadecimal."""
        if len(name) != 64:
            return None
        return table.get(WorkflowExecutionRow, WorkflowExecutionRow.at(UUID(name[:32]), UUID(name[32:])))

    def build_final_values(
        self, row: WorkflowExecutionRow, completion: Completion, details: UnwrittenJournal | None
    ) -> dict[str, Any]:
        """Return the values of the row's fields at its end; `duration_ms` includes the time that it waited."""
        moment = clock.now()
        started = datetime.fromisoformat(row.started_at) if row.started_at else moment
        values: dict[str, Any] = {
            "output": _store_output(row, completion.output),
            "error": completion.error.model_dump(mode="json") if completion.error else None,
            "finished_at": clock.iso(moment),
            "duration_ms": max(0, int((moment - started).total_seconds() * 1000)),
            "current_node_ids": [],
            **row.status_keys(completion.status),
        }
        if completion.status == ExecutionStatus.COMPLETED:
            values["progress"] = 100
        if details and (counts := details.counts):
            values["nodes_run"] = counts.get("completed", 0) + counts.get("failed", 0)
            values["nodes_failed"] = counts.get("failed", 0)
            values["nodes_skipped"] = counts.get("skipped", 0)
        return values

    def add_to_completion(
        self,
        writes: Transaction,
        row: WorkflowExecutionRow,
        values: Mapping[str, Any],
        details: UnwrittenJournal | None,
    ) -> None:
        """Add the last batch of the execution's journal to the transaction that ends it."""
        if details and details.entries:
            writes.put(journal.build_last_row(row, details, values.get("ttl")))

    def count_ended(self, row: WorkflowExecutionRow, *, is_first: bool) -> None:
        """Add one to the workflow's `execution_count`, at most once, and set when it was last executed."""
        if is_first and not row.is_part:
            head = WorkflowRow(*WorkflowRow.at(UUID(row.organization_id), UUID(row.workflow_id)))
            table.touch(head, add={"execution_count": 1}, put={"last_executed_at": clock.iso(clock.now())})

    def start_error_workflow(self, row: WorkflowExecutionRow) -> None:
        """Start the error workflow that the settings name, once."""
        from weconnect.workflows.executions import error_workflows  # cold start

        error_workflows.start_for(row)

    def require_access(self, caller: Caller, row: WorkflowExecutionRow, operation: Operation) -> None:
        """Raise ExecutionNotFound or Forbidden unless the caller's role or a share allows the operation."""
        access.require_execution(caller, row, ACCESS_BY_OPERATION[operation])

    def to_entity(self, row: WorkflowExecutionRow, *, with_values: bool = True) -> Execution:
        """Return an execution as the API shows it; in lists without input and output."""
        return to_execution(row, with_values=with_values)

    def load_result(self, row: WorkflowExecutionRow) -> ExecutionResult:
        """Return the status of an execution, with its output or its error."""
        return to_result(row)


WORKFLOW = WorkflowExecutions()


def _choose_keys(request: StartExecution) -> tuple[Key, Key]:
    """Return the keys of the workflow and of its version: the given one, for a test the newest, else the active one."""
    organization_id, workflow_id = request.organization_id, request.target_id
    at = WorkflowRow.at(organization_id, workflow_id)
    if request.version:
        return at, WorkflowVersionRow.at(organization_id, workflow_id, request.version)
    if request.mode == "test":
        return at, WorkflowVersionRow.at_newest(organization_id, workflow_id)
    return at, WorkflowVersionRow.at_active(organization_id, workflow_id)


def _require_startable(row: Row | None, *, is_test: bool) -> WorkflowRow:
    """Return the workflow when executions of it may be started: it is active or, for a test, not archived.

    Raises WorkflowNotFound, WorkflowInactive.
    """
    if not isinstance(row, WorkflowRow):
        raise WorkflowNotFound()
    if row.status == WorkflowStatus.ARCHIVED or not (is_test or row.status == WorkflowStatus.ACTIVE):
        raise WorkflowInactive()
    return row


def _require_trigger(definition: WorkflowDefinition, node_id: str | None) -> None:
    """Raise TriggerNotFound when a node ID is set but the workflow has no such node."""
    if node_id and node_id not in {node.id for node in definition.nodes}:
        detail = f"The workflow has no node {node_id!r}. Name one of its trigger nodes."
        raise TriggerNotFound(detail, pointer="/triggerNodeId")


def _store_output(row: WorkflowExecutionRow, output: Any) -> StoredText | None:
    """Store the output of an execution; return its text or the pointer to a long one, and None for no output."""
    if output is None:
        return None
    days = count_payload_days(row.retention_days, is_express=row.is_express)
    return store_value(UUID(row.organization_id), UUID(row.id), "output", output, days)
