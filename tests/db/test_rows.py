"""Row classes: their declared fields, and the index by which each kind is found."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import types
import typing
from typing import Annotated, Any, Union, get_args, get_origin, is_typeddict

import pytest
from pydantic import BaseModel
from pynamodb.attributes import Attribute

from infra.cloudformation import ROOT
from weconnect import registry_index
from weconnect.db.table import EntityRow, Row, stored
from weconnect.trash import purge

LAYER = ROOT / "layers" / "weconnect"
PLAIN_TYPES = (bool, int, float)

for module in set(registry_index.MODULES_BY_KIND.values()):
    importlib.import_module(module)


def row_classes() -> list[type[Row]]:
    classes: list[type[Row]] = []
    bases: list[type[Row]] = [Row]
    while bases:
        subclasses = bases.pop().__subclasses__()
        classes += [kind for kind in subclasses if not issubclass(kind, EntityRow) or hasattr(kind, "entity")]
        bases += subclasses
    ours = (kind for kind in classes if kind.__module__.startswith("weconnect."))
    return sorted(ours, key=lambda kind: kind.__name__)


def declared_fields(kind: type[Row]) -> dict[str, Any]:
    """Return the types that a row class declares by annotation: `T` of `Attribute[T]`, by name."""
    hints = typing.get_type_hints(kind)
    own = {name: hints[name] for name in inspect.get_annotations(kind)}
    return {name: get_args(hint)[0] for name, hint in own.items() if get_origin(hint) is Attribute}


def split_optional(hint: Any) -> tuple[list[Any], bool]:
    """Return the members of a type without None, and whether None is one of them."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) not in (types.UnionType, Union):
        return [hint], False
    members = [split_optional(member) for member in get_args(hint) if member is not type(None)]
    return [kind for kinds, _ in members for kind in kinds], type(None) in get_args(hint)


def stored_type(hint: Any) -> Any:
    """Return the Python type of a field's stored JSON: a plain type, `list`, `dict`, or Any for a free one."""
    if hint in PLAIN_TYPES or hint is Any:
        return hint
    origin = get_origin(hint)
    if origin in (list, set, frozenset, tuple) or hint in (list, set, frozenset, tuple):
        return list
    if origin is dict or hint is dict or is_typeddict(hint):
        return dict
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return dict
    return str


@pytest.mark.parametrize("kind", row_classes(), ids=lambda kind: kind.__name__)
def test_declared_fields_agree_with_the_entity_as_it_is_stored(kind: type[Row]) -> None:
    fields = kind.entity.model_fields if issubclass(kind, EntityRow) else {}
    for name, declared in declared_fields(kind).items():
        assert name in kind.get_attributes(), f"{kind.__name__}.{name} has no attribute"
        if name not in fields or name in own_fields(kind):
            continue
        entity_types, is_optional = split_optional(fields[name].annotation)
        declared_types, may_be_none = split_optional(declared)
        assert may_be_none == is_optional, f"{kind.__name__}.{name}: {declared} for {fields[name].annotation}"
        if declared_types != [Any]:
            expected = {stored_type(hint) for hint in entity_types}
            assert {stored_type(hint) for hint in declared_types} == expected, (
                f"{kind.__name__}.{name}: {declared}"
            )


def own_fields(kind: type[Row]) -> set[str]:
    """Return the fields that a row class stores by itself, with `stored()` or an attribute of PynamoDB's."""
    source = (LAYER / (kind.__module__.replace(".", "/") + ".py")).read_text()
    (node,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__
    )
    return {
        ast.unparse(field.target)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and field.value is not None
    }


def test_a_declared_name_that_nothing_stores_is_refused() -> None:
    with pytest.raises(TypeError, match="surprise"):

        class UnknownFieldRow(Row):
            surprise: Attribute[str]


def test_fields_are_stored_by_their_annotation() -> None:
    class FieldsRow(Row):
        text_field: Attribute[str] = stored()
        count: Attribute[int | None] = stored()  # type: ignore[assignment]
        blob: Attribute[bytes] = stored()
        names: Attribute[list[str]] = stored(default=list)
        either: Attribute[str | dict[str, Any]] = stored()

    kinds = {name: attribute.attr_type for name, attribute in FieldsRow.get_attributes().items()}
    assert [kinds[name] for name in ("text_field", "count", "blob", "names", "either")] == [
        "S",
        "N",
        "B",
        "S",
        "S",
    ]
    assert FieldsRow.text_field.attr_name == "textField" and FieldsRow.count.null and not FieldsRow.blob.null
    row = FieldsRow(pk="p", sk="s")
    assert (row.names, row.count) == ([], None)


def test_every_row_class_is_in_a_manifest() -> None:
    sources = {path: path.read_text() for path in (LAYER / "weconnect").rglob("*.py")}
    declared = {
        kind: ".".join(path.relative_to(LAYER).with_suffix("").parts)
        for path, source in sources.items()
        for kind in re.findall(r'^class \w+\(.*\bdiscriminator="(\w+)"\)', source, re.M)
    }
    assert declared == registry_index.MODULES_BY_KIND


@pytest.mark.parametrize("kind", sorted(registry_index.MODULES_BY_KIND))
def test_a_row_of_any_kind_is_read_by_a_process_that_has_imported_only_the_table(kind: str) -> None:
    """All kinds in one process would import each other's modules: a fork for each, of a process without any."""
    assert kind in _kinds_read_alone()


def _kinds_read_alone() -> set[str]:
    if not _READ:
        program = f"""
import os
from weconnect.db import table

for kind in {sorted(registry_index.MODULES_BY_KIND)!r}:
    child = os.fork()
    if child == 0:
        row = table.Row.from_raw_data({{"pk": {{"S": "p"}}, "sk": {{"S": "s"}}, "kind": {{"S": kind}}}})
        os.write(1, (kind + "\\n").encode() if type(row).kind_name() == kind else b"")
        os._exit(0)
    os.waitpid(child, 0)
"""
        environment = {"PYTHONPATH": str(LAYER), "PATH": "/usr/bin:/bin"}
        process = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        _READ.update(process.stdout.split())
    return _READ


_READ: set[str] = set()


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="NEVERSEEN"):
        Row.from_raw_data({"pk": {"S": "p"}, "sk": {"S": "s"}, "kind": {"S": "NEVERSEEN"}})


def test_the_table_imports_no_row_class() -> None:
    program = "import sys, weconnect.db.table; print(*(name for name in sys.modules if name.startswith('weconnect')))"
    environment = {"PYTHONPATH": str(LAYER), "PATH": "/usr/bin:/bin"}
    imported = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True).split()
    assert not {*imported} & {*registry_index.MODULES_BY_KIND.values()}


def test_a_kind_without_belongings_needs_no_purge() -> None:
    assert purge.purge({"pk": "ORG#o", "sk": "TRASH#APIKEY#k"})
