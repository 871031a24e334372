"""The packages that `sam build` made: the folder and the layers of each function, read from the built template."""

import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from infra.cloudformation import read_template
from tests.artefact.execution_environment import Package


def read_packages(build: Path) -> dict[str, Package]:
    """Return the packages by the logical IDs of their functions; merges the layers into folders of `build`."""
    template = read_template(build / "template.yaml")
    resources = template["Resources"]
    shared_layers = template["Globals"]["Function"].get("Layers", [])
    packages = {}
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            shared = [] if resource.get("IgnoreGlobals") else shared_layers
            layers = [layer["Ref"] for layer in [*shared, *properties.get("Layers", [])]]
            folders = [build / resources[layer]["Properties"]["ContentUri"] for layer in layers]
            packages[name] = Package(build / properties["CodeUri"], _merge(build, layers, folders))
    return packages


@cache
def measure_bytes(folder: Path | None) -> int:
    """Return the size of all files in a folder; 0 without one."""
    files = folder.rglob("*") if folder else ()
    return sum(path.stat().st_size for path in files if path.is_file())


def _merge(build: Path, layers: list[str], folders: list[Path]) -> Path | None:
    """Return a folder with the files of all layers, a later one replacing those of an earlier one, as /opt has them."""
    if not layers:
        return None
    merged = build / "opt" / "-".join(layers)
    if not merged.exists():
        partial = merged.with_name(f"{merged.name}.{os.getpid()}")
        for folder in folders:
            shutil.copytree(folder, partial, copy_function=_link, dirs_exist_ok=True)
        partial.rename(merged)
    return merged


def _link(source: str, target: str) -> Any:
    """Link a file, replacing the one that is there."""
    Path(target).unlink(missing_ok=True)
    os.link(source, target)
