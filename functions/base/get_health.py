"""GET /healthz"""

from weconnect.base import Health
from weconnect.http import app, handler

__all__ = ["handler"]


@app.get("/healthz", public=True, tags=["Service"])
def get_health() -> Health:
    """Say that the service is alive."""
    return Health()
