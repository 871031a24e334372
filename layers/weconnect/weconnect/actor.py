"""The actor of a change: who made it, by which request. Each row has that of its last change, for the audit trail."""

from typing import TypedDict


class Actor(TypedDict, total=False):
    """The user, API key, job or part of the system that made a change; empty for what has none.

    `system` names a part of the system that acts for nobody, such as `sweeper`.
    """

    userId: str
    organizationId: str
    apiKeyId: str | None
    operator: bool
    requestId: str
    ip: str
    userAgent: str
    jobId: str
    agentId: str
    executionId: str
    system: str
