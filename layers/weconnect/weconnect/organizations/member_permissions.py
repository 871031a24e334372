"""The permission flags of a single member, by resource: true grants, false denies, and both win over the role."""

from typing import Any

from pydantic import create_model

from weconnect.base_entity import ApiModel, with_fields
from weconnect.registry_index import PERMISSIONS


def _define_flags(resource: str) -> tuple[Any, None]:
    """Return the field of a resource that this file does not know, with a flag for each of its actions."""
    flags: dict[str, Any] = dict.fromkeys(PERMISSIONS[resource], (bool | None, None))
    name = f"{resource.title()}Permissions"
    model = create_model(name, __base__=ApiModel, __doc__=f"Flags for {resource}.", **flags)
    return (model | None, None)


class WorkflowPermissions(ApiModel):
    """Flags for workflows, agents and schedules. A flag wins over the role: true grants, false denies."""

    create: bool | None = None
    read: bool | None = None
    update: bool | None = None
    delete: bool | None = None
    execute: bool | None = None


class CredentialPermissions(ApiModel):
    """Flags for credentials."""

    create: bool | None = None
    read: bool | None = None
    update: bool | None = None
    delete: bool | None = None
    use: bool | None = None


class OrganizationPermissions(ApiModel):
    """Flags for the organization itself."""

    invite: bool | None = None
    manage: bool | None = None
    billing: bool | None = None


class ExecutionPermissions(ApiModel):
    """Flags for executions."""

    read: bool | None = None
    update: bool | None = None
    delete: bool | None = None


class ContentPermissions(ApiModel):
    """Flags for templates and webhooks."""

    create: bool | None = None
    read: bool | None = None
    update: bool | None = None
    delete: bool | None = None


class MonitoringPermissions(ApiModel):
    """Flags for monitoring."""

    read: bool | None = None
    manage: bool | None = None


class _DeclaredPermissions(ApiModel):
    """The flags of the resources that this file knows."""

    workflows: WorkflowPermissions | None = None
    credentials: CredentialPermissions | None = None
    organization: OrganizationPermissions | None = None
    agents: WorkflowPermissions | None = None
    executions: ExecutionPermissions | None = None
    templates: ContentPermissions | None = None
    webhooks: ContentPermissions | None = None
    schedules: WorkflowPermissions | None = None
    monitoring: MonitoringPermissions | None = None


@with_fields(
    {
        resource: _define_flags(resource)
        for resource in PERMISSIONS
        if resource not in _DeclaredPermissions.model_fields
    }
)
class MemberPermissions(_DeclaredPermissions):
    """Permission flags of one member; a missing flag leaves the decision to the role."""
