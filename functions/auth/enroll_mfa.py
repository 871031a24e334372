"""POST /v1/auth/mfa/enroll"""

from weconnect.auth import mfa
from weconnect.auth.forms import MfaEnrollment
from weconnect.auth.parameters import Person
from weconnect.http import app, handler

__all__ = ["handler"]


@app.post("/v1/auth/mfa/enroll", secret=True, own=True, tags=["Authentication"])
def enroll_mfa(caller: Person) -> MfaEnrollment:
    """Get a TOTP secret and recovery codes, shown once; they count once they are confirmed."""
    return mfa.enroll(caller)
