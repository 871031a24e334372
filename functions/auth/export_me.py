"""POST /v1/users/me/export"""

from weconnect.auth import accounts
from weconnect.auth.forms import UserExport
from weconnect.auth.parameters import Person
from weconnect.http import app, handler

__all__ = ["handler"]


@app.post("/v1/users/me/export", secret=True, own=True, tags=["Users"])
def export_me(caller: Person) -> UserExport:
    """Everything that is kept about the caller, without secrets."""
    return accounts.export(caller)
