"""Whatever a provider's library raises, as a ProviderError."""

import re
from typing import Any

from botocore.exceptions import BotoCoreError, NoCredentialsError
from pydantic_ai import exceptions as ai
from pydantic_ai.messages import ModelResponse

from weconnect.agents.models.errors import ErrorCode, ProviderError
from weconnect.agents.models.messages import ModelReply
from weconnect.errors import Problem
from weconnect.outbound import client as outbound
from weconnect.outbound.guard import OutboundRefused

# The first match counts, so subclasses stand before their bases.
CODES: list[tuple[type[Exception], ErrorCode]] = [
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

STATUSES: dict[int, ErrorCode] = {
    408: "timeout",
    413: "context_too_long",
    424: "unavailable",  # Bedrock: the model failed
    429: "unavailable",  # Bedrock: the model is not ready
    504: "timeout",
}

SENTENCES: dict[ErrorCode, str] = {
    "rate_limited": "The provider limits requests",
    "refused": "The model declined to answer",
    "context_too_long": "The conversation is longer than the model takes",
    "timeout": "The model did not answer in time",
    "unauthorized": "The provider does not accept the key, or the key may not use this model",
    "unavailable": "The provider did not give a usable answer",
    "invalid_request": "The provider does not accept the request",
    "content_filtered": "The provider's content filter stopped the answer",
}

KEY_LIKE = re.compile(r"\b(?:sk|pk|gsk|key|AIza|ABSK|Bearer)[-_ ]?[\w*.\-]{8,}")


def provider_error(error: Exception, api_key: str | None, sent: bool) -> ProviderError:
    """The one error that callers see.

    What is nobody's known failure is an answer that the library stumbled over, if the request was sent, or
    else a defect of ours, which is raised as it came.
    """
    # The libraries wrap what our own client says as a connection that failed.
    if problem := outbound.problem_in(error):
        return _own(problem)
    code = next((code for kind, code in CODES if isinstance(error, kind)), None)
    if code is None and not sent:
        raise error
    code = code or "unavailable"
    if isinstance(error, ai.ModelHTTPError):
        code = _by_status(error.status_code, code)
    said = _said(getattr(error, "body", None))
    if code == "invalid_request" and _is_filter(error):
        code = "content_filtered"
    # What a provider says of a key it does not know often quotes it.
    said = "" if code == "unauthorized" else _redacted(said, api_key)
    return ProviderError(
        code,
        _sentence(code, said),
        retry_after=getattr(error, "retry_after", None),
        # Waiting does not refill an account.
        retryable=False if isinstance(error, ai.ModelQuotaExceededError) else None,
    )


def without_answer(answer: ModelResponse, reply: ModelReply) -> ProviderError | None:
    """What an answer without text and tool calls means; None when the model just had nothing to say."""
    details = answer.provider_details or {}
    code: ErrorCode
    if answer.finish_reason == "content_filter":
        declined = "refusal" in details or details.get("finish_reason") == "refusal"
        code = "refused" if declined else "content_filtered"
    elif answer.finish_reason in ("error", None):
        code = "unavailable"
    else:
        return None
    said = details.get("refusal") or details.get("block_reason_message")
    return ProviderError(code, _sentence(code, said), billed=reply)


def _sentence(code: ErrorCode, said: str | None) -> str:
    return f"{SENTENCES[code]}: {said}" if said else f"{SENTENCES[code]}."


def _own(problem: Problem) -> ProviderError:
    if isinstance(problem, OutboundRefused):
        return ProviderError("invalid_request", problem.detail)
    return ProviderError("timeout" if problem.code == "upstream_timeout" else "unavailable", problem.detail)


def _by_status(status: int, code: ErrorCode) -> ErrorCode:
    """What a status says where the library knows no more than that the request failed, or that it was refused."""
    if code in ("unavailable", "invalid_request"):
        if status in STATUSES:
            return STATUSES[status]
        if code == "unavailable" and 400 <= status < 500:
            return "invalid_request"
    return code


def _is_filter(error: Exception) -> bool:
    codes = (getattr(error, "provider_error_code", None), getattr(error, "provider_error_type", None))
    return bool({"content_filter", "content_policy_violation"} & set(codes))


def _said(body: Any) -> str:
    """The sentence in a provider's error body, wherever it keeps it."""
    if isinstance(body, list):
        return _said(body[0]) if body else ""
    if not isinstance(body, dict):
        return ""
    for name in ("error", "Error"):
        if isinstance(body.get(name), dict):
            return _said(body[name])
    found = body.get("message") or body.get("Message") or body.get("error")
    return found if isinstance(found, str) else ""


def _redacted(said: str, api_key: str | None) -> str:
    if api_key:
        said = said.replace(api_key, "[key]")
    return KEY_LIKE.sub("[key]", said.encode(errors="replace").decode())[:300]
