"""POST /v1/auth/mfa/enroll"""

from weconnect.api.resolver import app, handler
from weconnect.auth.account.schemas import MfaEnrollment
from weconnect.auth.login import mfa
from weconnect.auth.parameters import Person

__all__ = ["handler"]


@app.post("/v1/auth/mfa/enroll", secret=True, own=True, tags=["Authentication"])
def enroll_mfa(caller: Person) -> MfaEnrollment:
    """Get a TOTP secret and recovery codes, shown once; they count once they are confirmed."""
    return mfa.enroll(caller)
