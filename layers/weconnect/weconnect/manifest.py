"""The manifest of a module: what it adds to the tables that modules below it read.

It is `MODULE` in `<module>/module.py`, and names functions, classes and modules by text (`package.module:attribute`),
so that reading it imports nothing. From all of them `make api` writes `registry_index`, which alone the layer reads,
the tags of the OpenAPI document and parts of `template.yaml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

EXECUTION_ENDED: Mapping[str, object] = {
    "eventName": ["MODIFY"],
    "dynamodb": {
        "NewImage": {"status": {"S": ["completed", "failed", "timeout"]}},
        "OldImage": {"status": {"S": ["pending", "running", "waiting", "paused"]}},
    },
}
"""The change of an execution's row by which it ends, unless it is cancelled: a `change` of an `EventSource`."""


@dataclass(frozen=True, kw_only=True)
class ExportPart:
    """A field of an organization's export: `function(caller: Caller) -> list[JsonObject]`, and its description."""

    function: str
    description: str


@dataclass(frozen=True, kw_only=True)
class EventSource:
    """The events that changes of one kind of row amount to.

    `change` is the pattern of the stream records to look at, without the kind: `{"eventName": ["INSERT"]}`. Lambda
    allows five patterns for a stream, so kinds with the same one share it. `types` are the types of the events with
    their descriptions. `build` is `build(change: Change) -> EventMessage | None`.
    """

    change: Mapping[str, object]
    types: Mapping[str, str]
    build: str


@dataclass(frozen=True, kw_only=True)
class PlanQuota:
    """A quota of the plan: its field of PlanLimits, and its noun in the plural for mails.

    `key_part` names its counter (`CountRow`), and its names (`NameRow`); it is empty for one that is counted otherwise.
    """

    limit_field: str
    noun: str
    key_part: str = ""


@dataclass(frozen=True, kw_only=True)
class Module:
    """The manifest of one module. Every field may be left out."""

    permissions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The actions of each resource: `{"agents": ("create", "read")}`."""
    rows: tuple[str, ...] = ()
    """The modules that declare row classes."""
    trash: Mapping[str, str] = field(default_factory=dict)
    """Functions that delete the belongings of a row that left the trash, or of an execution, by the kind in its key:
    `purge(trash: tuple[str, str]) -> bool`, False when there is more to delete."""
    erase_organization: str = ""
    """Erases the rows of a deleted organization outside of its own partition:
    `erase_organization(organization_id: UUID, eraser: Eraser) -> None`."""
    erase_member: str = ""
    """Deletes the belongings of a former member: `erase_member(organization_id: UUID, user_id: UUID) -> None`."""
    close_access: str = ""
    """Drops what lets others into an organization, or data out of it, when another person takes its owner's account
    over: `close_access(owner: Caller) -> None`."""
    export: Mapping[str, ExportPart] = field(default_factory=dict)
    """Parts of an organization's export by their fields."""
    job_types: Mapping[str, str] = field(default_factory=dict)
    """The `JobType` of each type of job."""
    events: Mapping[str, EventSource] = field(default_factory=dict)
    """Events by the kind of the rows whose changes they are."""
    quotas: Mapping[str, PlanQuota] = field(default_factory=dict)
    """Quotas of the plan by the resource's name in the usage."""
    triggers: Mapping[str, str] = field(default_factory=dict)
    """The `TriggerKind` of each type of trigger node that starts active workflows by itself."""
    node_packages: tuple[str, ...] = ()
    """Packages in which each file is a node type: it has a `NODE`."""
    execution_kinds: Mapping[str, str] = field(default_factory=dict)
    """The `ExecutionKind` of each kind of executions. Another one needs a name in `KindName`, too."""
    tool_offers: Mapping[str, str] = field(default_factory=dict)
    """The module that tells which workflows may be called as tools, as `workflow`; nothing else is read."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of the OpenAPI document with their descriptions."""
    tags_rank: int = 50
    """The position of the tags in the document, ascending."""
    role: str = "PublicRole"
    """The IAM role of the routes, a resource of template.yaml."""
    reading_role: str = ""
    """The IAM role of the routes that change nothing and store no response for replays; `role` when it is empty."""
    roles_by_route: Mapping[str, str] = field(default_factory=dict)
    """The IAM roles of routes that need another one, by the name of their function."""
    memory_by_route: Mapping[str, int] = field(default_factory=dict)
    """The memory, in MB, of routes that need more or less than 512, by the name of their function."""
    layers_by_route: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The further layers of routes, resources of template.yaml, by the name of their function."""
