"""The declarations of all manifests. Written by `make api` from `weconnect/*/module.py`."""

MODULES_BY_KIND: dict[str, str] = {
    "AGENTMEMORY": "weconnect.agents.memory.rows",
    "AGENTSESSION": "weconnect.agents.memory.rows",
    "LEXICON": "weconnect.agents.memory.rows",
    "MEMORYHISTORY": "weconnect.agents.memory.rows",
    "MEMORYKEY": "weconnect.agents.memory.rows",
    "MEMORYTERM": "weconnect.agents.memory.rows",
    "MEMORYVECTOR": "weconnect.agents.memory.rows",
    "AGENT": "weconnect.agents.rows",
    "AGENTBUDGET": "weconnect.agents.rows",
    "AGENTENDED": "weconnect.agents.rows",
    "AGENTEXECUTION": "weconnect.agents.rows",
    "AGENTSTATS": "weconnect.agents.rows",
    "AGENTSTEP": "weconnect.agents.rows",
    "AGENTVERSION": "weconnect.agents.rows",
    "PURGEDAGENT": "weconnect.agents.rows",
    "AGENTTOOL": "weconnect.agents.tools.rows",
    "TOOLNAME": "weconnect.agents.tools.rows",
    "IDEMPOTENCY": "weconnect.api.idempotency",
    "APPROVAL": "weconnect.approvals.rows",
    "QUESTION": "weconnect.approvals.rows",
    "IDENTITY": "weconnect.auth.rows",
    "IDENTITYOFUSER": "weconnect.auth.rows",
    "MFA": "weconnect.auth.rows",
    "RATE": "weconnect.auth.rows",
    "REGISTRATIONS": "weconnect.auth.rows",
    "EVENTTRIGGER": "weconnect.events.rows",
    "CALLBACK": "weconnect.executions.rows",
    "CHILD": "weconnect.executions.rows",
    "DELETEDRUN": "weconnect.executions.rows",
    "ENDING": "weconnect.executions.rows",
    "QUEUE": "weconnect.executions.rows",
    "SEMAPHORE": "weconnect.executions.rows",
    "SWEEP": "weconnect.executions.rows",
    "TREE": "weconnect.executions.rows",
    "APIKEY": "weconnect.identity.rows",
    "ATTEMPTS": "weconnect.identity.rows",
    "EMAIL": "weconnect.identity.rows",
    "IDENTITYPROVIDER": "weconnect.identity.rows",
    "LIMIT": "weconnect.identity.rows",
    "MEMBERAPIKEYS": "weconnect.identity.rows",
    "SESSION": "weconnect.identity.rows",
    "TOKEN": "weconnect.identity.rows",
    "USER": "weconnect.identity.rows",
    "WAITING": "weconnect.identity.rows",
    "JOB": "weconnect.jobs.rows",
    "JOBINPUT": "weconnect.jobs.rows",
    "OPENJOBS": "weconnect.jobs.rows",
    "COUNT": "weconnect.organizations.rows",
    "DOMAIN": "weconnect.organizations.rows",
    "DOMAINOWNER": "weconnect.organizations.rows",
    "EVENT": "weconnect.organizations.rows",
    "FORMERMEMBER": "weconnect.organizations.rows",
    "INVITATION": "weconnect.organizations.rows",
    "INVITEMAIL": "weconnect.organizations.rows",
    "MEMBER": "weconnect.organizations.rows",
    "MEMBERCOUNT": "weconnect.organizations.rows",
    "NAME": "weconnect.organizations.rows",
    "ORGANIZATION": "weconnect.organizations.rows",
    "OWNEDORGANIZATIONS": "weconnect.organizations.rows",
    "ROLE": "weconnect.organizations.rows",
    "SLUG": "weconnect.organizations.rows",
    "STRIPEEVENT": "weconnect.organizations.rows",
    "TENANTMAIL": "weconnect.organizations.rows",
    "USAGE": "weconnect.organizations.rows",
    "DATAKEY": "weconnect.security.encryption",
    "EXECUTION": "weconnect.workflows.executions.rows",
    "FILE": "weconnect.workflows.executions.rows",
    "NODERUNS": "weconnect.workflows.executions.rows",
    "WORKFLOW": "weconnect.workflows.rows",
    "WORKFLOWVERSION": "weconnect.workflows.rows",
    "WORKFLOWSHARE": "weconnect.workflows.sharing.rows",
    "VARIABLE": "weconnect.workflows.variables.rows",
    "VARIABLEID": "weconnect.workflows.variables.rows",
}

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "agents": ("create", "read", "update", "delete", "execute"),
    "executions": ("read", "update", "delete"),
    "credentials": ("create", "read", "update", "delete", "use"),
    "templates": ("create", "read", "update", "delete"),
    "webhooks": ("create", "read", "update", "delete"),
    "schedules": ("create", "read", "update", "delete", "execute"),
    "monitoring": ("read", "manage"),
    "organization": ("invite", "manage", "billing"),
    "workflows": ("create", "read", "update", "delete", "execute"),
}

PURGES_BY_KIND: dict[str, str] = {
    "AGENT": "weconnect.agents.purge:purge",
    "EXECUTION": "weconnect.executions.purge:purge",
    "ORG": "weconnect.organizations.purge:purge",
    "WORKFLOW": "weconnect.workflows.purge:purge",
}

EXPORT_PARTS: dict[str, str] = {
    "agents": "weconnect.agents.export:export_agents",
    "workflows": "weconnect.workflows.export:export_workflows",
}

EXPORT_DESCRIPTIONS: dict[str, str] = {
    "agents": "Each agent with its tools and memories; secrets are masked",
    "workflows": "Each workflow as `POST /v1/workflows/import` accepts it",
}

JOB_TYPES: dict[str, str] = {
    "bulk_executions": "weconnect.workflows.executions.bulk_job:JOB",
}

EVENT_BUILDERS: dict[str, str] = {
    "AGENTEXECUTION": "weconnect.agents.events:build_message",
    "APPROVAL": "weconnect.approvals.events:build_message",
    "EXECUTION": "weconnect.workflows.executions.events:build_message",
}

EVENT_TYPES: dict[str, str] = {
    "agent.run.completed": "An execution of an agent completed; not one that another execution started",
    "agent.run.failed": "An execution of an agent failed or timed out; not one that another one started",
    "approval.requested": "An execution waits for a decision",
    "workflow.run.completed": "An execution of a workflow completed; no test, and not one that another waited for",
    "workflow.run.failed": "An execution of a workflow failed or timed out; no test, and not one that another waited for",
}

QUOTA_LIMIT_FIELDS: dict[str, str] = {
    "agents": "max_agents",
    "executions": "max_executions_per_month",
    "teamMembers": "max_team_members",
    "workflows": "max_workflows",
    "credentials": "max_credentials",
}

QUOTA_KEY_PARTS: dict[str, str] = {
    "agents": "AGENT",
    "workflows": "WORKFLOW",
    "credentials": "CREDENTIAL",
}

QUOTA_NOUNS: dict[str, str] = {
    "agents": "agents",
    "executions": "executions this month",
    "teamMembers": "members and open invitations",
    "workflows": "workflows",
    "credentials": "credentials",
}

TRIGGERS: dict[str, str] = {
    "event": "weconnect.workflows.definition.event_trigger:TRIGGER",
}

EXECUTION_KINDS: dict[str, str] = {
    "agent": "weconnect.agents.executions.kind:AGENT",
    "workflow": "weconnect.workflows.executions.kind:WORKFLOW",
}

TOOL_OFFERS: dict[str, str] = {
    "workflow": "weconnect.workflows.definition.tool_offers",
}

ORGANIZATION_PURGES: tuple[str, ...] = (
    "weconnect.agents.purge:erase_organization",
    "weconnect.workflows.purge:erase_organization",
)

MEMBER_PURGES: tuple[str, ...] = ("weconnect.workflows.sharing.purge:delete_shares_with",)

ACCESS_CLOSINGS: tuple[str, ...] = (
    "weconnect.executions.closing:close_access",
    "weconnect.jobs.service:close_access",
    "weconnect.workflows.sharing.purge:close_access",
)

NODE_PACKAGES: tuple[str, ...] = ("weconnect.agents.nodes", "weconnect.workflows.nodes")
