"""GET /readyz"""

from weconnect.api import health
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/readyz", public=True, tags=["Service"])
def get_readiness() -> health.Health:
    """Check table, queue, bucket and keys; 503 names the ones that fail."""
    return health.readiness()
