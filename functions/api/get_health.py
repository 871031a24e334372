"""GET /healthz"""

from weconnect.api.health import Health
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/healthz", public=True, tags=["Service"])
def get_health() -> Health:
    """Check that the service is alive."""
    return Health()
