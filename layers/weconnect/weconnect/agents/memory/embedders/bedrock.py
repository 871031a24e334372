"""Titan Text Embeddings v2 on Bedrock, under the function's own role."""

import functools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from weconnect.settings import settings

NAME = "bedrock"
FLOOR = 0.2
MODEL = "amazon.titan-embed-text-v2:0"
SECONDS = 5
AT_ONCE = 8


def embed(texts: Sequence[str]) -> list[list[float]]:
    """One request a text, because the model takes no more; some at a time."""
    if len(texts) == 1:
        return [_embed(texts[0])]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(_embed, texts))


def _embed(text: str) -> list[float]:
    body = {"inputText": text or " ", "dimensions": 256, "normalize": True}
    answer = client().invoke_model(
        modelId=MODEL, body=json.dumps(body), contentType="application/json", accept="application/json"
    )
    return [float(number) for number in json.loads(answer["body"].read())["embedding"]]


@functools.cache
def client() -> Any:
    """Bedrock's client, made at its first use; it never waits long for what can be done without."""
    import boto3
    from botocore.config import Config

    patience = Config(
        connect_timeout=2,
        read_timeout=SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=AT_ONCE,
    )
    return boto3.client("bedrock-runtime", region_name=settings.region, config=patience)
