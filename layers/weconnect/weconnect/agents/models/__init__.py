"""Model providers: one request in, one reply out. A provider's library is imported when it is first asked."""

from weconnect.agents.models.errors import ProviderError
from weconnect.agents.models.messages import ModelReply, ModelRequest, in_whole_characters


def complete(request: ModelRequest, api_key: str | None) -> ModelReply:
    """Ask a model once, without a retry. Raise ProviderError when no answer came.

    `bedrock` without a key uses the function's own role.
    """
    request = in_whole_characters(request)
    if request.provider == "embedded":
        from weconnect.agents.embedded_model import model

        return model.reply(request)
    from weconnect.agents.models import pydantic_ai_adapter

    return in_whole_characters(pydantic_ai_adapter.complete(request, api_key))


__all__ = ["ModelReply", "ModelRequest", "ProviderError", "complete"]
