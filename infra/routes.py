"""Find every route by importing every route file, as `make api`, the tests and the local host do."""

import importlib
from pathlib import Path

from infra.cloudformation import ROOT
from weconnect.api.resolver import Operation, app

FUNCTIONS = ROOT / "functions"


def logical_id(file: Path) -> str:
    """`functions/agents/create_agent.py` → `CreateAgent`."""
    return "".join(word.capitalize() for word in file.stem.split("_"))


def files() -> list[Path]:
    """Every function's file, routes and events alike."""
    return sorted(path for path in FUNCTIONS.glob("*/*.py") if path.stem != "__init__")


def load() -> dict[str, Operation]:
    """Every operation by its route key, such as `POST /v1/agents`."""
    for path in files():
        importlib.import_module(f"{path.parent.name}.{path.stem}")
    return app.operations
