"""The functions' files and their routes, found by importing every file."""

import importlib
import re
from functools import cache
from pathlib import Path

from infra.cloudformation import ROOT
from weconnect.api.operation import Operation
from weconnect.api.resolver import app

FUNCTIONS = ROOT / "functions"
_HANDLER = re.compile(r"^(def handler\(|from .* import .*\bhandler$)", re.MULTILINE)


def to_logical_id(file: Path) -> str:
    """Return the logical id of a function's resource: `functions/agents/create_agent.py` → `CreateAgent`."""
    return "".join(word.capitalize() for word in file.stem.split("_"))


def logical_id_of(operation: Operation) -> str:
    """Return the logical id of the function that serves an operation."""
    return to_logical_id(Path(operation.function.__module__.rpartition(".")[2]))


def list_function_files() -> list[Path]:
    """Return the file of every function, those of routes and of events alike: each has or re-exports a `handler`."""
    return sorted(path for path in FUNCTIONS.glob("*/*.py") if _HANDLER.search(path.read_text()))


@cache
def load_operations() -> dict[str, Operation]:
    """Import all functions and return every operation by its route key, such as `POST /v1/agents`."""
    for path in list_function_files():
        importlib.import_module(f"{path.parent.name}.{path.stem}")
    return app.operations
