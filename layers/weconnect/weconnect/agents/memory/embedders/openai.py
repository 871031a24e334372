"""Embedder text-embedding-3-small of OpenAI, with the deployment's key."""

from collections.abc import Sequence

from weconnect.errors import NotConfigured, UpstreamFailed
from weconnect.models import deployment_keys
from weconnect.outbound import client as outbound

NAME = "openai"
MIN_COSINE = 0.2
MODEL = "text-embedding-3-small"
URL = "https://api.openai.com/v1/embeddings"
TIMEOUT_SECONDS = 5.0


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Return the vectors of all texts, in one request. Raises NotConfigured without a key, UpstreamFailed."""
    key = deployment_keys.load_key("openai")
    if key is None:
        raise NotConfigured("The secret ModelKeys has no key for openai. Add one.")
    body = {"model": MODEL, "input": [text or " " for text in texts], "dimensions": 256}
    headers = {"authorization": f"Bearer {key}"}
    response = outbound.send("POST", URL, headers=headers, json=body, timeout_seconds=TIMEOUT_SECONDS)
    if response.status != 200:
        raise UpstreamFailed(f"OpenAI responded with status {response.status}")
    items = sorted(response.json()["data"], key=lambda item: item["index"])
    return [[float(number) for number in item["embedding"]] for item in items]
