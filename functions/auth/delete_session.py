"""DELETE /v1/auth/sessions/{sessionId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.parameters import Person, SessionId
from weconnect.auth.sessions import sessions

__all__ = ["handler"]


@app.delete("/v1/auth/sessions/<sessionId>", status_code=204, own=True, tags=["Authentication"])
def delete_session(session_id: SessionId, caller: Person) -> Response[None]:
    """End one of the caller's sessions: its refresh at once, its access token within 15 minutes."""
    sessions.end_one(caller, session_id)
    return no_content()
