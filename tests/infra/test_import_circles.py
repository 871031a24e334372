"""The imports between files of the layer: no circle among them, also not through imports within functions."""

import graphlib
import re

import grimp

from infra import list_lazy_imports


def test_no_file_imports_itself_through_others() -> None:
    graph = grimp.build_graph("weconnect", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_every_import_within_a_function_is_listed_with_its_milliseconds() -> None:
    listed = re.findall(
        r"^\| `(.+)` \| `(.+)` \| \d+ \|$", list_lazy_imports.DOCUMENT.read_text(), re.MULTILINE
    )
    assert listed == [(item.around, item.module) for item in list_lazy_imports.find_lazy_imports()], (
        "run `make cold-start`"
    )
