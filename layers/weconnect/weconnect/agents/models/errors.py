"""What can go wrong between the agent loop and a model provider, in one vocabulary for all providers."""

from typing import Literal

from weconnect.agents.models.messages import ModelReply

ErrorCode = Literal[
    "rate_limited",
    "refused",
    "context_too_long",
    "timeout",
    "unauthorized",
    "unavailable",
    "invalid_request",
    "content_filtered",
]

RETRYABLE: frozenset[str] = frozenset({"rate_limited", "timeout", "unavailable"})


class ProviderError(Exception):
    """A model request that brought no answer.

    `refused` is the model declining, `content_filtered` the provider's filter. `retry_after` is in seconds.
    `billed` carries tokens and cost where the provider charged all the same. `message` holds no secret.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        retry_after: float | None = None,
        retryable: bool | None = None,
        billed: ModelReply | None = None,
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.retry_after = retry_after
        self.retryable = code in RETRYABLE if retryable is None else retryable
        self.billed = billed
