"""Workflows: create, read, change, put in the trash and bring back. Activation stands in `activation`."""

from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.api.pagination import Page, page_of, query_page
from weconnect.db import table
from weconnect.errors import Conflict, LimitReached, TooLarge
from weconnect.organizations.entities import Organization
from weconnect.organizations.plans import quotas
from weconnect.organizations.rows import OrganizationRow
from weconnect.workflows.definition import trigger_index, versions
from weconnect.workflows.entities import (
    DEFINITION_BYTES,
    NewWorkflow,
    Workflow,
    WorkflowChanges,
    WorkflowDefinition,
    WorkflowStatus,
    WorkflowSummary,
)
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow
from weconnect.workflows.sharing import access, listing
from weconnect.workflows.sharing.access import Need

SUMMARY_LENGTH = 500
KIND = quotas.WORKFLOWS


def create(caller: Caller, new: NewWorkflow, changelog: str | None = None) -> Workflow:
    """Create a draft; raises Conflict `name_taken`, LimitReached at the plan's number of workflows or of nodes."""
    values = {name: getattr(new, name) for name in WorkflowDefinition.model_fields}
    definition = WorkflowDefinition.model_construct(**values)
    check_size(caller, definition)
    workflow_id, moment = new_id(), clock.now()
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
    with quotas.taken(caller, KIND, row.name) as writes:
        writes.create(row)
        versions.put(writes, caller, row, new.description, definition, 1, changelog=changelog)
    return workflow(row, new.description, definition)


def get(caller: Caller, workflow_id: UUID) -> Workflow:
    """One workflow with its newest definition, in one call to the table."""
    return workflow(*read(caller, workflow_id, access.VIEW))


def read(caller: Caller, workflow_id: UUID, need: Need) -> tuple[WorkflowRow, str, WorkflowDefinition]:
    """What `load` answers, for who may do this with it; raises NotFound or Forbidden as `access.require`."""
    found = load(caller.organization_id, workflow_id)
    access.require(caller, found[0], need)
    return found


def load(organization_id: UUID, workflow_id: UUID) -> tuple[WorkflowRow, str, WorkflowDefinition]:
    """The head of a workflow, its whole description and its newest definition; raises NotFound."""
    at = WorkflowRow.at(organization_id, workflow_id)
    newest = WorkflowVersionRow.at_newest(organization_id, workflow_id)
    found = table.get_many([at, newest])
    head, version = found.get(at), found.get(newest)
    if not isinstance(head, WorkflowRow) or not isinstance(version, WorkflowVersionRow):
        raise access.no_workflow()
    return head, *versions.opened(organization_id, version)


def need(caller: Caller, workflow_id: UUID, need: Need) -> WorkflowRow:
    """The head of a workflow, for who may do this with it; raises NotFound or Forbidden as `access.require`."""
    row = table.get(WorkflowRow, WorkflowRow.at(caller.organization_id, workflow_id))
    return access.require(caller, row, need)


def named(organization_id: UUID, name: str) -> UUID | None:
    """The workflow of that name."""
    return quotas.named(WorkflowRow, WorkflowRow.of_organization(organization_id), name)


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
    """Workflows of the organization, or those that are shared with who may not read all, newest first."""
    wanted = (search or "").casefold()

    def keep(row: WorkflowRow) -> bool:
        return (
            (status is None or row.status == status)
            and (tag is None or tag in (row.tags or []))
            and (not wanted or wanted in row.name.casefold() or wanted in (row.description or "").casefold())
        )

    pk, prefix = WorkflowRow.of_organization(caller.organization_id, deleted=deleted)
    filters = [status, tag, search]
    if not caller.may(access.VIEW.word):
        shown = [] if deleted else [row for row in listing.heads(caller) if keep(row)]
        return page_of(
            [row.to_entity() for row in shown], caller.user_id, limit=limit, cursor=cursor, filters=filters
        )
    rows, following = query_page(
        WorkflowRow,
        pk,
        prefix,
        limit=limit,
        cursor=cursor,
        keep=keep if any(value is not None for value in filters) else None,
        filters=filters,
    )
    return Page(items=[row.to_entity() for row in rows], next_cursor=following)


def update(caller: Caller, workflow_id: UUID, changes: WorkflowChanges, if_match: int | None) -> Workflow:
    """Change a workflow; other settings, nodes or connections make a new version. What is active stays active."""
    row, description, before = read(caller, workflow_id, access.EDIT)
    not_archived(row)
    given = {name: getattr(changes, name) for name in changes.model_fields_set}
    given = {name: value for name, value in given.items() if value is not None}
    parts = {name: given[name] for name in given if name in WorkflowDefinition.model_fields}
    definition = before.model_copy(update=parts)
    description = given.get("description", description)
    values: dict[str, Any] = {name: given[name] for name in ("name", "tags") if name in given}
    values["description"] = description[:SUMMARY_LENGTH]
    number = row.latest_version
    if definition != before:
        check_size(caller, definition)
        number += 1
        values |= {"latest_version": number, "node_count": len(definition.nodes)}
    old_name = row.name
    with table.transaction(caller.actor()) as writes:
        writes.change(row, values, if_match=if_match)
        quotas.rename(writes, caller.organization_id, KIND, old_name, values.get("name", old_name))
        if definition != before:
            notes = {name: given.get(name) for name in ("changelog", "label")}
            versions.put(writes, caller, row, description, definition, number, **notes)
        elif "description" in given:
            versions.put_newest(writes, row, description, definition)
    return workflow(row, description, definition)


def delete(caller: Caller, workflow_id: UUID, if_match: int | None, *, purge: bool = False) -> None:
    """Move a workflow to the trash, inactive; with `purge`, end one that is there."""
    if purge:
        gone = _need_in_trash(caller, workflow_id)
        with table.transaction(caller.actor()) as writes:
            writes.delete(gone, if_match=if_match)
        return
    row = need(caller, workflow_id, access.DELETE)
    with table.transaction(caller.actor()) as writes:
        moved = table.trash(
            writes, row, WorkflowRow.in_trash(caller.organization_id, workflow_id), if_match=if_match
        )
        if row.status == WorkflowStatus.ACTIVE:
            moved.set(status=WorkflowStatus.INACTIVE.value, active_version=None)
        moved.set(**trigger_index.hide(writes, row))
        quotas.give_back(writes, caller.organization_id, KIND, row.name)


def restore(caller: Caller, workflow_id: UUID) -> Workflow:
    """Bring a workflow back, inactive; fails as creation does when its name or its place was taken meanwhile."""
    row = _need_in_trash(caller, workflow_id)
    with quotas.taken(caller, KIND, row.name) as writes:
        table.untrash(writes, row, WorkflowRow.at(caller.organization_id, workflow_id))
    return workflow(*load(caller.organization_id, workflow_id))


def check_size(caller: Caller, definition: WorkflowDefinition) -> None:
    """Raise TooLarge for a definition that no version holds, LimitReached for more nodes than the plan takes."""
    if len(definition.model_dump_json()) > DEFINITION_BYTES:
        raise TooLarge(
            f"A definition takes at most {DEFINITION_BYTES} bytes as JSON", code="definition_too_large"
        )
    row = table.need(OrganizationRow, OrganizationRow.at(caller.organization_id), "organization")
    most = complexity(row.to_entity())
    if 0 <= most < len(definition.nodes):
        raise LimitReached(
            f"The plan takes workflows of {most} nodes; this one has {len(definition.nodes)}",
            code="workflow_too_complex",
            errors=[{"pointer": "/nodes", "detail": f"more than {most}"}],
        )


def complexity(organization: Organization) -> int:
    """How many nodes a workflow may have: the plan's number, or the organization's own where that is less."""
    most = organization.get_plan_limits().max_workflow_complexity
    own = organization.custom_settings.workflow
    if own and own.max_complexity:
        return own.max_complexity if most < 0 else min(most, own.max_complexity)
    return most


def workflow(row: WorkflowRow, description: str, definition: WorkflowDefinition) -> Workflow:
    """The workflow on the wire."""
    values = row.values() | {"description": description}
    parts = {name: getattr(definition, name) for name in WorkflowDefinition.model_fields}
    return Workflow.model_validate(values | parts, by_name=True)


def _need_in_trash(caller: Caller, workflow_id: UUID) -> WorkflowRow:
    row = table.get(WorkflowRow, WorkflowRow.in_trash(caller.organization_id, workflow_id))
    return access.require(caller, row, access.DELETE)


def not_archived(row: WorkflowRow) -> None:
    """Raise Conflict for a workflow that was put away."""
    if row.status == WorkflowStatus.ARCHIVED:
        raise Conflict("The workflow is archived; deactivate it to take it out", code="workflow_archived")
