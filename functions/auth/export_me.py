"""POST /v1/users/me/export"""

from weconnect.api.resolver import app, handler
from weconnect.auth.account import account as accounts
from weconnect.auth.account.schemas import UserExport
from weconnect.auth.parameters import Person

__all__ = ["handler"]


@app.post("/v1/users/me/export", secret=True, own=True, tags=["Users"])
def export_me(caller: Person) -> UserExport:
    """Everything that is kept about the caller, without secrets."""
    return accounts.export(caller)
