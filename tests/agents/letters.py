"""An embedder for tests: a text's vector counts its letters, so that anagrams are alike. It may be told to fail."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from weconnect.agents.memory import embedders
from weconnect.settings import settings

NAME = "letters"
FLOOR = 0.5
failing = False


def embed(texts: Sequence[str]) -> list[list[float]]:
    if failing:
        raise TimeoutError("no answer")
    return [[float(text.casefold().count(chr(number))) for number in range(256)] for text in texts]


@contextmanager
def chosen() -> Iterator[pytest.MonkeyPatch]:
    """Make it the deployment's embedder."""
    before = settings.embedder
    with pytest.MonkeyPatch.context() as patch:
        import sys

        object.__setattr__(settings, "embedder", NAME)
        patch.setattr(embedders, "chosen", lambda: sys.modules[__name__])
        try:
            yield patch
        finally:
            object.__setattr__(settings, "embedder", before)
