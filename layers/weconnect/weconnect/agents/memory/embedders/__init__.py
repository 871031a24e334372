"""Embedders: modules that turn texts into vectors, behind one small interface, and the deployment's choice of one.

An embedder is a module with `NAME`, `MIN_COSINE` (texts with a smaller cosine are unrelated) and
`embed(texts) -> vectors`, each of 256 numbers. A failing embedder never makes a write or a search fail.
"""

import importlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast

from weconnect.log import logger
from weconnect.settings import settings

DIMENSIONS = 256
MAX_CHARACTERS = 8_000  # of a text that an embedder gets
NONE = "none"
MODULES_BY_NAME = {"bedrock": "bedrock", "openai": "openai", "bundled": "minilm"}


class Embedder(Protocol):
    """The interface of an embedder's module."""

    NAME: str
    MIN_COSINE: float

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, in order."""


class Embeddings(NamedTuple):
    """The texts' vectors, None without an embedder; `note` says why they are missing when there is one."""

    vectors: list[list[float]] | None
    note: str | None


def load_embedder() -> Embedder | None:
    """Return the embedder that the setting `Embedder` names; None when it is `none`."""
    if settings.embedder == NONE:
        return None
    module = MODULES_BY_NAME[settings.embedder]
    return cast(Embedder, importlib.import_module(f"{__name__}.{module}"))


def embed(texts: Sequence[str]) -> Embeddings:
    """Return the vectors of the texts; never raises."""
    embedder = load_embedder() if settings.embedder != NONE else None
    if embedder is None or not texts:
        return Embeddings(None, None)
    try:
        return Embeddings(embedder.embed([text[:MAX_CHARACTERS] for text in texts]), None)
    except Exception as error:  # any exception of a vendor's client: search by words alone still works
        logger.warning("embedder failed", embedder=embedder.NAME, error=repr(error)[:500])
        return Embeddings(None, f"The embedder {embedder.NAME} failed: only words were compared")
