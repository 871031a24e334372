"""csv: converts comma-separated text to items, and items to text."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.node_sdk import output_budget
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import Item, Items, ItemsByOutput, NodeError, NodeRun, NodeType

MAX_CHARACTERS = 4_000_000
MAX_ROWS = 50_000
MAX_COLUMNS = 500


class CsvParameters(Parameters):
    operation: Literal["parse", "write"]
    """`parse` returns an item per row, `write` one text for all items."""
    text: Annotated[str, Field(max_length=MAX_CHARACTERS)] = ""
    """For `parse`: the text."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r'^[^"\r\n]$')] = ","
    """The character between cells."""
    header: bool = True
    """Whether the first row has the names of the columns. Without it, `parse` names them column1, column2, …"""
    columns: Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=MAX_COLUMNS)] = []
    """For `write`: the fields, in this order. Without them, all fields in the order of their first occurrence."""
    safe: bool = True
    """For `write`: put an apostrophe before texts that a spreadsheet would execute as formulas."""
    into: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="csv", alias="as")
    """For `write`: name of the field for the text."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the rows as items, with texts as values, or one item with the text."""
    if node_run.node.parameters.get("operation") == "write":
        return {"main": [_write(node_run.resolve_once(CsvParameters), node_run.items)]}
    rows = (row for parameters, _ in node_run.resolve_each(CsvParameters) for row in _read_rows(parameters))
    return output_budget.collect(node_run.node.name, {"main": rows})


def _read_rows(parameters: CsvParameters) -> Iterator[Item]:
    """Yield an item for each row of the text. Raises NodeError with the row."""
    reader = csv.reader(
        io.StringIO(parameters.text.removeprefix("\ufeff")), delimiter=parameters.delimiter, strict=True
    )
    names: list[str] | None = None
    try:
        for number, cells in enumerate(reader):
            if number > MAX_ROWS or len(cells) > MAX_COLUMNS:
                text = (
                    f"/text: row {number + 1}: at most {MAX_ROWS} rows of {MAX_COLUMNS} columns are allowed"
                )
                raise NodeError("too_large", text)
            if names is None:
                names = _name_columns(cells, parameters.header)
                if parameters.header:
                    continue
            if len(cells) > len(names):
                text = f"/text: row {number + 1} has {len(cells)} cells for {len(names)} columns"
                raise NodeError("invalid_csv", text)
            if cells:
                yield dict(zip(names, cells + [""] * (len(names) - len(cells)), strict=True))
    except csv.Error as error:
        raise NodeError("invalid_csv", f"/text: line {reader.line_num}: {error}") from error


def _name_columns(cells: list[str], header: bool) -> list[str]:
    """Return the columns' names: the cells of the header, else column1, column2, …"""
    if not header:
        return [f"column{number}" for number in range(1, len(cells) + 1)]
    for name, count in Counter(cells).items():
        if count > 1:
            raise NodeError("invalid_csv", f"/text: two columns have the name {name[:100]!r}")
    return cells


def _write(parameters: CsvParameters, items: Items) -> Item:
    """Return an item with all items as comma-separated text."""
    columns = parameters.columns or list(dict.fromkeys(name for item in items for name in item))
    if len(columns) > MAX_COLUMNS:
        raise NodeError(
            "too_large", f"The items have more than {MAX_COLUMNS} fields. Select some with columns."
        )
    file = io.StringIO()
    writer = csv.writer(file, delimiter=parameters.delimiter)
    if parameters.header:
        writer.writerow([_write_cell(name, parameters.safe) for name in columns])
    for item in items:
        writer.writerow([_write_cell(item.get(name), parameters.safe) for name in columns])
        if file.tell() > MAX_CHARACTERS:
            raise NodeError("too_large", f"The text would exceed {MAX_CHARACTERS} characters")
    return {parameters.into: file.getvalue()}


def _write_cell(value: Any, safe: bool) -> str:
    """Return the text of a cell; `safe` puts an apostrophe before formulas."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if safe and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


NODE = NodeType(
    label="CSV",
    description="Converts comma-separated text to items, and items to comma-separated text.",
    category="data",
    parameters=CsvParameters,
    run=run,
)
