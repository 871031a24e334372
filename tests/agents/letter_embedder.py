"""Embedder for tests: a text's vector counts its letters, so anagrams are similar. With `failing` set, it raises."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from weconnect.agents.memory import embedders
from weconnect.settings import settings

NAME = "letters"
MIN_COSINE = 0.5
failing = False


def embed(texts: Sequence[str]) -> list[list[float]]:
    if failing:
        raise TimeoutError("no answer")
    return [[float(text.casefold().count(chr(number))) for number in range(256)] for text in texts]


@contextmanager
def use_embedder() -> Iterator[pytest.MonkeyPatch]:
    """Make this module the deployment's embedder; yield a patch for further changes."""
    original = settings.embedder
    with pytest.MonkeyPatch.context() as patch:
        object.__setattr__(settings, "embedder", NAME)
        patch.setattr(embedders, "load_embedder", lambda: sys.modules[__name__])
        try:
            yield patch
        finally:
            object.__setattr__(settings, "embedder", original)
