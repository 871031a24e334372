"""What a walk through a graph goes by: its levels, and how it ends before all nodes have run."""

from dataclasses import dataclass, field

from weconnect.executions.entities import ExecutionError
from weconnect.executions.journal import Record
from weconnect.workflows.node_sdk.node_type import Items

ROOM = 2_600
"""Operations that a run plans with: what is left of `carrying.OPERATIONS` is for pauses and for what was underrated."""


class Failed(Exception):
    """A node's error ends the run, unless a loop around the node takes it."""

    def __init__(self, record: Record) -> None:
        super().__init__(record["error"]["message"])
        self.error = ExecutionError.model_validate(record["error"])


class Exhausted(Failed):
    """The run has taken as many operations as it may; no loop takes that."""


class Stopped(Exception):
    """A node ended the run as completed."""

    def __init__(self, items: Items) -> None:
        super().__init__("stopped")
        self.items = items


@dataclass
class Level:
    """A walk over the nodes of one level: the top, or one iteration of a loop's body.

    `room`: how many operations it may take.
    """

    loop: str | None
    suffix: str
    room: int
    inputs: dict[int, Items] = field(default_factory=dict)
    """What has come over each connection that has settled."""
    open: dict[str, int] = field(default_factory=dict)
    returned: Items = field(default_factory=list)
