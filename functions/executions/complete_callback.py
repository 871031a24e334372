"""POST /v1/callbacks/{token}"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.executions import callbacks
from weconnect.workflows.executions.entities import CallbackAnswer, CallbackValue
from weconnect.workflows.executions.parameters import CallbackToken

__all__ = ["handler"]


@app.post("/v1/callbacks/<token>", public=True, takes_document=True, tags=["Executions"])
def complete_callback(token: CallbackToken, body: CallbackValue) -> CallbackAnswer:
    """Complete a waiting node with a callback token.

    The token alone authorizes the request.
    """
    return callbacks.complete(token, body.value)
