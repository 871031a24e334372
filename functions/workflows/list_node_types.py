"""GET /v1/node-types"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.workflows import node_catalogue
from weconnect.workflows.node_catalogue import NodeTypes

__all__ = ["handler"]


@app.get("/v1/node-types", tags=["Node types"])
def list_node_types(caller: SignedIn) -> NodeTypes:
    """List node types by category."""
    return node_catalogue.list_node_types()
