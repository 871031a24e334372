"""Entities of workflows, their nodes, connections and versions, as the API sends and receives them."""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from weconnect.base_entity import ApiModel, Name, NewName, TenantEntity, trimmed_text
from weconnect.node_sdk.entities import Connection, Node
from weconnect.texts import require_visible

DEFINITION_BYTES = 1_000_000
MAX_NODES = 1_000
MAX_CONNECTIONS = 5_000

Description = Annotated[str, StringConstraints(max_length=10_000)]
Changelog = Annotated[str, StringConstraints(max_length=2_000)]
Label = Annotated[str, trimmed_text(100)]
Tags = Annotated[list[Annotated[str, trimmed_text(100)]], Field(max_length=20)]
NewTags = Annotated[
    list[Annotated[str, trimmed_text(100), AfterValidator(require_visible)]], Field(max_length=20)
]


def _require_time_zone(name: str) -> str:
    """Return an IANA time zone's name. Raises ValueError for an unknown one."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone. Give a name such as Europe/Berlin.") from error
    return name


class WorkflowStatus(StrEnum):
    """The status of a workflow. Only an active one can be executed."""

    DRAFT = "draft"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ARCHIVED = "archived"


class Concurrency(ApiModel):
    """A limit of how many executions of a workflow may be open at once, suspended ones included.

    `key` is an expression over the input; executions with different keys do not limit each other. An execution over
    the limit is queued (`queue`), rejected with 409 (`skip`), or cancels the oldest ones and starts when they have
    ended (`cancel_running`).
    """

    limit: int = Field(ge=1, le=100)
    key: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    policy: Literal["queue", "skip", "cancel_running"] = "queue"


class WorkflowSettings(ApiModel):
    """Settings of a workflow. `timeoutSeconds` limits the time that an execution works, without suspensions."""

    timeout_seconds: int = Field(default=300, ge=1, le=86_400)
    retention_days: int | None = Field(default=None, ge=1, le=365)
    error_workflow_id: UUID | None = None
    concurrency: Concurrency | None = None
    timezone: Annotated[str, trimmed_text(64), AfterValidator(_require_time_zone)] = "UTC"
    execution: Literal["auto", "express", "durable"] = "auto"
    offer_as_tool: bool = Field(
        default=False,
        description="Offer the workflow as a tool to MCP clients. Its manual or webhook trigger needs an `inputSchema`",
    )


def _require_visible_names(nodes: list[Node]) -> list[Node]:
    """Return the nodes. Raises ValueError for a name with a character that cannot be shown."""
    for node in nodes:
        try:
            require_visible(node.name)
        except ValueError as error:
            raise ValueError(f"the name of the node {node.id!r} {error}") from None
    return nodes


NewNodes = Annotated[list[Node], AfterValidator(_require_visible_names)]


class WorkflowDefinition(ApiModel):
    """The settings, nodes and connections of a workflow. Each change of them creates an immutable version."""

    settings: WorkflowSettings = WorkflowSettings()
    nodes: list[Node] = Field(default=[], max_length=MAX_NODES)
    connections: list[Connection] = Field(default=[], max_length=MAX_CONNECTIONS)


class NewWorkflow(WorkflowDefinition):
    """A workflow to create, as a draft."""

    name: NewName
    description: Description = ""
    tags: NewTags = []
    nodes: NewNodes = Field(default=[], max_length=MAX_NODES)


class WorkflowChanges(ApiModel):
    """Fields to change; a missing one stays, a present one is replaced as a whole."""

    name: NewName | None = None
    description: Description | None = None
    tags: NewTags | None = None
    settings: WorkflowSettings | None = None
    nodes: Annotated[list[Node], AfterValidator(_require_visible_names)] | None = Field(
        default=None, max_length=MAX_NODES
    )
    connections: list[Connection] | None = Field(default=None, max_length=MAX_CONNECTIONS)
    changelog: Changelog | None = Field(
        default=None, description="Changelog of the version that the change creates"
    )
    label: Label | None = None


class WorkflowSummary(TenantEntity):
    """A workflow in a list: without its definition, and with the first 500 characters of its description."""

    name: Name
    description: str = ""
    status: WorkflowStatus = WorkflowStatus.DRAFT
    tags: Tags = []
    node_count: int = 0
    latest_version: int = Field(
        default=1, description="Number of the newest definition; `version` is that of the entity"
    )
    active_version: int | None = Field(
        default=None, description="Number of the version that is executed, while the workflow is active"
    )
    execution_count: int = 0
    last_executed_at: AwareDatetime | None = None


class Workflow(WorkflowSummary, WorkflowDefinition):
    """A workflow with its newest definition."""


class WorkflowVersionSummary(ApiModel):
    """A version of a workflow in a list, without its definition."""

    workflow_id: UUID
    number: int
    changelog: Changelog | None = None
    label: Label | None = None
    created_at: AwareDatetime
    created_by: UUID
    previous_version: int | None = None
    node_count: int = 0


class WorkflowVersion(WorkflowVersionSummary):
    """A version of a workflow with its definition."""

    definition: WorkflowDefinition


class Difference(ApiModel):
    """A difference between two versions. In `pointer`, nodes have their IDs as keys, and connections their ends."""

    kind: Literal["added", "removed", "changed"]
    pointer: str
    before: Any = None
    after: Any = None


class VersionDiff(ApiModel):
    """The differences between two versions of a workflow."""

    from_version: int
    to_version: int
    differences: list[Difference]


class Activation(ApiModel):
    """The version to activate; without a number, the newest."""

    number: int | None = Field(default=None, ge=1)


class Finding(ApiModel):
    """A problem of a definition and its pointer. Warnings do not prevent activation."""

    severity: Literal["error", "warning"] = "error"
    code: str
    message: str
    node_id: str | None = None
    pointer: str


class Validation(ApiModel):
    """The findings about a definition. `express`: an execution that its caller waits for needs no durable function."""

    valid: bool
    express: bool
    findings: list[Finding]


class WorkflowExport(ApiModel):
    """A workflow as a file, without secrets, credentials and references to its organization."""

    format: Literal["weconnect/workflow"] = "weconnect/workflow"
    format_version: Literal[1] = 1
    name: Name
    description: Description = ""
    tags: Tags = []
    definition: WorkflowDefinition
    credential_slots: list[str] = Field(
        default=[], max_length=MAX_NODES, description="IDs of the nodes that need a credential"
    )
