"""DELETE /v1/auth/sessions/{sessionId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.parameters import Person, SessionId
from weconnect.auth.sessions import sessions

__all__ = ["handler"]


@app.delete("/v1/auth/sessions/<sessionId>", status_code=204, self_service=True, tags=["Authentication"])
def delete_session(session_id: SessionId, caller: Person) -> Response[None]:
    """End one of the caller's sessions.

    Its tokens write nothing from then on; the access token reads until it expires, within 15 minutes.
    """
    sessions.end_own_session(caller, session_id)
    return no_content()
