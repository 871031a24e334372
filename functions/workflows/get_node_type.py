"""GET /v1/node-types/{type}"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.workflows import node_catalogue
from weconnect.workflows.node_catalogue import NodeTypeDescription
from weconnect.workflows.parameters import NodeTypeName

__all__ = ["handler"]


@app.get("/v1/node-types/<type>", tags=["Node types"])
def get_node_type(type: NodeTypeName, caller: SignedIn) -> NodeTypeDescription:
    """Get a node type with the JSON Schema of its parameters."""
    return node_catalogue.describe_node_type(type)
