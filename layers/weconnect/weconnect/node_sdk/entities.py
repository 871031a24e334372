"""A node of a workflow and a connection between two, as the API sends and receives them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from weconnect.base_entity import ApiModel, JsonObject, trimmed_text

NodeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Port = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Position(ApiModel):
    """The position of a node in an editor; it does not affect executions."""

    x: float = 0
    y: float = 0


class NodeRetry(ApiModel):
    """Retries of a node with an effect: how many attempts, and how long to wait after a failed one.

    `on` lists the error codes to retry; an empty list means errors that may pass, such as timeouts. An attempt repeats
    all items of the node, including those that succeeded before, with idempotency keys of its own. To retry items one
    by one, put a loop around the node.
    """

    max_attempts: int = Field(default=1, ge=1, le=10)
    backoff: Literal["fixed", "exponential"] = "fixed"
    delay_seconds: int = Field(default=1, ge=1, le=3_600)
    max_delay_seconds: int = Field(default=300, ge=1, le=86_400)
    on: list[Annotated[str, trimmed_text(100)]] = Field(default=[], max_length=20)


class Node(ApiModel):
    """A step of a workflow, of a node type.

    Texts in `parameters` may contain JSONata expressions between `{{` and `}}`, evaluated over the current item. They
    can use `$json`, the item; `$input`, all items of the node; `$index`, the item's index in them; `$trigger`, the
    input of the execution; `$nodes.name`, the result of an earlier node, as `output` (its first item), `items` and
    `outputs` (by name); `$vars.name`; and `$execution` (`id`, `workflowId`, `workflowName`, `workflowVersion`, `mode`,
    `callbackToken`). `onError` decides what an error does: `stop` fails the execution, `continue` passes on the items
    with the error added, `error_output` sends them to the output `error`.
    """

    id: NodeId
    name: Annotated[str, trimmed_text(100)]
    type: Annotated[str, trimmed_text(64)]
    parameters: JsonObject = {}
    position: Position = Position()
    is_enabled: bool = True
    credential_id: UUID | None = None
    retry: NodeRetry = NodeRetry()
    timeout_seconds: int | None = Field(default=None, ge=1, le=86_400)
    on_error: Literal["stop", "continue", "error_output"] = "stop"
    notes: Annotated[str, StringConstraints(max_length=2_000)] | None = None


class Connection(ApiModel):
    """A connection that passes items from an output to an input.

    With a `condition`, an expression, it passes only the items for which it is true.
    """

    source_node_id: NodeId
    source_output: Port = "main"
    target_node_id: NodeId
    target_input: Port = "main"
    condition: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    is_enabled: bool = True
