"""sql: executes a statement in an Aurora database of the tenant's through the RDS Data API.

The statement may contain no expression, so that no value can become a part of it. Values are bound as parameters.
"""

import base64
import binascii
import json
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.node_sdk import aws_session, output_budget
from weconnect.node_sdk.field_paths import parse_json_or_text
from weconnect.node_sdk.node_parameters import ExpressionRule
from weconnect.node_sdk.node_type import Item, Items, ItemsByOutput, NodeError, NodeRun, NodeType

MAX_SETS = 1_000
READ_SECONDS = 50  # the service ends a statement after 45

_ARRAYS = ("stringValues", "longValues", "doubleValues", "booleanValues")


class SqlParameters(aws_session.AwsParameters):
    operation: Literal["execute", "batch"] = "execute"
    """`execute` executes the statement for each item, `batch` once with the parameters of up to 1,000 items."""
    cluster_arn: Annotated[
        str,
        Field(max_length=400, pattern=r"^arn:aws[a-z-]*:rds:[a-z0-9-]+:[0-9]{12}:cluster:[A-Za-z0-9-]+$"),
    ]
    """ARN of the database cluster. Its Data API must be enabled."""
    secret_arn: Annotated[
        str,
        Field(max_length=600, pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[!-~]+$"),
    ]
    """ARN of the secret in AWS Secrets Manager, in the same account, with the database user."""
    database: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Name of the database. Default: the cluster's."""
    statement: Annotated[str, Field(min_length=1, max_length=60_000), ExpressionRule.NO_EXPRESSION]
    """A statement with `:name` for each value, such as `SELECT * FROM orders WHERE id = :id`."""
    parameters: Annotated[
        dict[Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Any],
        Field(max_length=500),
    ] = {}
    """Values by name. Objects and lists are bound as JSON."""
    types: Annotated[
        dict[str, Literal["binary", "date", "time", "timestamp", "decimal", "json", "uuid"]],
        Field(max_length=500),
    ] = {}
    """SQL types of the texts in `parameters`, by name. `binary` is base64."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the rows as items, or `{"updated", "generated"}` for a statement without rows."""
    clients = aws_session.AwsClients(node_run)
    if node_run.node.parameters.get("operation") == "batch":
        return {"main": _execute_batch(clients, node_run)}
    effects = node_run.resolve_effects(SqlParameters)
    rows = (row for parameters, _, _ in effects for row in _execute(clients, parameters))
    return output_budget.collect(node_run.node.name, {"main": rows})


def _execute(clients: aws_session.AwsClients, parameters: SqlParameters) -> Items:
    """Execute the statement once; return its rows, or `{"updated", "generated"}` for a statement without rows."""
    client = clients.client("rds-data", parameters, READ_SECONDS)
    with aws_session.translate_errors():
        response = client.execute_statement(
            **_build_request(parameters), parameters=_bind_all(parameters), includeResultMetadata=True
        )
    columns = response.get("columnMetadata")
    if columns:
        names = _name_columns(columns)
        return [
            {
                name: _convert_value(cell, column)
                for name, cell, column in zip(names, row, columns, strict=True)
            }
            for row in response.get("records", [])
        ]
    generated = [_convert_value(cell, {}) for cell in response.get("generatedFields", [])]
    return [{"updated": response.get("numberOfRecordsUpdated", 0), "generated": generated}]


def _execute_batch(clients: aws_session.AwsClients, node_run: NodeRun) -> Items:
    """Execute the statement once with the parameters of all items."""
    sets = [parameters for parameters, _ in node_run.resolve_each(SqlParameters)]
    if not sets:
        return []
    if len(sets) > MAX_SETS:
        raise NodeError(
            "too_many_items",
            f"The node got {len(sets)} items; at most {MAX_SETS} are allowed. Put a loop around it.",
        )
    first = sets[0]
    if any(
        aws_session.build_account_key(parameters) != aws_session.build_account_key(first)
        or _build_request(parameters) != _build_request(first)
        for parameters in sets
    ):
        raise NodeError(
            "invalid_parameters", "/parameters: only these may differ between the items of a batch"
        )
    client = clients.client("rds-data", first, READ_SECONDS)
    with aws_session.translate_errors():
        response = client.batch_execute_statement(
            **_build_request(first), parameterSets=[_bind_all(parameters) for parameters in sets]
        )
    return [
        {"generated": [_convert_value(cell, {}) for cell in each.get("generatedFields", [])]}
        for each in response.get("updateResults", [])
    ]


def _build_request(parameters: SqlParameters) -> dict[str, Any]:
    """Return the parts of a request that are equal for all items of a batch."""
    request = {
        "resourceArn": parameters.cluster_arn,
        "secretArn": parameters.secret_arn,
        "sql": parameters.statement,
    }
    return request | ({"database": parameters.database} if parameters.database else {})


def _bind_all(parameters: SqlParameters) -> list[dict[str, Any]]:
    """Return the parameters in the form of the Data API. Raises NodeError."""
    for name in parameters.types.keys() - parameters.parameters.keys():
        raise NodeError("invalid_parameters", f"/types/{name}: no parameter has this name")
    return [
        {"name": name, **_bind(value, parameters.types.get(name), name)}
        for name, value in parameters.parameters.items()
    ]


def _bind(value: Any, kind: str | None, name: str) -> dict[str, Any]:
    """Return a value in the form of the Data API."""
    match value:
        case None:
            return {"value": {"isNull": True}}
        case str() if kind == "binary":
            try:
                return {"value": {"blobValue": base64.b64decode(value, validate=True)}}
            except (binascii.Error, ValueError) as error:
                raise NodeError("invalid_parameters", f"/parameters/{name}: is not base64") from error
        case bool():
            return {"value": {"booleanValue": value}}
        case int() if -(2**63) <= value < 2**63 and kind != "decimal":
            return {"value": {"longValue": value}}
        case float() if kind != "decimal":
            return {"value": {"doubleValue": value}}
        case int() | float():
            return {"value": {"stringValue": str(value)}, "typeHint": "DECIMAL"}
        case dict() | list():
            return {"value": {"stringValue": json.dumps(value)}, "typeHint": "JSON"}
    return {"value": {"stringValue": value}} | ({"typeHint": kind.upper()} if kind else {})


def _name_columns(columns: list[dict[str, Any]]) -> list[str]:
    """Return the columns' names as in the statement, made unique: the second `id` is `id_2`."""
    names: dict[str, None] = {}
    numbers: Counter[str] = Counter()
    for column in columns:
        label = name = column.get("label") or column.get("name") or "column"
        while name in names:
            numbers[label] += 1
            name = f"{label}_{numbers[label] + 1}"
        names[name] = None
    return list(names)


def _convert_value(cell: dict[str, Any], column: dict[str, Any]) -> Any:
    """Return a cell as JSON: decimals, dates and times as text, binary as base64, JSON parsed."""
    if cell.get("isNull"):
        return None
    kind, value = next(iter(cell.items()))
    if kind == "blobValue":
        return base64.b64encode(value).decode()
    if kind == "arrayValue":
        return _convert_array(value)
    if kind == "stringValue" and str(column.get("typeName", "")).lower() in ("json", "jsonb"):
        return parse_json_or_text(value)
    return value


def _convert_array(value: dict[str, Any]) -> list[Item | Any]:
    """Return an array of the Data API as a list."""
    flat = next((value[name] for name in _ARRAYS if name in value), None)
    return (
        list(flat) if flat is not None else [_convert_array(inner) for inner in value.get("arrayValues", [])]
    )


NODE = NodeType(
    label="SQL (RDS Data API)",
    description="Executes a statement with bound parameters in an Aurora database. Returns the rows as items.",
    category="database",
    kind="effect",
    parameters=SqlParameters,
    run=run,
)
