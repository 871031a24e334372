"""Workflows: create, read, change, move to the trash and restore. `definition.activation` activates them."""

from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.api.pagination import Page, page_of, query_page
from weconnect.db import table
from weconnect.executions import closing
from weconnect.organizations.entities import Organization
from weconnect.organizations.errors import OrganizationNotFound, WorkflowLimitReached
from weconnect.organizations.plans import quotas
from weconnect.organizations.rows import OrganizationRow
from weconnect.workflows.definition import stored_versions, trigger_index
from weconnect.workflows.entities import (
    DEFINITION_BYTES,
    NewWorkflow,
    Workflow,
    WorkflowChanges,
    WorkflowDefinition,
    WorkflowStatus,
    WorkflowSummary,
)
from weconnect.workflows.errors import (
    DefinitionTooLarge,
    WorkflowArchived,
    WorkflowNotFound,
    WorkflowTooComplex,
)
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow
from weconnect.workflows.sharing import access, listing
from weconnect.workflows.sharing.access import RequiredAccess

SUMMARY_LENGTH = 500
QUOTA = quotas.Quota("workflows", "a workflow", WorkflowLimitReached)


def create(caller: Caller, new: NewWorkflow, changelog: str | None = None) -> Workflow:
    """Create a draft with its first version.

    Raises NameTaken, DefinitionTooLarge, WorkflowTooComplex, and LimitReached when the plan's quota is used up.
    """
    values = {name: getattr(new, name) for name in WorkflowDefinition.model_fields}
    definition = WorkflowDefinition.model_construct(**values)
    require_within_limits(caller, definition)
    workflow_id, moment = replay_safe_id(), clock.now()
    summary = WorkflowSummary(
        id=workflow_id,
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        name=new.name,
        description=new.description[:SUMMARY_LENGTH],
        tags=new.tags,
        node_count=len(definition.nodes),
    )
    pk, sk = WorkflowRow.at(caller.organization_id, workflow_id)
    row = WorkflowRow.of(summary, pk=pk, sk=sk)
    with quotas.reserve(caller, QUOTA, row.name) as writes:
        writes.create(row)
        stored_versions.write_version(
            writes, caller, row, new.description, definition, 1, changelog=changelog
        )
    return to_workflow(row, new.description, definition)


def get(caller: Caller, workflow_id: UUID) -> Workflow:
    """Return a workflow with its newest definition, read in one call to the table."""
    return to_workflow(*load_for(caller, workflow_id, access.VIEW))


def load_for(
    caller: Caller, workflow_id: UUID, required: RequiredAccess
) -> tuple[WorkflowRow, str, WorkflowDefinition]:
    """Return what `load` returns, if the caller has the required access. Raises as `access.require` does."""
    row, description, definition = load(caller.organization_id, workflow_id)
    return access.require(caller, row, required), description, definition


def load(organization_id: UUID, workflow_id: UUID) -> tuple[WorkflowRow, str, WorkflowDefinition]:
    """Return a workflow's row, its whole description and its newest definition. Raises WorkflowNotFound."""
    at = WorkflowRow.at(organization_id, workflow_id)
    at_newest = WorkflowVersionRow.at_newest(organization_id, workflow_id)
    rows_by_key = table.get_many([at, at_newest])
    row, version = rows_by_key.get(at), rows_by_key.get(at_newest)
    if not isinstance(row, WorkflowRow) or not isinstance(version, WorkflowVersionRow):
        raise WorkflowNotFound()
    return row, *stored_versions.unpack_definition(organization_id, version)


def require(caller: Caller, workflow_id: UUID, required: RequiredAccess) -> WorkflowRow:
    """Return a workflow's row, if the caller has the required access. Raises as `access.require` does."""
    row = table.get(WorkflowRow, WorkflowRow.at(caller.organization_id, workflow_id))
    return access.require(caller, row, required)


def find(
    caller: Caller,
    *,
    limit: int,
    cursor: str | None,
    status: WorkflowStatus | None = None,
    tag: str | None = None,
    search: str | None = None,
    deleted: bool = False,
) -> Page[WorkflowSummary]:
    """Return a page of the organization's workflows, newest first; `deleted` lists the trash instead.

    A caller whose role may not read workflows gets those that are shared with them.
    """
    search_text = (search or "").casefold()

    def matches_filters(row: WorkflowRow) -> bool:
        """Return whether a workflow has the status, the tag and, in its name or description, the text searched for."""
        return (
            (status is None or row.status == status)
            and (tag is None or tag in (row.tags or []))
            and (
                not search_text
                or search_text in row.name.casefold()
                or search_text in (row.description or "").casefold()
            )
        )

    pk, prefix = WorkflowRow.of_organization(caller.organization_id, deleted=deleted)
    filters = [status, tag, search]
    if not caller.has_permission(access.VIEW.permission):
        shared = (
            [] if deleted else [row for row in listing.list_shared_workflows(caller) if matches_filters(row)]
        )
        return page_of(
            [row.to_entity() for row in shared], caller.user_id, limit=limit, cursor=cursor, filters=filters
        )
    rows, next_cursor = query_page(
        WorkflowRow,
        pk,
        prefix,
        limit=limit,
        cursor=cursor,
        keep=matches_filters if any(value is not None for value in filters) else None,
        filters=filters,
    )
    return Page(items=[row.to_entity() for row in rows], next_cursor=next_cursor)


def update(caller: Caller, workflow_id: UUID, changes: WorkflowChanges, if_match: int | None) -> Workflow:
    """Change a workflow. Changed settings, nodes or connections create a version; the active one stays active.

    Raises WorkflowArchived, NameTaken, StaleVersion, DefinitionTooLarge, WorkflowTooComplex.
    """
    row, description, before = load_for(caller, workflow_id, access.EDIT)
    require_not_archived(row)
    requested = {name: getattr(changes, name) for name in changes.model_fields_set}
    requested = {name: value for name, value in requested.items() if value is not None}
    parts = {name: requested[name] for name in requested if name in WorkflowDefinition.model_fields}
    definition = before.model_copy(update=parts)
    description = requested.get("description", description)
    values: dict[str, Any] = {name: requested[name] for name in ("name", "tags") if name in requested}
    values["description"] = description[:SUMMARY_LENGTH]
    number = row.latest_version
    if definition != before:
        require_within_limits(caller, definition)
        number += 1
        values |= {"latest_version": number, "node_count": len(definition.nodes)}
    old_name = row.name
    with table.transaction(caller.actor()) as writes:
        writes.change(row, values, if_match=if_match)
        quotas.rename(writes, caller.organization_id, QUOTA, old_name, values.get("name", old_name))
        if definition != before:
            notes = {name: requested.get(name) for name in ("changelog", "label")}
            stored_versions.write_version(writes, caller, row, description, definition, number, **notes)
        elif "description" in requested:
            stored_versions.write_newest_copy(writes, row, description, definition)
    return to_workflow(row, description, definition)


def delete(caller: Caller, workflow_id: UUID, if_match: int | None, *, purge: bool = False) -> None:
    """Move a workflow to the trash, deactivate it and cancel its queued executions.

    With `purge`, delete one in the trash for good.
    """
    if purge:
        trashed = _require_in_trash(caller, workflow_id)
        with table.transaction(caller.actor()) as writes:
            writes.delete(trashed, if_match=if_match)
        return
    row = require(caller, workflow_id, access.DELETE)
    with table.transaction(caller.actor()) as writes:
        moved = table.move_to_trash(
            writes, row, WorkflowRow.in_trash(caller.organization_id, workflow_id), if_match=if_match
        )
        if row.status == WorkflowStatus.ACTIVE:
            moved.set(status=WorkflowStatus.INACTIVE.value, active_version=None)
        moved.set(**trigger_index.remove(writes, row))
        quotas.release(writes, caller.organization_id, QUOTA, row.name)
    closing.cancel_queued(caller.organization_id, workflow_id)


def restore(caller: Caller, workflow_id: UUID) -> Workflow:
    """Restore a workflow from the trash, inactive.

    Raises NameTaken when another workflow has its name by now, LimitReached when the plan's quota is used up.
    """
    row = _require_in_trash(caller, workflow_id)
    with quotas.reserve(caller, QUOTA, row.name) as writes:
        table.restore_from_trash(writes, row, WorkflowRow.at(caller.organization_id, workflow_id))
    return to_workflow(*load(caller.organization_id, workflow_id))


def require_within_limits(caller: Caller, definition: WorkflowDefinition) -> None:
    """Raise DefinitionTooLarge, or WorkflowTooComplex for more nodes than the organization may have."""
    size = len(definition.model_dump_json())
    if size > DEFINITION_BYTES:
        raise DefinitionTooLarge(
            f"The definition has {size} bytes as JSON; at most {DEFINITION_BYTES} are allowed. "
            "Move parts of it to other workflows."
        )
    row = table.require(OrganizationRow, OrganizationRow.at(caller.organization_id), OrganizationNotFound)
    limit = get_max_nodes(row.to_entity())
    if 0 <= limit < len(definition.nodes):
        raise WorkflowTooComplex(
            f"The workflow has {len(definition.nodes)} nodes; at most {limit} are allowed. "
            "Remove nodes, or move some to a workflow of their own.",
            errors=[{"pointer": "/nodes", "detail": f"more than {limit} nodes"}],
        )


def get_max_nodes(organization: Organization) -> int:
    """Return how many nodes a workflow may have (-1: any number), the lower of plan and own setting."""
    plan_limit = organization.get_plan_limits().max_workflow_complexity
    own = organization.custom_settings.workflow
    if own and own.max_complexity:
        return own.max_complexity if plan_limit < 0 else min(plan_limit, own.max_complexity)
    return plan_limit


def to_workflow(row: WorkflowRow, description: str, definition: WorkflowDefinition) -> Workflow:
    """Return the workflow made of its row, its whole description and a definition."""
    values = row.values() | {"description": description}
    parts = {name: getattr(definition, name) for name in WorkflowDefinition.model_fields}
    return Workflow.model_validate(values | parts, by_name=True)


def require_not_archived(row: WorkflowRow) -> None:
    """Raise WorkflowArchived for an archived workflow."""
    if row.status == WorkflowStatus.ARCHIVED:
        raise WorkflowArchived()


def _require_in_trash(caller: Caller, workflow_id: UUID) -> WorkflowRow:
    """Return the row of a workflow in the trash. Raises as `access.require` does."""
    row = table.get(WorkflowRow, WorkflowRow.in_trash(caller.organization_id, workflow_id))
    return access.require(caller, row, access.DELETE)
