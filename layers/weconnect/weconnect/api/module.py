"""The manifest of the API itself."""

from weconnect.manifest import Module

MODULE = Module(
    rows=("weconnect.api.idempotency",),
    tags={"Service": "Health of the service."},
    tags_rank=80,
    role="PublicRole",
    roles_by_route={"get_readiness": "ReadinessRole"},
)
