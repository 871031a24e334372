"""The permission flags of a single member, by resource: true grants, false denies, and both win over the role."""

from weconnect.base_entity import ApiModel


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


class MemberPermissions(ApiModel):
    """Permission flags of one member; a missing flag leaves the decision to the role."""

    workflows: WorkflowPermissions | None = None
    credentials: CredentialPermissions | None = None
    organization: OrganizationPermissions | None = None
    agents: WorkflowPermissions | None = None
    executions: ExecutionPermissions | None = None
    templates: ContentPermissions | None = None
    webhooks: ContentPermissions | None = None
    schedules: WorkflowPermissions | None = None
    monitoring: MonitoringPermissions | None = None
