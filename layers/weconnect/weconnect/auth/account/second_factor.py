"""Turning the second factor on, with a confirmation: who finds an open browser must not lock the holder out."""

from weconnect.api.caller import Caller
from weconnect.auth.login import mfa
from weconnect.auth.login.confirmation import require_confirmation
from weconnect.auth.schemas import Confirmation, MfaConfirmation


def turn_on(caller: Caller, body: MfaConfirmation) -> None:
    """Turn an enrolled second factor on. Raises the errors of `require_confirmation` and `mfa.confirm`."""
    require_confirmation(caller, Confirmation(password=body.password))
    mfa.confirm(caller, body)
