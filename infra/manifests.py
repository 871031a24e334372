"""The manifests of the layer's modules, and the index of the registry, which `make api` writes from them.

It imports nothing that reads the index, so that it works with an outdated or broken one too.
"""

import ast
import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from infra.cloudformation import ROOT
from weconnect.manifest import Module

LAYER = ROOT / "layers" / "weconnect"
INDEX = LAYER / "weconnect" / "registry_index.py"
HEADER = '"""The declarations of all manifests. Written by `make api` from `weconnect/*/module.py`."""\n'
LINE_LENGTH = 110

V = TypeVar("V")

TEXTS: dict[str, Callable[[Module], Mapping[str, str]]] = {
    "PURGES_BY_KIND": lambda module: module.trash,
    "EXPORT_PARTS": lambda module: {name: part.function for name, part in module.export.items()},
    "EXPORT_DESCRIPTIONS": lambda module: {name: part.description for name, part in module.export.items()},
    "JOB_TYPES": lambda module: module.job_types,
    "EVENT_BUILDERS": lambda module: {kind: source.build for kind, source in module.events.items()},
    "EVENT_TYPES": lambda module: _merge(source.types for source in module.events.values()),
    "QUOTA_LIMIT_FIELDS": lambda module: {name: quota.limit_field for name, quota in module.quotas.items()},
    "QUOTA_KEY_PARTS": lambda module: {
        name: quota.key_part for name, quota in module.quotas.items() if quota.key_part
    },
    "QUOTA_NOUNS": lambda module: {name: quota.noun for name, quota in module.quotas.items()},
    "TRIGGERS": lambda module: module.triggers,
    "EXECUTION_KINDS": lambda module: module.execution_kinds,
    "TOOL_OFFERS": lambda module: module.tool_offers,
}
"""The tables from names to texts, with their part of one manifest."""

LISTS: dict[str, Callable[[Module], Iterable[str]]] = {
    "ORGANIZATION_PURGES": lambda module: filter(None, [module.erase_organization]),
    "MEMBER_PURGES": lambda module: filter(None, [module.erase_member]),
    "ACCESS_CLOSINGS": lambda module: filter(None, [module.close_access]),
    "NODE_PACKAGES": lambda module: module.node_packages,
}
"""The lists of texts, with their part of one manifest."""


class ManifestError(Exception):
    """A manifest that contradicts another one, or names a file that does not exist."""


def load_manifests(layer: Path = LAYER) -> dict[str, Module]:
    """Return the manifest of each module of the layer that has one, by the module's name, sorted."""
    paths = sorted(layer.glob("weconnect/*/module.py"), key=lambda path: path.parent.name)
    return {path.parent.name: _load_manifest(path) for path in paths}


def _load_manifest(path: Path) -> Module:
    """Return the `MODULE` of a file, without importing the package around it."""
    spec = importlib.util.spec_from_file_location(f"manifest_of_{path.parent.name}", path)
    assert spec and spec.loader
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    manifest = file.MODULE
    if not isinstance(manifest, Module):
        raise ManifestError(f"MODULE in {path} is {manifest!r}. Make it a weconnect.manifest.Module.")
    return manifest


def list_row_kinds(module: str, layer: Path = LAYER) -> list[str]:
    """Return the kinds of the row classes that a module declares, sorted. Its file is parsed, not imported.

    Raises ManifestError for a module without a file.
    """
    path = (layer / module.replace(".", "/")).with_suffix(".py")
    if not path.exists():
        raise ManifestError(f"A manifest names the rows of {module}, and {path} does not exist.")
    return sorted(
        ast.literal_eval(keyword.value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for keyword in node.keywords
        if keyword.arg == "discriminator"
    )


def render_index(manifests: Mapping[str, Module], layer: Path = LAYER) -> str:
    """Return the source of the index. Raises ManifestError for a name that two manifests declare."""
    modules = list(manifests.values())
    rows = [name for module in modules for name in module.rows]
    kinds = _merge(dict.fromkeys(list_row_kinds(name, layer), name) for name in rows)
    permissions = _merge((module.permissions for module in modules), may_repeat=True)
    parts = [
        HEADER,
        _render_mapping("MODULES_BY_KIND", "str", kinds),
        _render_mapping("PERMISSIONS", "tuple[str, ...]", permissions),
        *(_render_mapping(name, "str", _merge(map(get, modules))) for name, get in TEXTS.items()),
        *(
            _render_list(name, [text for module in modules for text in get(module)])
            for name, get in LISTS.items()
        ),
    ]
    return "\n".join(parts)


def _merge(mappings: Iterable[Mapping[str, V]], *, may_repeat: bool = False) -> dict[str, V]:
    """Return one mapping of all; a key may be in two of them only with `may_repeat`, and with an equal value."""
    merged: dict[str, V] = {}
    for mapping in mappings:
        for key, value in mapping.items():
            if key in merged and not (may_repeat and merged[key] == value):
                raise ManifestError(f"{key!r} is declared twice: as {merged[key]!r} and as {value!r}.")
            merged[key] = value
    return merged


def _render_mapping(name: str, type: str, table: Mapping[str, str | tuple[str, ...]]) -> str:
    """Return the assignment of a mapping, formatted as ruff formats it."""
    lines = "".join(f"    {_render(key)}: {_render(value)},\n" for key, value in table.items())
    return f"{name}: dict[str, {type}] = {{{lines and chr(10) + lines}}}\n"


def _render_list(name: str, texts: list[str]) -> str:
    """Return the assignment of a list of texts as a tuple, formatted as ruff formats it."""
    line = f"{name}: tuple[str, ...] = {_render(tuple(texts))}\n"
    if len(line) <= LINE_LENGTH:
        return line
    lines = "".join(f"    {_render(text)},\n" for text in texts)
    return f"{name}: tuple[str, ...] = (\n{lines})\n"


def _render(value: str | tuple[str, ...]) -> str:
    """Return the literal of a text, in double quotes, or of a tuple of texts."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    comma = "," if len(value) == 1 else ""
    return f"({', '.join(map(_render, value))}{comma})"


def write_index() -> bool:
    """Write the index; return whether it changed."""
    text = render_index(load_manifests())
    if INDEX.exists() and INDEX.read_text() == text:
        return False
    INDEX.write_text(text)
    return True


if __name__ == "__main__":
    if write_index():
        sys.stdout.write(f"wrote {INDEX.relative_to(ROOT)}\n")
