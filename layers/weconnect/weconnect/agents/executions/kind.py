"""The kind of agents' executions: the object that the registry names, with all that differs from workflows'."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.agents import statistics, versions
from weconnect.agents.entities import AIAgentExecution
from weconnect.agents.errors import AgentInactive, AgentNotFound
from weconnect.agents.executions.conversion import to_execution, to_result
from weconnect.agents.executions.new_executions import PreparedAgentExecution
from weconnect.agents.rows import AgentExecutionRow, AgentRow, AgentStepRow
from weconnect.agents.statistics import ExecutionTotals
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.db.payloads import StoredText
from weconnect.db.table import Transaction
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.kinds import ExecutionKind, Key, Operation
from weconnect.executions.requests import StartExecution
from weconnect.executions.results import Completion, ExecutionResult
from weconnect.executions.rows import OpenState
from weconnect.executions.stored_values import store_text

STATES_WITH_FUNCTION: tuple[OpenState, ...] = ("pending", "running", "waiting")
"""The states of open executions that have a durable function of their own: all but nested ones."""


@dataclass(frozen=True)
class AgentDetails:
    """The values that are written at the end of an agent's execution beside its output and its error.

    `suspended_seconds` do not count as its execution time. `is_structured`: its output is JSON of the agent's schema.
    """

    totals: ExecutionTotals
    suspended_seconds: float = 0
    is_structured: bool = False


class AgentExecutions(ExecutionKind[AgentExecutionRow, AIAgentExecution, AgentDetails]):
    """The executions of agents."""

    row_class = AgentExecutionRow

    def prepare(self, request: StartExecution, limit_keys: Sequence[Key]) -> PreparedAgentExecution:
        """Return the execution to start. Raises AgentNotFound, AgentInactive."""
        agent, version, rows = versions.load_runnable(request.organization_id, request.target_id, limit_keys)
        if not agent.is_active:
            raise AgentInactive()
        return PreparedAgentExecution(rows, request, version)

    def require_executable(self, row: AgentExecutionRow) -> None:
        """Raise AgentNotFound for an agent in the trash, AgentInactive for an inactive one."""
        at = AgentRow.at(UUID(row.organization_id), UUID(row.agent_id))
        if not table.require(AgentRow, at, AgentNotFound).is_active:
            raise AgentInactive()

    def list_open(self, organization_id: UUID) -> Iterable[AgentExecutionRow]:
        """Return the open executions of an organization's agents, those in the trash included, as indexes have them."""
        for deleted in (False, True):
            pk, prefix = AgentRow.of_organization(organization_id, deleted=deleted)
            for agent in AgentRow.query(pk, AgentRow.sk.startswith(prefix), consistent_read=True):
                for status in OPEN_STATUSES:
                    index_pk = AgentExecutionRow.by_status(organization_id, UUID(agent.id), status)
                    yield from AgentExecutionRow.gsi2.query(index_pk)

    def find_by_durable_name(self, name: str) -> AgentExecutionRow | None:
        """Return the open execution of a durable execution's name: its ID. It is read again: an index lags behind."""
        if not _is_id(name):
            return None
        shard = AgentExecutionRow.shard(name)
        for state in STATES_WITH_FUNCTION:
            pk = AgentExecutionRow.sweeper_partition(state, shard)
            for row in AgentExecutionRow.gsi3.query(pk, AgentExecutionRow.gsi3sk == name):
                return table.get(AgentExecutionRow, (row.pk, row.sk))
        return None

    def build_final_values(
        self, row: AgentExecutionRow, completion: Completion, details: AgentDetails | None
    ) -> dict[str, Any]:
        """Return the values of the row's fields at its end; without `details` its totals are summed from its steps."""
        moment, status, error = clock.now(), completion.status, completion.error
        started = datetime.fromisoformat(row.started_at) if row.started_at else moment
        suspended_seconds = details.suspended_seconds if details else 0
        milliseconds = max(0, int(((moment - started).total_seconds() - suspended_seconds) * 1000))
        is_structured = details is not None and details.is_structured
        return {
            "output": _store_output(row, completion.output),
            "error": error.message if error else None,
            "error_code": error.code if error else None,
            "is_structured": is_structured and status == ExecutionStatus.COMPLETED,
            "waiting_for": None,
            "finished_at": clock.iso(moment),
            "execution_time": milliseconds,
            **(details.totals if details else _sum_steps(row)),
            **row.status_keys(status, milliseconds),
        }

    def add_to_completion(
        self,
        writes: Transaction,
        row: AgentExecutionRow,
        values: Mapping[str, Any],
        details: AgentDetails | None,
    ) -> None:
        """Note the execution for the statistics of its agent and of its model."""
        statistics.note_execution(writes, row, values)

    def count_ended(self, row: AgentExecutionRow, *, is_first: bool) -> None:
        """Count what was noted about the agent's executions."""
        statistics.count_noted(UUID(row.organization_id), UUID(row.agent_id), UUID(row.id))

    def require_access(self, caller: Caller, row: AgentExecutionRow, operation: Operation) -> None:
        """Allow every operation: the permission that a route requires decides."""
        return

    def to_entity(self, row: AgentExecutionRow, *, with_values: bool = True) -> AIAgentExecution:
        """Return an execution as the API shows it; in lists input and output are cut."""
        return to_execution(row, with_values=with_values)

    def load_result(self, row: AgentExecutionRow) -> ExecutionResult:
        """Return the status of an execution, with its output or its error."""
        return to_result(row)


AGENT = AgentExecutions()


def _is_id(name: str) -> bool:
    """Return whether a durable execution's name is an ID, as those of agents' executions are."""
    with suppress(ValueError):
        return str(UUID(name)) == name
    return False


def _store_output(row: AgentExecutionRow, output: str | None) -> StoredText | None:
    """Store the output of an execution; return its text or the pointer to a long one, and None for no output."""
    if output is None:
        return None
    return store_text(UUID(row.organization_id), UUID(row.id), "output", output)


def _sum_steps(row: AgentExecutionRow) -> ExecutionTotals:
    """Return the totals of an execution that did not finish by itself; empty when it asked no model."""
    pk, prefix = AgentStepRow.of_execution(UUID(row.organization_id), UUID(row.id))
    steps = AgentStepRow.query(pk, AgentStepRow.sk.startswith(prefix), consistent_read=True)
    requests = [step for step in steps if step.type == "model"] if row.started_at else []
    if not requests:
        return {}
    costs = [int(step.cost_micros) for step in requests if step.cost_micros is not None]
    return {
        "input_tokens": sum(int(step.input_tokens or 0) for step in requests),
        "output_tokens": sum(int(step.output_tokens or 0) for step in requests),
        "cost_micros": sum(costs) if len(costs) == len(requests) else None,
    }
