"""The Lambda client that starts durable functions and completes their callbacks."""

import functools
from typing import Any

from weconnect.settings import settings


@functools.cache
def lambda_client() -> Any:
    """Return the Lambda client, created at its first use."""
    import boto3  # cold start

    return boto3.client("lambda", region_name=settings.region)
