"""Failures of model requests, in one vocabulary for all providers."""

from typing import Literal

from weconnect.models.messages import ModelReply

ProviderErrorCode = Literal[
    "rate_limited",
    "refused",
    "context_too_long",
    "timeout",
    "unauthorized",
    "unavailable",
    "invalid_request",
    "content_filtered",
    "not_allowed",
]

RETRYABLE_CODES: frozenset[str] = frozenset({"rate_limited", "timeout", "unavailable"})


class ProviderError(Exception):
    """A model request that brought no reply.

    `refused`: the model declined; `content_filtered`: the provider's filter blocked it; `not_allowed`: the operator
    does not pay for it. `retry_after` is in seconds. `billed` has the tokens and the cost when the provider charged for
    the request. `message` contains no secret.
    """

    def __init__(
        self,
        code: ProviderErrorCode,
        message: str,
        *,
        retry_after: float | None = None,
        retryable: bool | None = None,
        billed: ModelReply | None = None,
    ) -> None:
        super().__init__(message)
        self.code: ProviderErrorCode = code
        self.message = message
        self.retry_after = retry_after
        self.retryable = code in RETRYABLE_CODES if retryable is None else retryable
        self.billed = billed
