"""GET /v1/shared/{token}"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.entities import WorkflowExport
from weconnect.workflows.parameters import LinkToken
from weconnect.workflows.sharing import links

__all__ = ["handler"]


@app.get("/v1/shared/<token>", public=True, tags=["Workflows"])
def get_shared_workflow(token: LinkToken) -> WorkflowExport:
    """The workflow behind a link, as a file without secrets."""
    return links.read(token)
