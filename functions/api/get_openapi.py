"""GET /openapi.json"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api import health
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/openapi.json", public=True, include_in_schema=False, tags=["Service"])
def get_openapi() -> Response[str]:
    """Get the OpenAPI document."""
    return Response(200, "application/json", health.openapi_document())
