"""The one table of names by which lower modules reach higher ones, resolved when they are used.

A lower module must not import a higher one: the table would know the workflows, and deleting an organization the
agents. It looks the name up here instead, and the module is imported at first use, so that nothing costs cold start.
Names are dotted, `package.module:attribute`; a test resolves all of them.
"""

import importlib
from typing import Any

_KINDS_BY_MODULE = {
    "weconnect.agents.memory.rows": (
        *(
            "AGENTMEMORY",
            "AGENTSESSION",
            "LEXICON",
            "MEMORYHISTORY",
            "MEMORYKEY",
            "MEMORYTERM",
            "MEMORYVECTOR",
        ),
    ),
    "weconnect.agents.rows": (
        *("AGENT", "AGENTBUDGET", "AGENTEXECUTION", "AGENTNESTED", "AGENTSTATS", "AGENTSTEP", "AGENTVERSION"),
        *("PURGEDAGENT",),
    ),
    "weconnect.agents.tools.rows": ("AGENTTOOL", "TOOLNAME"),
    "weconnect.api.idempotency": ("IDEMPOTENCY",),
    "weconnect.approvals.rows": ("APPROVAL", "QUESTION"),
    "weconnect.auth.rows": ("IDENTITY", "IDENTITYOFUSER", "MFA", "RATE", "REGISTRATIONS"),
    "weconnect.events.rows": ("EVENTTRIGGER",),
    "weconnect.executions.rows": (
        *("CALLBACK", "CHILD", "DELETEDRUN", "EXECUTION", "FILE", "NODERUNS", "QUEUE", "SEMAPHORE"),
    ),
    "weconnect.identity.rows": (
        *("APIKEY", "ATTEMPTS", "EMAIL", "IDENTITYPROVIDER", "LIMIT", "SESSION", "TOKEN", "USER"),
    ),
    "weconnect.jobs.rows": ("JOB", "JOBINPUT"),
    "weconnect.organizations.rows": (
        *("COUNT", "EVENT", "INVITATION", "INVITEMAIL", "MEMBER", "MEMBERCOUNT", "NAME", "ORGANIZATION"),
        *("ROLE", "SLUG", "STRIPEEVENT", "USAGE"),
    ),
    "weconnect.security.encryption": ("DATAKEY",),
    "weconnect.workflows.rows": ("WORKFLOW", "WORKFLOWVERSION"),
    "weconnect.workflows.sharing.rows": ("WORKFLOWSHARE",),
    "weconnect.workflows.variables.rows": ("VARIABLE", "VARIABLEID"),
}
"""The kinds of rows that each module declares, as they are stored in `kind`."""

MODULES_BY_KIND = {kind: module for module, kinds in _KINDS_BY_MODULE.items() for kind in kinds}

PURGES_BY_KIND = {
    "AGENT": "weconnect.agents.purge:purge",
    "ORG": "weconnect.organizations.purge:purge",
    "WORKFLOW": "weconnect.workflows.purge:purge",
}
"""Functions that delete the belongings of a row that left the trash, by the kind in its key there:
`purge(trash: tuple[str, str]) -> bool`, False when there is more to delete."""

JOB_TYPES = {"bulk_executions": "weconnect.workflows.executions.bulk_job:JOB"}
"""The `JobType` of each type of job."""

EXPORT_PARTS = {
    "agents": "weconnect.agents.export:export_agents",
    "workflows": "weconnect.workflows.export:export_workflows",
}
"""Parts of an organization's export by their fields: `export(caller: Caller) -> list[JsonObject]`."""

ORGANIZATION_PURGES = (
    "weconnect.agents.purge:erase_organization",
    "weconnect.executions.purge:erase_organization",
    "weconnect.workflows.purge:erase_organization",
)
"""Erase the rows of a deleted organization outside of its own partition, in this order:
`erase_organization(organization_id: UUID, eraser: Eraser) -> None`."""

NODE_PACKAGES = ("weconnect.workflows.nodes", "weconnect.agents.nodes")
"""Packages in which each file is a node type: it has a `NODE`."""

MEMBER_PURGES = ("weconnect.workflows.sharing.purge:delete_shares_with",)
"""Delete the belongings of a former member: `purge(organization_id: UUID, user_id: UUID) -> None`."""


def resolve(name: str) -> Any:
    """Return the attribute that a dotted name names, importing its module at first use."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def import_rows(kind: str) -> None:
    """Import the module that declares the rows of a kind; does nothing for an unknown kind."""
    if module := MODULES_BY_KIND.get(kind):
        importlib.import_module(module)
