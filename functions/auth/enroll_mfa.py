"""POST /v1/auth/mfa/enroll"""

from weconnect.api.resolver import app, handler
from weconnect.auth.login import mfa
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import MfaEnrollment

__all__ = ["handler"]


@app.post("/v1/auth/mfa/enroll", returns_secret=True, self_service=True, tags=["Authentication"])
def enroll_mfa(caller: Person) -> MfaEnrollment:
    """Enroll in multi-factor authentication.

    The response shows the TOTP secret and the recovery codes once. They have no effect before they are confirmed.
    """
    return mfa.enroll(caller)
