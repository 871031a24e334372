"""Write docs/cold-start.md: every import within a function, and the milliseconds that a cold start saves by it.

Each module is imported in a process of its own, which has imported the file around the function first; the figure is
the median of three. `make cold-start` runs this; tests/infra/test_import_circles.py holds that the list is complete.
"""

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.cloudformation import ROOT

LAYER = ROOT / "layers" / "weconnect"
DOCUMENT = ROOT / "docs" / "cold-start.md"
RUNS = 3
HEADER = """# Imports within functions

An import is within a function for one reason alone: most cold starts do not call the function, and save the time of the
import. Such an import ends with the comment `# cold start`. This list is written by `make cold-start`; the
milliseconds are of an import after the module around it, on the machine that wrote the list, and vary with it.

| in | import | ms saved |
|---|---|---|
"""
MEASURE = """
import importlib, sys, time
sys.path[:0] = {paths!r}
importlib.import_module({around!r})
began = time.perf_counter()
importlib.import_module({module!r})
print((time.perf_counter() - began) * 1000)
"""


@dataclass(frozen=True, order=True)
class LazyImport:
    """An import of `module` within a function of the module `around`."""

    around: str
    module: str


def find_lazy_imports() -> list[LazyImport]:
    """Return every import within a function of the layer, sorted."""
    paths = sorted((LAYER / "weconnect").rglob("*.py"))
    return sorted({item for path in paths for item in _find_lazy_imports_in(path)})


def _find_lazy_imports_in(path: Path) -> Iterator[LazyImport]:
    """Yield the imports within functions of one file of the layer; one within nested functions comes twice."""
    around = ".".join(path.relative_to(LAYER).with_suffix("").parts).removesuffix(".__init__")
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                yield from (LazyImport(around, module) for module in _list_imported_modules(node))


def _list_imported_modules(node: ast.AST) -> Iterator[str]:
    """Yield the modules that a statement imports; a name from one of our packages may be a module itself."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        folder = LAYER / node.module.replace(".", "/")
        submodules = [alias.name for alias in node.names if (folder / f"{alias.name}.py").exists()]
        yield from (f"{node.module}.{name}" for name in submodules)
        if len(submodules) < len(node.names):
            yield node.module


def measure_import(item: LazyImport) -> float:
    """Measure how long the import takes after the module around it; return the median of three runs."""
    code = MEASURE.format(paths=[str(LAYER)], around=item.around, module=item.module)
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(RUNS)
    ]
    return statistics.median(float(run.stdout) for run in runs)


def main() -> None:
    """Measure and write the document."""
    rows = [
        f"| `{item.around}` | `{item.module}` | {measure_import(item):.0f} |" for item in find_lazy_imports()
    ]
    DOCUMENT.write_text(HEADER + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
