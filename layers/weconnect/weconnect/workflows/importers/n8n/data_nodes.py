"""n8n's nodes that change items."""

import json
from typing import Any

from weconnect.workflows.importers.n8n.json_templates import template, template_of
from weconnect.workflows.importers.n8n.jsonata_terms import constant, text_of_field
from weconnect.workflows.importers.n8n.source_node import Made, Reading, Refused, embedded, is_expression

_TYPED = {"stringValue", "numberValue", "booleanValue", "arrayValue", "objectValue"}


def set_(reading: Reading) -> Made:
    """All versions: fields by name, or one JSON object."""
    values: dict[str, Any] = {}
    remove: list[str] = []
    if reading.version < 3:
        keep = not reading.fixed("keepOnlySet", default=False)
        for kind in ("string", "number", "boolean"):
            for place, row in reading.rows("values", kind):
                _put(
                    reading,
                    values,
                    row.get("name"),
                    _typed(reading, kind, row.get("value"), (*place, "value")),
                )
    else:
        keep, remove = _keeps(reading, values)
        if reading.fixed("mode", default="manual") in ("raw", "json"):
            found = template_of(reading, "jsonOutput")
            if not isinstance(found, dict):
                if not isinstance(found, str) or not found.startswith("{{"):
                    raise Refused("its JSON is no object")
                return Made([("jsonata", {"expression": _merged(found, keep=keep)})])
            for name, value in found.items():
                _put(reading, values, name, value)
        else:
            _fields(reading, values)
    if reading.raw("options", "dotNotation") is False and any("." in name for name in values):
        raise Refused("the name of a field has a dot, which is a path here")
    reading.raw("duplicateItem"), reading.raw("options", "ignoreConversionErrors")
    return Made([("set", {"values": values, "keepInput": keep} | ({"remove": remove} if remove else {}))])


def _keeps(reading: Reading, values: dict[str, Any]) -> tuple[bool, list[str]]:
    """Whether other fields stay, and those that do not; the only ones that stay are put with the values."""
    include = reading.fixed("include", default="all" if reading.version < 3.3 else "")
    others = reading.fixed("includeOtherFields", default=None)
    if reading.version >= 3.3:
        if not others:
            return False, []
        include = include or "all"
    if include not in ("selected", "except"):
        return bool(include != "none"), []
    given = reading.fixed("includeFields" if include == "selected" else "excludeFields", default="")
    names = [field_name(name.strip()) for name in str(given).split(",") if name.strip()]
    if reading.fixed("mode", default="manual") != "manual":
        raise Refused("it keeps only some of the other fields, beside JSON")
    if include == "except":
        return True, names
    reading.leave("includeFields", "one that the item has not is null here")
    for name in names:
        values[name] = embedded(text_of_field(name))
    return False, []


def _fields(reading: Reading, values: dict[str, Any]) -> None:
    for place, row in reading.rows("assignments", "assignments"):
        kind = str(row.get("type", "string"))
        _put(reading, values, row.get("name"), _typed(reading, kind, row.get("value"), (*place, "value")))
    for place, row in reading.rows("fields", "values"):
        kind = str(row.get("type", "stringValue"))
        if kind in _TYPED:
            value = _typed(reading, kind.removesuffix("Value"), row.get(kind), (*place, kind))
            _put(reading, values, row.get("name"), value)


def _put(reading: Reading, values: dict[str, Any], name: Any, value: Any) -> None:
    values[field_name(name)] = value


def field_name(name: Any) -> str:
    """The path of a field that is set; raises Refused for what is none."""
    name = name.removeprefix("=") if isinstance(name, str) and "{{" not in name else name
    if not isinstance(name, str) or not name or len(name) > 255 or is_expression(name):
        raise Refused("the name of a field is missing or an expression")
    if any(letter in name for letter in "[]") or any(not part for part in name.split(".")):
        raise Refused(f"{name[:50]!r} is no path of fields")
    return name


def _typed(reading: Reading, kind: str, value: Any, path: tuple[Any, ...]) -> Any:
    """A value that n8n makes of a type: texts that are written out become it now."""
    if isinstance(value, str) and not is_expression(value):
        try:
            if kind in ("array", "object"):
                return (
                    reading.value(json.loads(value), path)
                    if value.strip()
                    else ([] if kind == "array" else {})
                )
            if kind == "number" and value.strip():
                number = float(value)
                return int(number) if number.is_integer() and abs(number) < 2**53 else number
        except (ValueError, OverflowError, RecursionError):
            raise Refused(f"{value[:50]!r} is no {kind}") from None
        if kind == "boolean":
            return value.strip().lower() == "true"
    if kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if kind in ("array", "object") and is_expression(value):
        return template(reading, value, path)
    return reading.value(value, path)


def _merged(found: str, *, keep: bool) -> str:
    source = found.removeprefix("{{").removesuffix("}}").strip()
    return f"$merge([$json, {source}])" if keep else source


def split_out(reading: Reading) -> Made:
    field = reading.fixed("fieldToSplitOut")
    return _split(reading, field, reading.fixed("include", default="noOtherFields"))


def _split(reading: Reading, field: Any, include: Any) -> Made:
    if (
        not isinstance(field, str)
        or not field.strip()
        or "," in field
        or any(sign in field for sign in "[]'\"`{}")
    ):
        raise Refused("it splits several lists, or one whose name is an expression")
    field = field.strip().removeprefix("$json.")
    into = reading.fixed("options", "destinationFieldName", default="") or None
    if reading.raw("options", "disableDotNotation") and "." in field:
        raise Refused("the name of its list has a dot, which is a path here")
    if include not in ("noOtherFields", "allOtherFields"):
        raise Refused("it keeps only some of the other fields")
    if include == "allOtherFields" or into:
        keep = include == "allOtherFields"
        return Made([("split", {"field": field, "as": into or field, "keepOthers": keep})])
    path = ".".join(f"`{part}`" for part in field.split("."))
    name = constant(field).source
    element = f'function($e) {{ $type($e) = "object" ? $e : {{{name}: $e}} }}'
    return Made([("jsonata", {"expression": f"[$map($json.{path}, {element})]"})])


def aggregate(reading: Reading) -> Made:
    way = reading.fixed("aggregate", default="aggregateIndividualFields")
    if way == "aggregateAllItemData":
        if reading.fixed("include", default="allFields") != "allFields":
            raise Refused("it takes only some of the fields")
        name = reading.fixed("destinationFieldName", default="data") or "data"
        return Made([("aggregate", {"operations": [{"function": "list", "as": name}]})])
    if reading.raw("options", "mergeLists") or reading.raw("options", "keepMissing"):
        raise Refused("it joins lists, or keeps values that are missing")
    operations = []
    for _, row in reading.rows("fieldsToAggregate", "fieldToAggregate"):
        field = row.get("fieldToAggregate")
        if not isinstance(field, str) or not field or is_expression(field):
            raise Refused("a field to aggregate is missing or an expression")
        own = row.get("outputFieldName") if row.get("renameField") else None
        operations.append(
            {"function": "list", "field": field, "as": own or field.rpartition(".")[2] or field}
        )
    if not operations:
        raise Refused("it names no fields")
    return Made([("aggregate", {"operations": operations})])


def limit(reading: Reading) -> Made:
    return _limited(reading, reading.fixed("keep", default="firstItems"))


def _limited(reading: Reading, keep: Any) -> Made:
    most = reading.fixed("maxItems", default=1)
    if not isinstance(most, int) or not 1 <= most <= 100_000:
        raise Refused(f"it keeps {most} items")
    return Made([("limit", {"maxItems": most, "take": "last" if keep == "lastItems" else "first"})])


def sort(reading: Reading) -> Made:
    if reading.fixed("type", default="simple") != "simple":
        raise Refused("it sorts at random or by code")
    by = []
    for _, row in reading.rows("sortFieldsUi", "sortField"):
        field, order = row.get("fieldName"), row.get("order", "ascending")
        if (
            not isinstance(field, str)
            or not field
            or is_expression(field)
            or order not in ("ascending", "descending")
        ):
            raise Refused("a field to sort by is missing or an expression")
        by.append({"field": field, "order": order})
    if not by:
        raise Refused("it names no fields")
    return Made([("sort", {"by": by})])


def deduplicate(reading: Reading) -> Made:
    operation = reading.fixed("operation", default="removeDuplicateInputItems")
    if operation not in ("removeDuplicateInputItems", "removeDuplicates"):
        raise Refused("it remembers items of earlier runs")
    compare = reading.fixed("compare", default="allFields")
    if compare == "allFields":
        return Made([("deduplicate", {})])
    given = reading.fixed("fieldsToCompare")
    if isinstance(given, dict):
        rows = given.get("fields")
        given = ",".join(str(row.get("fieldName", "")) for row in rows) if isinstance(rows, list) else ""
    names = [name.strip() for name in str(given or "").split(",") if name.strip()]
    if compare != "selectedFields" or not names:
        raise Refused(f"it compares {compare!r}")
    return Made([("deduplicate", {"fields": names})])


def item_lists(reading: Reading) -> Made:
    """The older node that did what five nodes do now."""
    operation = reading.fixed("operation", default="splitOutItems")
    match operation:
        case "splitOutItems":
            field = reading.fixed("fieldToSplitOut")
            return _split(reading, field, reading.fixed("include", default="noOtherFields"))
        case "limit":
            return _limited(reading, reading.fixed("keep", default="firstItems"))
        case "sort":
            return sort(reading)
        case "removeDuplicates":
            return deduplicate(reading)
        case "aggregateItems" | "concatenateItems":
            return aggregate(reading)
    raise Refused(f"the operation {operation!r} has no counterpart")
