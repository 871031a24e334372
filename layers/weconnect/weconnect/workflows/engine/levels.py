"""Walks over the levels of a graph, and how they end before all nodes were executed."""

from dataclasses import dataclass, field

from weconnect.executions.entities import ExecutionError
from weconnect.executions.results import ErrorValues
from weconnect.node_sdk.node_type import Items

MAX_OPERATIONS = 2_900
"""The platform ends an execution at 3,000 operations; ours ends before, with an error that says why."""
PLANNED_OPERATIONS = 2_600
"""What an execution plans with: the rest up to `MAX_OPERATIONS` is for pauses, and for what was underestimated."""


class NodeFailed(Exception):
    """The error of a node ends the execution, unless a loop around the node handles it."""

    def __init__(self, error: ErrorValues) -> None:
        super().__init__(error["message"])
        self.error = ExecutionError.model_validate(error)


class OperationsExhausted(NodeFailed):
    """The execution has taken as many operations as it may; no loop handles that."""


class StoppedByNode(Exception):
    """A node completed the execution, with these items as its output."""

    def __init__(self, items: Items) -> None:
        super().__init__("stopped")
        self.items = items


@dataclass
class Level:
    """A walk over the nodes of one level: the top one (`loop` is None), or one iteration of a loop's body.

    - `suffix`: the iterations so far, such as `.1.4`, appended to the paths of the level's nodes.
    - `planned_operations`: how many operations the walk may take.
    - `inputs`: the items of each connection that is settled, by the connection's index.
    - `open`: how many connections of each node are not settled; `returned`: the items that go back to the loop.
    """

    loop: str | None
    suffix: str
    planned_operations: int
    inputs: dict[int, Items] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    returned: Items = field(default_factory=list)
