"""Embedder Titan Text Embeddings v2 on Bedrock, with the function's own role."""

import functools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from weconnect.settings import settings

NAME = "bedrock"
MIN_COSINE = 0.2
MODEL = "amazon.titan-embed-text-v2:0"
TIMEOUT_SECONDS = 5
MAX_CONCURRENCY = 8


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Return the vectors of the texts: one request for each, because the model takes no more, eight in parallel."""
    if len(texts) == 1:
        return [_embed(texts[0])]
    with ThreadPoolExecutor(MAX_CONCURRENCY) as threads:
        return list(threads.map(_embed, texts))


def _embed(text: str) -> list[float]:
    """Return the text's vector by Titan: 256 numbers, of length 1."""
    body = {"inputText": text or " ", "dimensions": 256, "normalize": True}
    response = client().invoke_model(
        modelId=MODEL, body=json.dumps(body), contentType="application/json", accept="application/json"
    )
    return [float(number) for number in json.loads(response["body"].read())["embedding"]]


@functools.cache
def client() -> Any:
    """Return Bedrock's client. Its timeouts are short, because vectors are optional."""
    config = Config(
        connect_timeout=2,
        read_timeout=TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=MAX_CONCURRENCY,
    )
    return boto3.client("bedrock-runtime", region_name=settings.region, config=config)
