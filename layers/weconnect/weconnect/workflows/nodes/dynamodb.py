"""dynamodb: gets, puts, updates, deletes and queries items of a table in the tenant's AWS account, as JSON."""

import base64
from decimal import Context, Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from weconnect.hiding import hide_and_cut
from weconnect.node_sdk import aws_session
from weconnect.node_sdk.node_parameters import ExpressionRule
from weconnect.node_sdk.node_type import Item, Items, ItemsByOutput, NodeError, NodeRun, NodeType
from weconnect.node_sdk.output_budget import OutputBudget

Condition = Annotated[str, Field(min_length=1, max_length=4_096)]
Names = Annotated[
    dict[Annotated[str, Field(max_length=255, pattern=r"^#[A-Za-z0-9_]+$")], str], Field(max_length=100)
]
Values = Annotated[
    dict[Annotated[str, Field(max_length=255, pattern=r"^:[A-Za-z0-9_]+$")], Any], Field(max_length=100)
]

MAX_PAGES = 10
MAX_INTEGER = 10**38

OWN_NAME, OWN_VALUE = "#own", ":own"
TERMS = {"SET": "{} = {}", "ADD": "{} {}", "REMOVE": "{}"}

_EXACT = Context(prec=400)


class DynamodbParameters(aws_session.AwsParameters):
    REQUIRED_BY_OPERATION: ClassVar[dict[str, tuple[str, ...]]] = {
        "get": ("key",),
        "update": ("key",),
        "delete": ("key",),
        "query": ("condition",),
    }

    operation: Literal["get", "put", "update", "delete", "query"]
    """The operation."""
    table: Annotated[str, Field(min_length=3, max_length=1_024, pattern=r"^[A-Za-z0-9_.:/-]+$")]
    """Name or ARN of the table."""
    key: Annotated[dict[str, Any], Field(min_length=1, max_length=2)] | None = None
    """For `get`, `update` and `delete`: attributes of the primary key."""
    item: dict[str, Any] | None = None
    """For `put`: all attributes. Default: the item."""
    set: Annotated[dict[str, Any], Field(max_length=100)] = {}
    """For `update`: top-level attributes to set."""
    add: Annotated[dict[str, int | float], Field(max_length=100)] = {}
    """For `update`: numbers to add by attribute. A missing attribute counts as 0."""
    remove: Annotated[list[str], Field(max_length=100)] = []
    """For `update`: attributes to remove."""
    condition: Annotated[Condition | None, ExpressionRule.NO_EXPRESSION] = None
    """DynamoDB condition, such as `pk = :pk`: the key condition of `query`, else the condition of the write."""
    filter: Annotated[Condition | None, ExpressionRule.NO_EXPRESSION] = None
    """For `query`: DynamoDB filter expression."""
    names: Names = {}
    """Attribute names by placeholder `#name` in `condition` and `filter`."""
    values: Values = {}
    """Values by placeholder `:name` in them. Use expressions here."""
    index: Annotated[str, Field(min_length=3, max_length=255, pattern=r"^[A-Za-z0-9_.-]+$")] | None = None
    """For `query`: name of the index."""
    descending: bool = False
    """For `query`: return the items in descending order of the sort key."""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100
    """For `query`: maximum number of items."""
    consistent: bool = False
    """For `get` and `query`: read consistently."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return the items: after an `update`, before a `delete`. For one that does not exist, the input is `missing`.

    Sets become lists, binary values base64, and numbers that JSON cannot represent exactly become texts.
    """
    clients = aws_session.AwsClients(node_run)
    outputs: ItemsByOutput = {"main": [], "missing": []}
    budget = OutputBudget(node_run.node.name)
    for parameters, item, _ in node_run.resolve_effects(DynamodbParameters):
        client = clients.client("dynamodb", parameters)
        with aws_session.translate_errors():
            items = _FUNCTIONS[parameters.operation](client, parameters, item)
        outputs["main"] += map(budget.take, items)
        outputs["missing"] += [] if items or parameters.operation == "query" else [item]
    return outputs


def _get(client: Any, parameters: DynamodbParameters, item: Item) -> Items:
    """Return the item with a key, or none."""
    request = {
        "TableName": parameters.table,
        "Key": _to_dynamodb(parameters.key),
        "ConsistentRead": parameters.consistent,
    }
    return _from_dynamodb(client.get_item(**request).get("Item"))


def _put(client: Any, parameters: DynamodbParameters, item: Item) -> Items:
    """Put an item and return it."""
    value = item if parameters.item is None else parameters.item
    client.put_item(TableName=parameters.table, Item=_to_dynamodb(value), **_build_condition(parameters))
    return [value]


def _update(client: Any, parameters: DynamodbParameters, item: Item) -> Items:
    """Update the item with a key and return it as it is afterwards."""
    if not (parameters.set or parameters.add or parameters.remove):
        raise NodeError("invalid_parameters", "/set: update requires set, add or remove")
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    parts = []
    for word, changes in (
        ("SET", parameters.set),
        ("ADD", parameters.add),
        ("REMOVE", dict.fromkeys(parameters.remove)),
    ):
        terms = []
        for name, value in changes.items():
            name_mark, value_mark = OWN_NAME + str(len(names)), OWN_VALUE + str(len(names))
            names[name_mark] = name
            if word != "REMOVE":
                values[value_mark] = value
            terms.append(TERMS[word].format(name_mark, value_mark))
        parts += [f"{word} {', '.join(terms)}"] if terms else []
    response = client.update_item(
        TableName=parameters.table,
        Key=_to_dynamodb(parameters.key),
        UpdateExpression=" ".join(parts),
        ReturnValues="ALL_NEW",
        **_build_condition(parameters, names, values),
    )
    return _from_dynamodb(response["Attributes"])


def _delete(client: Any, parameters: DynamodbParameters, item: Item) -> Items:
    """Delete the item with a key and return it as it was, or none."""
    request = {"TableName": parameters.table, "Key": _to_dynamodb(parameters.key), "ReturnValues": "ALL_OLD"}
    return _from_dynamodb(client.delete_item(**request, **_build_condition(parameters)).get("Attributes"))


def _query(client: Any, parameters: DynamodbParameters, item: Item) -> Items:
    """Return the items of a query, over at most ten pages."""
    request: dict[str, Any] = {
        "TableName": parameters.table,
        "KeyConditionExpression": parameters.condition,
        "ScanIndexForward": not parameters.descending,
        "ConsistentRead": parameters.consistent,
        **({"IndexName": parameters.index} if parameters.index else {}),
        **({"FilterExpression": parameters.filter} if parameters.filter else {}),
        **_build_placeholders(parameters.names, parameters.values),
    }
    items: Items = []
    size = None if parameters.filter else parameters.limit
    pages = client.get_paginator("query").paginate(
        **request, PaginationConfig={"MaxItems": parameters.limit, "PageSize": size}
    )
    for number, page in enumerate(pages, start=1):
        if number > MAX_PAGES:
            raise NodeError(
                "too_large", f"/condition: the query reads more than {MAX_PAGES} MB. Narrow it down."
            )
        items += [each for read in page["Items"] for each in _from_dynamodb(read)]
    return items


def _build_condition(parameters: DynamodbParameters, names: Any = None, values: Any = None) -> dict[str, Any]:
    """Return a request's parameters for the condition and the placeholders; `names` and `values` add to the node's."""
    fields = {"ConditionExpression": parameters.condition} if parameters.condition else {}
    return fields | _build_placeholders(parameters.names | (names or {}), parameters.values | (values or {}))


def _build_placeholders(names: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a request for placeholders of names and values."""
    fields: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
    return fields | ({"ExpressionAttributeValues": _to_dynamodb(values)} if values else {})


_FUNCTIONS = {"get": _get, "put": _put, "update": _update, "delete": _delete, "query": _query}


# Values


def _to_dynamodb(values: dict[str, Any] | None) -> dict[str, Any]:
    """Return JSON values by name in DynamoDB's form. Raises NodeError for a number that it cannot represent."""
    from boto3.dynamodb.types import TypeSerializer  # cold start

    writer = TypeSerializer()
    return {name: writer.serialize(_to_exact(value)) for name, value in (values or {}).items()}


def _to_exact(value: Any) -> Any:
    """Return a JSON value with numbers as decimals. Raises NodeError for one that DynamoDB cannot represent."""
    match value:
        case bool():
            return value
        case int() | float():
            number = _EXACT.normalize(Decimal(str(value)))
            if len(number.as_tuple().digits) > 38 or not -130 <= number.adjusted() <= 125:
                text = f"DynamoDB cannot represent the number {hide_and_cut(str(value), 50)}. Store it as a text."
                raise NodeError("invalid_parameters", text)
            return number
        case dict():
            return {name: _to_exact(inner) for name, inner in value.items()}
        case list():
            return [_to_exact(inner) for inner in value]
    return value


def _from_dynamodb(read: dict[str, Any] | None) -> Items:
    """Return an item in DynamoDB's form as JSON, in a list; an empty list for none."""
    from boto3.dynamodb.types import TypeDeserializer  # cold start

    reader = TypeDeserializer()
    return [] if read is None else [{name: _to_json(reader.deserialize(each)) for name, each in read.items()}]


def _to_json(value: Any) -> Any:
    """Return a value of DynamoDB as JSON."""
    match value:
        case Decimal():
            return _convert_number(value)
        case dict():
            return {name: _to_json(inner) for name, inner in value.items()}
        case list():
            return [_to_json(inner) for inner in value]
        case set():
            return sorted((_to_json(inner) for inner in value), key=lambda each: (str(type(each)), each))
    return (
        value if value is None or isinstance(value, str | bool) else base64.b64encode(bytes(value)).decode()
    )


def _convert_number(value: Decimal) -> int | float | str:
    """Return a decimal as a number, or as text if JSON cannot represent it exactly."""
    if abs(value) < MAX_INTEGER and value == value.to_integral_value(context=_EXACT):
        return int(value)
    number = float(value)
    return number if Decimal(str(number)) == value else str(value)


NODE = NodeType(
    label="Amazon DynamoDB",
    description="Gets, puts, updates, deletes and queries items of a DynamoDB table, as JSON.",
    category="aws",
    kind="effect",
    outputs=("main", "missing"),
    parameters=DynamodbParameters,
    run=run,
)
