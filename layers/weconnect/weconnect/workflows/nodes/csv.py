"""csv: reads items out of comma-separated text, and writes items as such."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import Call, Item, Items, NodeError, NodeType, Outputs, Parameters

MAX_CHARACTERS = 4_000_000
MAX_ROWS = 50_000
MAX_COLUMNS = 500


class CsvParameters(Parameters):
    operation: Literal["parse", "write"]
    """`parse` makes an item of each row, `write` one text of all items."""
    text: Annotated[str, Field(max_length=MAX_CHARACTERS)] = ""
    """For `parse`: the rows."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r'^[^"\r\n]$')] = ","
    header: bool = True
    """Whether the first row names the columns; else they are called column1, column2, …"""
    columns: Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=MAX_COLUMNS)] = []
    """For `write`: which fields, in this order; none: all, in the order in which they are first seen."""
    safe: bool = True
    """For `write`: put an apostrophe before texts that a spreadsheet would take for formulas."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="csv", alias="as")
    """For `write`: the field that takes the text."""


def run(call: Call) -> Outputs:
    """The rows as items, all values texts; or one item with the text."""
    if call.node.parameters.get("operation") == "write":
        return {"main": [_written(call.once(CsvParameters), call.items)]}
    return {"main": [row for given, _ in call.each(CsvParameters) for row in _rows(given)]}


def _rows(given: CsvParameters) -> Iterator[Item]:
    reader = csv.reader(
        io.StringIO(given.text.removeprefix("\ufeff")), delimiter=given.delimiter, strict=True
    )
    names: list[str] | None = None
    try:
        for number, cells in enumerate(reader):
            if number > MAX_ROWS or len(cells) > MAX_COLUMNS:
                text = f"/text: row {number + 1}: at most {MAX_ROWS} rows of {MAX_COLUMNS} columns"
                raise NodeError("too_large", text)
            if names is None:
                names = _names(cells, given.header)
                if given.header:
                    continue
            if len(cells) > len(names):
                text = f"/text: row {number + 1} has {len(cells)} cells for {len(names)} columns"
                raise NodeError("invalid_csv", text)
            if cells:
                yield dict(zip(names, cells + [""] * (len(names) - len(cells)), strict=True))
    except csv.Error as error:
        raise NodeError("invalid_csv", f"/text: line {reader.line_num}: {error}") from error


def _names(cells: list[str], header: bool) -> list[str]:
    if not header:
        return [f"column{number}" for number in range(1, len(cells) + 1)]
    twice = next((name for index, name in enumerate(cells) if name in cells[:index]), None)
    if twice is not None:
        raise NodeError("invalid_csv", f"/text: two columns are named {twice!r}")
    return cells


def _written(given: CsvParameters, items: Items) -> Item:
    columns = given.columns or list(dict.fromkeys(name for item in items for name in item))
    if len(columns) > MAX_COLUMNS:
        raise NodeError("too_large", f"The items have more than {MAX_COLUMNS} fields: name the columns")
    file = io.StringIO()
    writer = csv.writer(file, delimiter=given.delimiter)
    if given.header:
        writer.writerow([_cell(name, given.safe) for name in columns])
    for item in items:
        writer.writerow([_cell(item.get(name), given.safe) for name in columns])
        if file.tell() > MAX_CHARACTERS:
            raise NodeError("too_large", f"The text would have more than {MAX_CHARACTERS} characters")
    return {given.into: file.getvalue()}


def _cell(value: Any, safe: bool) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if safe and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


NODE = NodeType(
    label="CSV",
    description="Reads items out of comma-separated text, and writes items as such.",
    category="data",
    parameters=CsvParameters,
    run=run,
)
