"""Mapping from the exceptions of providers' libraries to ProviderError."""

import re
from typing import Any

from botocore.exceptions import BotoCoreError, NoCredentialsError
from pydantic_ai import exceptions as ai
from pydantic_ai.messages import ModelResponse

from weconnect.errors import Problem
from weconnect.models.errors import ProviderError, ProviderErrorCode
from weconnect.models.messages import ModelReply
from weconnect.outbound import client as outbound
from weconnect.outbound.errors import HostRefused, OutboundRefused

# The first match counts, so subclasses precede their bases.
CODES_BY_EXCEPTION: list[tuple[type[Exception], ProviderErrorCode]] = [
    (ai.ModelContextWindowExceededError, "context_too_long"),
    (ai.ModelAuthenticationError, "unauthorized"),
    (ai.ModelRequestRejectedError, "invalid_request"),
    (ai.ModelRateLimitError, "rate_limited"),
    (ai.ModelQuotaExceededError, "rate_limited"),
    (ai.ModelTimeoutError, "timeout"),
    (ai.ModelRequestTimeout, "timeout"),
    (TimeoutError, "timeout"),
    (ai.ContentFilterError, "content_filtered"),
    (ai.ModelAPIError, "unavailable"),
    (ai.UnexpectedModelBehavior, "unavailable"),
    (ai.UserError, "invalid_request"),
    (NoCredentialsError, "unauthorized"),
    (BotoCoreError, "invalid_request"),
]

CODES_BY_STATUS: dict[int, ProviderErrorCode] = {
    408: "timeout",
    413: "context_too_long",
    424: "unavailable",  # Bedrock: the model failed
    429: "unavailable",  # Bedrock: the model is not ready
    504: "timeout",
}

MESSAGES_BY_CODE: dict[ProviderErrorCode, str] = {
    "rate_limited": "The provider's rate limit or quota is exhausted",
    "refused": "The model declined to answer",
    "context_too_long": "The conversation exceeds the model's context window",
    "timeout": "The model did not answer in time",
    "unauthorized": "The provider rejected the API key, or the key does not permit this model",
    "unavailable": "The provider did not return a usable answer",
    "invalid_request": "The provider rejected the request as invalid",
    "content_filtered": "The provider's content filter blocked the answer",
}

KEY_LIKE = re.compile(r"\b(?:sk|pk|gsk|key|AIza|ABSK|Bearer)[-_ ]?[\w*.\-]{8,}")


def to_provider_error(error: Exception, api_key: str | None, is_sent: bool) -> ProviderError:
    """Return the ProviderError for an exception that a provider's library raised.

    An unknown exception means that the library failed to read the response, if `is_sent`; otherwise it is a
    defect of ours and is raised unchanged.
    """
    # The libraries wrap our own client's problems as a failed connection.
    if problem := outbound.find_problem(error):
        return _map_outbound_error(problem)
    code = next((code for kind, code in CODES_BY_EXCEPTION if isinstance(error, kind)), None)
    if code is None and not is_sent:
        raise error
    code = code or "unavailable"
    if isinstance(error, ai.ModelHTTPError):
        code = _refine_by_status(error.status_code, code)
    if code == "invalid_request" and _is_content_filter(error):
        code = "content_filtered"
    # A provider's message about a key that it rejects often quotes the key.
    message = "" if code == "unauthorized" else _redact(_read_message(getattr(error, "body", None)), api_key)
    return ProviderError(
        code,
        _describe(code, message),
        retry_after=getattr(error, "retry_after", None),
        # Waiting does not refill an account.
        retryable=False if isinstance(error, ai.ModelQuotaExceededError) else None,
    )


def explain_empty_reply(response: ModelResponse, reply: ModelReply) -> ProviderError | None:
    """Return the error behind a reply without text and tool calls; None when the model had nothing to say."""
    details = response.provider_details or {}
    code: ProviderErrorCode
    if response.finish_reason == "content_filter":
        is_refusal = "refusal" in details or details.get("finish_reason") == "refusal"
        code = "refused" if is_refusal else "content_filtered"
    elif response.finish_reason in ("error", None):
        code = "unavailable"
    else:
        return None
    message = details.get("refusal") or details.get("block_reason_message")
    return ProviderError(code, _describe(code, message), billed=reply)


def _describe(code: ProviderErrorCode, message: str | None) -> str:
    """Return the message for a code, followed by the provider's own message."""
    return f"{MESSAGES_BY_CODE[code]}: {message}" if message else f"{MESSAGES_BY_CODE[code]}."


def _map_outbound_error(problem: Problem) -> ProviderError:
    """Return the ProviderError for a problem that our own outbound client raised."""
    if isinstance(problem, OutboundRefused) and not isinstance(problem, HostRefused):
        return ProviderError("invalid_request", problem.detail)
    return ProviderError("timeout" if problem.code == "upstream_timeout" else "unavailable", problem.detail)


def _refine_by_status(status: int, code: ProviderErrorCode) -> ProviderErrorCode:
    """Return the code for an HTTP status where the library knows only that the request failed or was rejected."""
    if code in ("unavailable", "invalid_request"):
        if status in CODES_BY_STATUS:
            return CODES_BY_STATUS[status]
        if code == "unavailable" and 400 <= status < 500:
            return "invalid_request"
    return code


def _is_content_filter(error: Exception) -> bool:
    """Return whether a provider rejected the request because of its content."""
    codes = (getattr(error, "provider_error_code", None), getattr(error, "provider_error_type", None))
    return bool({"content_filter", "content_policy_violation"} & set(codes))


def _read_message(body: Any) -> str:
    """Return the message in a provider's error body, wherever the provider puts it."""
    if isinstance(body, list):
        return _read_message(body[0]) if body else ""
    if not isinstance(body, dict):
        return ""
    for name in ("error", "Error"):
        if isinstance(body.get(name), dict):
            return _read_message(body[name])
    message = body.get("message") or body.get("Message") or body.get("error")
    return message if isinstance(message, str) else ""


def _redact(message: str, api_key: str | None) -> str:
    """Return a provider's message without the key and what looks like one, cut to 300 characters."""
    if api_key:
        message = message.replace(api_key, "[key]")
    return KEY_LIKE.sub("[key]", message.encode(errors="replace").decode())[:300]
