"""GET /v1/node-types"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.workflows.node_sdk import catalogue
from weconnect.workflows.node_sdk.catalogue import NodeTypes

__all__ = ["handler"]


@app.get("/v1/node-types", tags=["Node types"])
def list_node_types(caller: SignedIn) -> NodeTypes:
    """List node types by category."""
    return catalogue.list_node_types()
