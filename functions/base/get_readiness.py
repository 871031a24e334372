"""GET /readyz"""

from weconnect import base
from weconnect.http import app, handler

__all__ = ["handler"]


@app.get("/readyz", public=True, tags=["Service"])
def get_readiness() -> base.Health:
    """Check table, queue, bucket and keys; 503 names the ones that fail."""
    return base.readiness()
