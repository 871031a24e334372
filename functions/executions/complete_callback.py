"""POST /v1/callbacks/{token}"""

from weconnect.api.resolver import app, handler
from weconnect.executions.entities import CallbackAnswer, CallbackValue
from weconnect.executions.parameters import CallbackToken
from weconnect.workflows.executions import callbacks

__all__ = ["handler"]


@app.post("/v1/callbacks/<token>", public=True, tags=["Executions"])
def complete_callback(token: CallbackToken, body: CallbackValue) -> CallbackAnswer:
    """Complete a waiting node with a callback token.

    The token alone authorizes the request.
    """
    return callbacks.complete(token, body.value)
