"""Conversion of n8n's nodes that transform items."""

import json
from typing import Any

from weconnect.workflows.importers.n8n.json_templates import read_json_parameter, to_json_template
from weconnect.workflows.importers.n8n.jsonata_terms import constant, field_path
from weconnect.workflows.importers.n8n.source_node import (
    MappedNode,
    NodeReader,
    NotConvertible,
    is_expression,
    wrap_expression,
)

_TYPED = {"stringValue", "numberValue", "booleanValue", "arrayValue", "objectValue"}


def set_(reader: NodeReader) -> MappedNode:
    """Convert n8n's set node of any version: fields by name, or one JSON object."""
    values: dict[str, Any] = {}
    remove: list[str] = []
    if reader.version < 3:
        keep = not reader.read_constant("keepOnlySet", default=False)
        for kind in ("string", "number", "boolean"):
            for path, row in reader.read_rows("values", kind):
                _put(
                    reader,
                    values,
                    row.get("name"),
                    _convert_typed(reader, kind, row.get("value"), (*path, "value")),
                )
    else:
        keep, remove = _read_kept_fields(reader, values)
        if reader.read_constant("mode", default="manual") in ("raw", "json"):
            source_json = read_json_parameter(reader, "jsonOutput")
            if not isinstance(source_json, dict):
                if not isinstance(source_json, str) or not source_json.startswith("{{"):
                    raise NotConvertible("its JSON is not an object")
                return MappedNode([("jsonata", {"expression": _build_merge(source_json, keep=keep)})])
            for name, value in source_json.items():
                _put(reader, values, name, value)
        else:
            _read_assignments(reader, values)
    if reader.read("options", "dotNotation") is False and any("." in name for name in values):
        raise NotConvertible("the name of a field has a dot, which separates the parts of a path here")
    reader.read("duplicateItem"), reader.read("options", "ignoreConversionErrors")
    return MappedNode(
        [("set", {"values": values, "keepInput": keep} | ({"remove": remove} if remove else {}))]
    )


def _read_kept_fields(reader: NodeReader, values: dict[str, Any]) -> tuple[bool, list[str]]:
    """Return whether other fields are kept, and those to remove; adds to `values` when only some are kept."""
    include = reader.read_constant("include", default="all" if reader.version < 3.3 else "")
    others = reader.read_constant("includeOtherFields", default=None)
    if reader.version >= 3.3:
        if not others:
            return False, []
        include = include or "all"
    if include not in ("selected", "except"):
        return bool(include != "none"), []
    listed = reader.read_constant("includeFields" if include == "selected" else "excludeFields", default="")
    names = [field_name(name.strip()) for name in str(listed).split(",") if name.strip()]
    if reader.read_constant("mode", default="manual") != "manual":
        raise NotConvertible("it combines JSON with only some of the other fields")
    if include == "except":
        return True, names
    reader.report_left_out("includeFields", "a field that the item lacks becomes null")
    for name in names:
        values[name] = wrap_expression(field_path(name))
    return False, []


def _read_assignments(reader: NodeReader, values: dict[str, Any]) -> None:
    """Add the assigned fields of a set node of version 3 to `values`."""
    for path, row in reader.read_rows("assignments", "assignments"):
        kind = str(row.get("type", "string"))
        _put(
            reader, values, row.get("name"), _convert_typed(reader, kind, row.get("value"), (*path, "value"))
        )
    for path, row in reader.read_rows("fields", "values"):
        kind = str(row.get("type", "stringValue"))
        if kind in _TYPED:
            value = _convert_typed(reader, kind.removesuffix("Value"), row.get(kind), (*path, kind))
            _put(reader, values, row.get("name"), value)


def _put(reader: NodeReader, values: dict[str, Any], name: Any, value: Any) -> None:
    """Set a field by its path; raise NotConvertible for an invalid name."""
    values[field_name(name)] = value


def field_name(name: Any) -> str:
    """Return the path of a field; raise NotConvertible for an invalid name."""
    name = name.removeprefix("=") if isinstance(name, str) and "{{" not in name else name
    if not isinstance(name, str) or not name or len(name) > 255 or is_expression(name):
        raise NotConvertible("the name of a field is missing or an expression")
    if any(letter in name for letter in "[]") or any(not part for part in name.split(".")):
        raise NotConvertible(f"{name[:50]!r} is not a path of fields")
    return name


def _convert_typed(reader: NodeReader, kind: str, value: Any, path: tuple[Any, ...]) -> Any:
    """Return a value in the type that n8n converts it to; texts are converted now."""
    if isinstance(value, str) and not is_expression(value):
        try:
            if kind in ("array", "object"):
                return (
                    reader.convert(json.loads(value), path)
                    if value.strip()
                    else ([] if kind == "array" else {})
                )
            if kind == "number" and value.strip():
                number = float(value)
                return int(number) if number.is_integer() and abs(number) < 2**53 else number
        except (ValueError, OverflowError, RecursionError):
            raise NotConvertible(f"{value[:50]!r} is not a valid {kind}") from None
        if kind == "boolean":
            return value.strip().lower() == "true"
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if kind in ("array", "object") and is_expression(value):
        return to_json_template(reader, value, path)
    return reader.convert(value, path)


def _build_merge(source_json: str, *, keep: bool) -> str:
    """Return the jsonata node's expression for a JSON object, merged into the item when `keep`."""
    source = source_json.removeprefix("{{").removesuffix("}}").strip()
    return f"$merge([$json, {source}])" if keep else source


def split_out(reader: NodeReader) -> MappedNode:
    """Convert n8n's splitOut node."""
    field = reader.read_constant("fieldToSplitOut")
    return _convert_split(reader, field, reader.read_constant("include", default="noOtherFields"))


def _convert_split(reader: NodeReader, field: Any, include: Any) -> MappedNode:
    """Return a split node for the list at `field`, or a jsonata node when the elements replace the item."""
    if (
        not isinstance(field, str)
        or not field.strip()
        or "," in field
        or any(sign in field for sign in "[]'\"`{}")
    ):
        raise NotConvertible("it splits several lists, or the name of the list is an expression")
    field = field.strip().removeprefix("$json.")
    into = reader.read_constant("options", "destinationFieldName", default="") or None
    if reader.read("options", "disableDotNotation") and "." in field:
        raise NotConvertible("the name of its list has a dot, which separates the parts of a path here")
    if include not in ("noOtherFields", "allOtherFields"):
        raise NotConvertible("it keeps only some of the other fields")
    if include == "allOtherFields" or into:
        keep = include == "allOtherFields"
        return MappedNode([("split", {"field": field, "as": into or field, "keepOthers": keep})])
    path = ".".join(f"`{part}`" for part in field.split("."))
    name = constant(field).source
    element = f'function($e) {{ $type($e) = "object" ? $e : {{{name}: $e}} }}'
    return MappedNode([("jsonata", {"expression": f"[$map($json.{path}, {element})]"})])


def aggregate(reader: NodeReader) -> MappedNode:
    """Convert n8n's aggregate node: lists of all items or of fields."""
    way = reader.read_constant("aggregate", default="aggregateIndividualFields")
    if way == "aggregateAllItemData":
        if reader.read_constant("include", default="allFields") != "allFields":
            raise NotConvertible("it aggregates only some of the fields")
        name = reader.read_constant("destinationFieldName", default="data") or "data"
        return MappedNode([("aggregate", {"operations": [{"function": "list", "as": name}]})])
    if reader.read("options", "mergeLists") or reader.read("options", "keepMissing"):
        raise NotConvertible("it merges lists or keeps missing values")
    operations = []
    for _, row in reader.read_rows("fieldsToAggregate", "fieldToAggregate"):
        field = row.get("fieldToAggregate")
        if not isinstance(field, str) or not field or is_expression(field):
            raise NotConvertible("a field to aggregate is missing or an expression")
        own = row.get("outputFieldName") if row.get("renameField") else None
        operations.append(
            {"function": "list", "field": field, "as": own or field.rpartition(".")[2] or field}
        )
    if not operations:
        raise NotConvertible("it names no fields")
    return MappedNode([("aggregate", {"operations": operations})])


def limit(reader: NodeReader) -> MappedNode:
    """Convert n8n's limit node."""
    return _convert_limit(reader, reader.read_constant("keep", default="firstItems"))


def _convert_limit(reader: NodeReader, keep: Any) -> MappedNode:
    """Return a limit node; `keep` is n8n's "firstItems" or "lastItems"."""
    maximum = reader.read_constant("maxItems", default=1)
    if not isinstance(maximum, int) or not 1 <= maximum <= 100_000:
        raise NotConvertible(f"it keeps {maximum} items; 1 to 100,000 are supported")
    return MappedNode([("limit", {"maxItems": maximum, "take": "last" if keep == "lastItems" else "first"})])


def sort(reader: NodeReader) -> MappedNode:
    """Convert n8n's sort node: by fields; raise NotConvertible for a random order or code."""
    if reader.read_constant("type", default="simple") != "simple":
        raise NotConvertible("it sorts randomly or by code")
    by = []
    for _, row in reader.read_rows("sortFieldsUi", "sortField"):
        field, order = row.get("fieldName"), row.get("order", "ascending")
        if (
            not isinstance(field, str)
            or not field
            or is_expression(field)
            or order not in ("ascending", "descending")
        ):
            raise NotConvertible("a field to sort by is missing or an expression")
        by.append({"field": field, "order": order})
    if not by:
        raise NotConvertible("it names no fields")
    return MappedNode([("sort", {"by": by})])


def deduplicate(reader: NodeReader) -> MappedNode:
    """Convert n8n's removeDuplicates node, unless it compares with earlier executions."""
    operation = reader.read_constant("operation", default="removeDuplicateInputItems")
    if operation not in ("removeDuplicateInputItems", "removeDuplicates"):
        raise NotConvertible("it compares with items of earlier executions")
    compare = reader.read_constant("compare", default="allFields")
    if compare == "allFields":
        return MappedNode([("deduplicate", {})])
    listed = reader.read_constant("fieldsToCompare")
    if isinstance(listed, dict):
        rows = listed.get("fields")
        listed = ",".join(str(row.get("fieldName", "")) for row in rows) if isinstance(rows, list) else ""
    names = [name.strip() for name in str(listed or "").split(",") if name.strip()]
    if compare != "selectedFields" or not names:
        raise NotConvertible(f"the comparison {compare!r} has no equivalent")
    return MappedNode([("deduplicate", {"fields": names})])


def item_lists(reader: NodeReader) -> MappedNode:
    """Convert n8n's itemLists node, which had the operations of five current nodes."""
    operation = reader.read_constant("operation", default="splitOutItems")
    match operation:
        case "splitOutItems":
            field = reader.read_constant("fieldToSplitOut")
            return _convert_split(reader, field, reader.read_constant("include", default="noOtherFields"))
        case "limit":
            return _convert_limit(reader, reader.read_constant("keep", default="firstItems"))
        case "sort":
            return sort(reader)
        case "removeDuplicates":
            return deduplicate(reader)
        case "aggregateItems" | "concatenateItems":
            return aggregate(reader)
    raise NotConvertible(f"the operation {operation!r} has no equivalent")
