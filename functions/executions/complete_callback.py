"""POST /v1/callbacks/{token}"""

from weconnect.api.resolver import app, handler
from weconnect.executions import callbacks
from weconnect.executions.entities import CallbackAnswer, CallbackValue
from weconnect.executions.parameters import CallbackToken

__all__ = ["handler"]


@app.post("/v1/callbacks/<token>", public=True, tags=["Executions"])
def complete_callback(token: CallbackToken, body: CallbackValue) -> CallbackAnswer:
    """Finish what a run waits for, with the token that the run gave away."""
    return callbacks.complete(token, body.value)
