"""Who makes vectors of texts: one small interface, and the deployment's choice.

An embedder is a module with `NAME`, `FLOOR` (a cosine below which texts have nothing in common) and
`embed(texts) -> vectors`, each of 256 numbers. One that fails never fails a write or a search.
"""

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

from weconnect.log import logger
from weconnect.settings import settings

DIMENSIONS = 256
LONGEST = 8_000  # characters of a text that are looked at
NONE = "none"
MODULES = {"bedrock": "bedrock", "openai": "openai", "bundled": "minilm"}


class Embedder(Protocol):
    NAME: str
    FLOOR: float

    def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


def chosen() -> Embedder | None:
    """The embedder that the setting `Embedder` names; None when it is `none`."""
    if settings.embedder == NONE:
        return None
    module = MODULES[settings.embedder]
    return cast(Embedder, importlib.import_module(f"{__name__}.{module}"))


def embed(texts: Sequence[str]) -> tuple[list[list[float]] | None, str | None]:
    """The texts' vectors, and a note when there should be some and are none."""
    embedder = chosen() if settings.embedder != NONE else None
    if embedder is None or not texts:
        return None, None
    try:
        return embedder.embed([text[:LONGEST] for text in texts]), None
    except Exception as error:  # whatever a vendor's client raises: words alone will do
        logger.warning("the embedder failed", embedder=embedder.NAME, error=repr(error)[:500])
        return None, f"The embedder {embedder.NAME} failed: found by words alone"
