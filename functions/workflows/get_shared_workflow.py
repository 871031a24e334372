"""GET /v1/shared/{token}"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.entities import WorkflowExport
from weconnect.workflows.parameters import LinkToken
from weconnect.workflows.sharing import links

__all__ = ["handler"]


@app.get("/v1/shared/<token>", public=True, tags=["Workflow shares"])
def get_shared_workflow(token: LinkToken) -> WorkflowExport:
    """Get the workflow behind a share link.

    Returns it as a file, without secrets. The token alone authorizes the request.
    """
    return links.read_shared_workflow(token)
