"""The matrices of all modules, collected from tests/*/matrix.py, so that a new module edits no file of this folder."""

import importlib
from graphlib import TopologicalSorter
from pathlib import Path

from tests.api.module_matrix import ModuleMatrix

TESTS = Path(__file__).parent.parent


def _load_matrices() -> dict[str, ModuleMatrix]:
    """Import all tests/*/matrix.py; return each `MATRIX` by its module, with those that it is `after` before it."""
    matrices: dict[str, ModuleMatrix] = {
        path.parent.name: importlib.import_module(f"tests.{path.parent.name}.matrix").MATRIX
        for path in sorted(TESTS.glob("*/matrix.py"))
    }
    for module, matrix in matrices.items():
        missing = set(matrix.after) - matrices.keys()
        assert not missing, f"tests/{module}/matrix.py is after {sorted(missing)}, which have no matrix.py"
    order = TopologicalSorter({module: matrix.after for module, matrix in matrices.items()}).static_order()
    return {module: matrices[module] for module in order}


MATRICES = _load_matrices()
REQUESTS = {name: request for matrix in MATRICES.values() for name, request in matrix.requests.items()}
# Path parameters that are the same for all tenants, with their values.
NAMES = {name: value for matrix in MATRICES.values() for name, value in matrix.names.items()}
ATTEMPT_COUNTERS = tuple(prefix for matrix in MATRICES.values() for prefix in matrix.attempt_counters)
