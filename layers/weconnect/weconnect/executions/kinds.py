"""The kinds of executions, and the operations that differ between them; `ExecutionRow` has the properties that differ.

Each kind is one object in the module of what it executes. The registry names it; nothing here imports that module.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, Literal, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel

from weconnect import registry, registry_index
from weconnect.api.caller import Caller
from weconnect.db.table import Row, Transaction
from weconnect.executions.requests import StartExecution
from weconnect.executions.results import Completion, ExecutionResult
from weconnect.executions.rows import AnyRow

R = TypeVar("R", bound=AnyRow)
E = TypeVar("E", bound=BaseModel)
D = TypeVar("D")

Key = tuple[str, str]
Operation = Literal["view", "control", "delete"]
"""An operation on an execution, which may need a permission of its own."""


class PreparedExecution(ABC):
    """An execution that may be started: what it executes was found, and whoever asks may execute that.

    `rows` are all that were read for it, the limits' included.
    """

    rows: Mapping[Key, Row]

    @abstractmethod
    def build_row(self, retention_days: int) -> AnyRow:
        """Return the row of the execution, which is not stored yet. Raises InputTooLarge."""

    def execute(self, row: AnyRow) -> None:
        """Execute an express execution within the call that starts it."""
        raise AssertionError("only workflows have express executions")


class ExecutionKind(ABC, Generic[R, E, D]):
    """The parts of an execution's life that differ between workflows and agents.

    `R` is their row, `E` their entity, `D` what is written at their end beside output and error.
    """

    row_class: type[R]

    # Starting and executing

    @abstractmethod
    def prepare(self, request: StartExecution, limit_keys: Sequence[Key]) -> PreparedExecution:
        """Return the execution to start, read in one call together with the rows at `limit_keys`. Raises Problem."""

    @abstractmethod
    def require_executable(self, row: R) -> None:
        """Raise the problem for which an execution must not begin any more: what it executes is gone or inactive."""

    @abstractmethod
    def list_open(self, organization_id: UUID) -> Iterable[R]:
        """Return the open executions of an organization, as indexes have them, which lag behind."""

    @abstractmethod
    def find_by_durable_name(self, name: str) -> R | None:
        """Return the execution of a durable execution's name; None for the name of another kind."""

    # Ending

    @abstractmethod
    def build_final_values(self, row: R, completion: Completion, details: D | None) -> dict[str, Any]:
        """Return the values that the row of an execution gets at its end, the status keys included."""

    @abstractmethod
    def add_to_completion(
        self, writes: Transaction, row: R, values: Mapping[str, Any], details: D | None
    ) -> None:
        """Add to the transaction that ends an execution what belongs to it; the row gets `values`.

        Nothing that other executions write too: transactions on one row cancel each other.
        """

    @abstractmethod
    def count_ended(self, row: R, *, is_first: bool) -> None:
        """Count an execution that has ended; without `is_first` repeat what a crash may have prevented."""

    def start_error_workflow(self, row: R) -> None:
        """Start the workflow that handles the failure of an execution, if there is one. Idempotent."""
        return

    # Showing

    @abstractmethod
    def require_access(self, caller: Caller, row: R, operation: Operation) -> None:
        """Raise ExecutionNotFound or Forbidden unless the caller may do this with an execution."""

    @abstractmethod
    def to_entity(self, row: R, *, with_values: bool = True) -> E:
        """Return an execution as the API shows it; in lists without its long values."""

    @abstractmethod
    def load_result(self, row: R) -> ExecutionResult:
        """Return the status of an execution, with its output or its error."""


@cache
def get_kind(name: str) -> ExecutionKind[Any, Any, Any]:
    """Return the kind with this name."""
    return cast("ExecutionKind[Any, Any, Any]", registry.resolve(registry_index.EXECUTION_KINDS[name]))


def kind_of(row: R) -> ExecutionKind[R, Any, Any]:
    """Return the kind of an execution."""
    return get_kind(row.execution_kind)


def list_kinds() -> list[ExecutionKind[Any, Any, Any]]:
    """Return all kinds."""
    return [get_kind(name) for name in registry_index.EXECUTION_KINDS]


def find_by_durable_name(name: str) -> AnyRow | None:
    """Return the execution of a durable execution's name; None when there is none."""
    rows = (kind.find_by_durable_name(name) for kind in list_kinds())
    return next((row for row in rows if row is not None), None)
