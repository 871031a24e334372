"""Secrets of the deployment that are JSON objects, such as its API keys for model providers, cached in the process."""

import json
import time
from typing import Any

from weconnect import aws
from weconnect.errors import Unavailable
from weconnect.log import logger

CACHE_SECONDS = 300


class CachedSecret:
    """A secret of Secrets Manager, read at most every five minutes."""

    def __init__(self) -> None:
        self._value: dict[str, Any] | None = None
        self._read_at = float("-inf")

    def load(self, arn: str) -> dict[str, Any]:
        """Return the secret's JSON object.

        When it cannot be read again, the object that was read last is returned; the next call tries again. Raises
        Unavailable when none was read.
        """
        if self._value is None or time.monotonic() - self._read_at > CACHE_SECONDS:
            try:
                response = aws.call("secretsmanager", "secretsmanager.GetSecretValue", {"SecretId": arn})
                self._value = json.loads(response["SecretString"])
                self._read_at = time.monotonic()
            except (aws.AwsError, OSError, KeyError, ValueError) as error:
                logger.exception("secret not readable", secret=arn)
                if self._value is None:
                    detail = "A secret of the deployment cannot be read at present. Try again shortly."
                    raise Unavailable(detail) from error
        assert self._value is not None
        return self._value
