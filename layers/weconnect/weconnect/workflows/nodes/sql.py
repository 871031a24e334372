"""sql: carries out a statement in an Aurora database of the tenant's through the RDS Data API.

The statement is fixed: no expression may stand in it, so that no value can become a part of it. Values are bound.
"""

import base64
import binascii
import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import aws_session
from weconnect.workflows.node_sdk.field_paths import value_of
from weconnect.workflows.node_sdk.node_type import Call, Item, Items, NodeError, NodeType, Outputs

MAX_SETS = 1_000
READ_SECONDS = 50  # the service ends a statement after 45

_ARRAYS = ("stringValues", "longValues", "doubleValues", "booleanValues")


class SqlParameters(aws_session.AwsParameters):
    LITERAL: ClassVar[frozenset[str]] = frozenset({"statement"})

    operation: Literal["execute", "batch"] = "execute"
    """`execute` runs the statement for each item, `batch` once with the parameters of all items, up to 1,000."""
    cluster_arn: Annotated[
        str,
        Field(max_length=400, pattern=r"^arn:aws[a-z-]*:rds:[a-z0-9-]+:[0-9]{12}:cluster:[A-Za-z0-9-]+$"),
    ]
    """The database cluster, with its Data API enabled."""
    secret_arn: Annotated[
        str,
        Field(max_length=600, pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[!-~]+$"),
    ]
    """The secret of AWS Secrets Manager, in the same account, that holds the database's user."""
    database: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    statement: Annotated[str, Field(min_length=1, max_length=60_000)]
    """One statement, with `:name` for each value: `SELECT * FROM orders WHERE id = :id`."""
    parameters: Annotated[
        dict[Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Any],
        Field(max_length=500),
    ] = {}
    """The values, by name; objects and lists are bound as JSON."""
    types: Annotated[
        dict[str, Literal["binary", "date", "time", "timestamp", "decimal", "json", "uuid"]],
        Field(max_length=500),
    ] = {}
    """What texts stand for, by name; `binary` is given as base64."""


def run(call: Call) -> Outputs:
    """The rows as items, by their columns' names; of a statement without rows `{"updated", "generated"}`."""
    account = aws_session.Account(call)
    if call.node.parameters.get("operation") == "batch":
        return {"main": _batch(account, call)}
    effects = call.effects(SqlParameters)
    return {"main": [row for given, _, _ in effects for row in _execute(account, given)]}


def _execute(account: aws_session.Account, given: SqlParameters) -> Items:
    client = account.client("rds-data", given, READ_SECONDS)
    with aws_session.errors():
        answer = client.execute_statement(
            **_asked(given), parameters=_bound(given), includeResultMetadata=True
        )
    columns = answer.get("columnMetadata")
    if columns:
        names = _names(columns)
        return [
            {name: _value(cell, column) for name, cell, column in zip(names, row, columns, strict=True)}
            for row in answer.get("records", [])
        ]
    generated = [_value(cell, {}) for cell in answer.get("generatedFields", [])]
    return [{"updated": answer.get("numberOfRecordsUpdated", 0), "generated": generated}]


def _batch(account: aws_session.Account, call: Call) -> Items:
    found = [given for given, _ in call.each(SqlParameters)]
    if not found:
        return []
    if len(found) > MAX_SETS:
        raise NodeError("too_many_items", f"{len(found)} items, and at most {MAX_SETS} at once: use a loop")
    first = found[0]
    if any(
        aws_session.whose(given) != aws_session.whose(first) or _asked(given) != _asked(first)
        for given in found
    ):
        raise NodeError("invalid_parameters", "/parameters: of a batch only these differ from item to item")
    client = account.client("rds-data", first, READ_SECONDS)
    with aws_session.errors():
        answer = client.batch_execute_statement(
            **_asked(first), parameterSets=[_bound(given) for given in found]
        )
    return [
        {"generated": [_value(cell, {}) for cell in each.get("generatedFields", [])]}
        for each in answer.get("updateResults", [])
    ]


def _asked(given: SqlParameters) -> dict[str, Any]:
    asked = {"resourceArn": given.cluster_arn, "secretArn": given.secret_arn, "sql": given.statement}
    return asked | ({"database": given.database} if given.database else {})


def _bound(given: SqlParameters) -> list[dict[str, Any]]:
    for name in given.types.keys() - given.parameters.keys():
        raise NodeError("invalid_parameters", f"/types/{name}: there is no parameter of that name")
    return [
        {"name": name, **_field(value, given.types.get(name), name)}
        for name, value in given.parameters.items()
    ]


def _field(value: Any, kind: str | None, name: str) -> dict[str, Any]:
    """A value as the Data API takes it."""
    match value:
        case None:
            return {"value": {"isNull": True}}
        case str() if kind == "binary":
            try:
                return {"value": {"blobValue": base64.b64decode(value, validate=True)}}
            except (binascii.Error, ValueError) as error:
                raise NodeError("invalid_parameters", f"/parameters/{name}: is no base64") from error
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


def _names(columns: list[dict[str, Any]]) -> list[str]:
    """The columns' names, as the statement calls them; the second `id` is `id_2`."""
    names: list[str] = []
    for column in columns:
        label = column.get("label") or column.get("name") or "column"
        number, name = 1, label
        while name in names:
            number += 1
            name = f"{label}_{number}"
        names.append(name)
    return names


def _value(cell: dict[str, Any], column: dict[str, Any]) -> Any:
    """A cell's JSON value: decimals, dates and times stay text, binary becomes base64, JSON its value."""
    if cell.get("isNull"):
        return None
    kind, value = next(iter(cell.items()))
    if kind == "blobValue":
        return base64.b64encode(value).decode()
    if kind == "arrayValue":
        return _array(value)
    if kind == "stringValue" and str(column.get("typeName", "")).lower() in ("json", "jsonb"):
        return value_of(value)
    return value


def _array(value: dict[str, Any]) -> list[Item | Any]:
    flat = next((value[name] for name in _ARRAYS if name in value), None)
    return list(flat) if flat is not None else [_array(inner) for inner in value.get("arrayValues", [])]


NODE = NodeType(
    label="SQL (RDS Data API)",
    description="Carries out a statement with bound parameters in an Aurora database, and answers its rows.",
    category="database",
    kind="effect",
    secrets=aws_session.SECRETS,
    parameters=SqlParameters,
    run=run,
)
