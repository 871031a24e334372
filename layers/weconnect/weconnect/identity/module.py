"""The manifest of what authentication and organizations share."""

from weconnect.manifest import Module

MODULE = Module(
    # Roles and API keys grant these already. A module that serves one of them may declare it too, with these actions.
    permissions={
        "credentials": ("create", "read", "update", "delete", "use"),
        "templates": ("create", "read", "update", "delete"),
        "webhooks": ("create", "read", "update", "delete"),
        "schedules": ("create", "read", "update", "delete", "execute"),
        "monitoring": ("read", "manage"),
    },
    rows=("weconnect.identity.rows",),
)
