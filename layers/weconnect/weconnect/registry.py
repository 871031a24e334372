"""Names by which lower modules reach higher ones, resolved when they are used.

A lower module must not import a higher one, although the table reads rows of workflows, and deleting an organization
erases agents. It looks the name up in `registry_index` instead, which `make api` writes from the modules' manifests,
and the module is imported at first use, so that nothing costs cold start. Names are dotted, `package.module:attribute`
or a whole `package.module`; a test resolves all of them.
"""

import importlib
from typing import Any

from weconnect import registry_index


def resolve(name: str) -> Any:
    """Return the attribute that a dotted name names, or the module without one, importing it at first use."""
    module_name, _, attribute = name.partition(":")
    module = importlib.import_module(module_name)
    return getattr(module, attribute) if attribute else module


def import_rows(kind: str) -> None:
    """Import the module that declares the rows of a kind; does nothing for an unknown kind."""
    if module := registry_index.MODULES_BY_KIND.get(kind):
        importlib.import_module(module)
