"""The manifest of authentication."""

from weconnect.manifest import Module

# Memory brings CPU, and bcrypt takes a whole one for a quarter of a second.
_HASHING_MEMORY = 1769
_HASHING = ("change_password", "disable_mfa", "login", "register", "reset_password", "update_me")

MODULE = Module(
    rows=("weconnect.auth.rows",),
    tags={
        "Authentication": "Registration, login, sessions, passwords and multi-factor authentication.",
        "Single sign-on": "OpenID Connect sign-in through an organization's identity provider.",
        "API keys": "API keys of a user in an organization.",
        "Users": "The caller's account, and the administration of users by operators.",
        "Execution limits": "Limits of what a member may execute.",
    },
    tags_rank=70,
    role="AuthRole",
    reading_role="ReadingRole",
    roles_by_route={
        "export_me": "ExportRole",
        "finish_sso": "AuthRole",  # signs in, although it is a GET
        "reset_password": "TakeoverRole",
        "verify_email": "TakeoverRole",
    },
    memory_by_route=dict.fromkeys(_HASHING, _HASHING_MEMORY),
)
