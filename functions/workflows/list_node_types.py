"""GET /v1/node-types"""

from weconnect.caller import SignedIn
from weconnect.http import app, handler
from weconnect.workflows import catalogue
from weconnect.workflows.catalogue import NodeTypes

__all__ = ["handler"]


@app.get("/v1/node-types", tags=["Workflows"])
def list_node_types(caller: SignedIn) -> NodeTypes:
    """List what nodes can do, by category."""
    return catalogue.find()
