"""GET /docs"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api import health
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/docs", public=True, include_in_schema=False, tags=["Service"])
def get_docs() -> Response[str]:
    """Show the API documentation in Swagger UI."""
    return health.show_docs()
