"""Model providers: one request in, one reply out. A provider's library is imported at its first request."""

from weconnect.models.errors import ProviderError
from weconnect.models.messages import ModelReply, ModelRequest, replace_lone_surrogates
from weconnect.models.provider_registry import load_adapter


def send_request(request: ModelRequest, api_key: str | None) -> ModelReply:
    """Send one request to a model, without a retry, and return its reply.

    Raises ProviderError when the request fails. `bedrock` without a key uses the function's own role,
    so ask `operator_access` for the key.
    """
    send = load_adapter(request.provider)
    return replace_lone_surrogates(send(replace_lone_surrogates(request), api_key))


__all__ = ["ModelReply", "ModelRequest", "ProviderError", "send_request"]
