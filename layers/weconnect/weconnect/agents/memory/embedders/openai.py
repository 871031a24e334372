"""OpenAI's text-embedding-3-small, with the deployment's key."""

from collections.abc import Sequence

from weconnect.agents.models import deployment_keys
from weconnect.errors import NotConfigured, UpstreamFailed
from weconnect.outbound import client as outbound

NAME = "openai"
FLOOR = 0.2
MODEL = "text-embedding-3-small"
URL = "https://api.openai.com/v1/embeddings"
SECONDS = 5.0


def embed(texts: Sequence[str]) -> list[list[float]]:
    """All texts in one request."""
    key = deployment_keys.of_deployment("openai")
    if key is None:
        raise NotConfigured("The secret ModelKeys has no key of openai")
    body = {"model": MODEL, "input": [text or " " for text in texts], "dimensions": 256}
    headers = {"authorization": f"Bearer {key}"}
    answer = outbound.send("POST", URL, headers=headers, json=body, timeout_seconds=SECONDS)
    if answer.status != 200:
        raise UpstreamFailed(f"OpenAI answered {answer.status}")
    found = sorted(answer.json()["data"], key=lambda item: item["index"])
    return [[float(number) for number in item["embedding"]] for item in found]
