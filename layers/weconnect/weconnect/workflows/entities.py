"""Workflows, their nodes and connections, and their versions, as they are on the wire."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from weconnect.base_entity import Json, Name, TenantEntity, Wire, up_to

DEFINITION_BYTES = 1_000_000
MAX_NODES = 1_000
MAX_CONNECTIONS = 5_000

NodeId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Port = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Description = Annotated[str, StringConstraints(max_length=10_000)]
Changelog = Annotated[str, StringConstraints(max_length=2_000)]
Label = Annotated[str, up_to(100)]
Tags = Annotated[list[Annotated[str, up_to(100)]], Field(max_length=20)]


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError("is no IANA time zone such as Europe/Berlin") from error
    return name


class WorkflowStatus(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ARCHIVED = "archived"


class Position(Wire):
    x: float = 0
    y: float = 0


class Retry(Wire):
    """How often a node with an effect is tried, and how long after a failure; `on` names error codes, empty means
    those that may pass. An attempt does all of the node's items, those again that had gone well in the last one, and
    has idempotency keys of its own: a loop around the node tries each item by itself.
    """

    max_attempts: int = Field(default=1, ge=1, le=10)
    backoff: Literal["fixed", "exponential"] = "fixed"
    delay_seconds: int = Field(default=1, ge=1, le=3_600)
    max_delay_seconds: int = Field(default=300, ge=1, le=86_400)
    on: list[Annotated[str, up_to(100)]] = Field(default=[], max_length=20)


class Node(Wire):
    """One thing that a workflow does. Texts in `parameters` may hold JSONata between `{{` and `}}`, over the item. It
    sees, too: `$json`, the item; `$input`, all items of the node, and `$index`, the item's place in them;
    `$trigger`, the run's input; `$nodes.name`, what a node before has answered, as `output` (its first item), `items`
    and `outputs` (by name); `$vars.name`; `$execution` (`id`, `workflowId`, `workflowName`, `workflowVersion`, `mode`,
    `callbackToken`). After an error, `onError` `continue` goes on with items that have the error; `error_output` sends
    them to the output `error`.
    """

    id: NodeId
    name: Annotated[str, up_to(100)]
    type: Annotated[str, up_to(64)]
    parameters: Json = {}
    position: Position = Position()
    is_enabled: bool = True
    credential_id: UUID | None = None
    retry: Retry = Retry()
    timeout_seconds: int | None = Field(default=None, ge=1, le=86_400)
    on_error: Literal["stop", "continue", "error_output"] = "stop"
    notes: Annotated[str, StringConstraints(max_length=2_000)] | None = None


class Connection(Wire):
    """Items go from an output to an input; with a `condition`, those for which the expression is true."""

    source_node_id: NodeId
    source_output: Port = "main"
    target_node_id: NodeId
    target_input: Port = "main"
    condition: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    is_enabled: bool = True


class Concurrency(Wire):
    """How many runs of a workflow may be open at once, waiting ones included. `key` is an expression over the input:
    runs with different keys do not limit one another. A run too many waits for its turn (`queue`), is refused with
    409 (`skip`), or asks the oldest to stop and begins when they have (`cancel_running`).
    """

    limit: int = Field(ge=1, le=100)
    key: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    policy: Literal["queue", "skip", "cancel_running"] = "queue"


class WorkflowSettings(Wire):
    """`timeoutSeconds` bounds a run's own time: waiting for a moment or for somebody is not counted."""

    timeout_seconds: int = Field(default=300, ge=1, le=86_400)
    retention_days: int | None = Field(default=None, ge=1, le=365)
    error_workflow_id: UUID | None = None
    concurrency: Concurrency | None = None
    timezone: Annotated[str, up_to(64), AfterValidator(_zone)] = "UTC"
    execution: Literal["auto", "express", "durable"] = "auto"
    offer_as_tool: bool = Field(
        default=False,
        description="Let MCP clients call it; its manual or webhook trigger has an `inputSchema`",
    )


class WorkflowDefinition(Wire):
    """What a run needs of a workflow. Every change of it makes a new, immutable version."""

    settings: WorkflowSettings = WorkflowSettings()
    nodes: list[Node] = Field(default=[], max_length=MAX_NODES)
    connections: list[Connection] = Field(default=[], max_length=MAX_CONNECTIONS)


class NewWorkflow(WorkflowDefinition):
    """What a caller gives to create a workflow, a draft."""

    name: Name
    description: Description = ""
    tags: Tags = []


class WorkflowChanges(Wire):
    """Fields to change; a missing one stays, each that is given is replaced whole."""

    name: Name | None = None
    description: Description | None = None
    tags: Tags | None = None
    settings: WorkflowSettings | None = None
    nodes: list[Node] | None = Field(default=None, max_length=MAX_NODES)
    connections: list[Connection] | None = Field(default=None, max_length=MAX_CONNECTIONS)
    changelog: Changelog | None = Field(default=None, description="Of the version that the change makes")
    label: Label | None = None


class WorkflowSummary(TenantEntity):
    """A workflow in a list: its description cut to 500 characters, without its nodes."""

    name: Name
    description: str = ""
    status: WorkflowStatus = WorkflowStatus.DRAFT
    tags: Tags = []
    node_count: int = 0
    latest_version: int = Field(default=1, description="Of the definition; `version` is the row's")
    active_version: int | None = Field(default=None, description="The version that runs, while it is active")
    execution_count: int = 0
    last_executed_at: AwareDatetime | None = None


class Workflow(WorkflowSummary, WorkflowDefinition):
    """A workflow with its newest definition."""


class WorkflowVersionSummary(Wire):
    """A version in a list."""

    workflow_id: UUID
    number: int
    changelog: Changelog | None = None
    label: Label | None = None
    created_at: AwareDatetime
    created_by: UUID
    previous_version: int | None = None
    node_count: int = 0


class WorkflowVersion(WorkflowVersionSummary):
    definition: WorkflowDefinition


class Difference(Wire):
    """One change between two versions. Nodes are named by their ids, connections by their ends."""

    kind: Literal["added", "removed", "changed"]
    pointer: str
    before: Any = None
    after: Any = None


class VersionDiff(Wire):
    from_version: int
    to_version: int
    differences: list[Difference]


class Activation(Wire):
    """Which version to activate; the newest when none is named."""

    number: int | None = Field(default=None, ge=1)


class Finding(Wire):
    """What is wrong with a definition, and where. Warnings do not keep it from being activated."""

    severity: Literal["error", "warning"] = "error"
    code: str
    message: str
    node_id: str | None = None
    pointer: str


class Validation(Wire):
    """`express` tells whether a run that is waited for is carried out at once, without a durable function."""

    valid: bool
    express: bool
    findings: list[Finding]


class WorkflowExport(Wire):
    """A workflow as a file: no secrets, ids of credentials named as slots, nothing of its organization."""

    format: Literal["weconnect/workflow"] = "weconnect/workflow"
    format_version: Literal[1] = 1
    name: Name
    description: Description = ""
    tags: Tags = []
    definition: WorkflowDefinition
    credential_slots: list[str] = Field(default=[], description="Nodes that need a credential, by id")
