"""POST /v1/users/me/export"""

from weconnect.api.resolver import app, handler
from weconnect.auth.account import own_account
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import UserExport

__all__ = ["handler"]


@app.post("/v1/users/me/export", returns_secret=True, self_service=True, replays=True, tags=["Users"])
def export_me(caller: Person) -> UserExport:
    """Export all data of the caller's account.

    Secrets are left out.
    """
    return own_account.export(caller)
