"""GET /readyz"""

from weconnect.api import health
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/readyz", public=True, tags=["Service"])
def get_readiness() -> health.Health:
    """Check that the service can serve requests.

    Calls the table, the queue, the bucket and the keys. A 503 response names those that fail.
    """
    return health.check_readiness()
