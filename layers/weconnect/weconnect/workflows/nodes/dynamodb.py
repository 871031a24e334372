"""dynamodb: gets, puts, updates, deletes and queries items of a table of the tenant's, as plain JSON."""

import base64
from decimal import Context, Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from weconnect.workflows.node_sdk import aws_session
from weconnect.workflows.node_sdk.node_type import Call, Item, Items, NodeError, NodeType, Outputs

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
    LITERAL: ClassVar[frozenset[str]] = frozenset({"condition", "filter"})
    NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        "get": ("key",),
        "update": ("key",),
        "delete": ("key",),
        "query": ("condition",),
    }

    operation: Literal["get", "put", "update", "delete", "query"]
    table: Annotated[str, Field(min_length=3, max_length=1_024, pattern=r"^[A-Za-z0-9_.:/-]+$")]
    """The table's name or ARN."""
    key: Annotated[dict[str, Any], Field(min_length=1, max_length=2)] | None = None
    """For `get`, `update` and `delete`: the attributes of the primary key."""
    item: dict[str, Any] | None = None
    """For `put`: all attributes; none: the item that came."""
    set: Annotated[dict[str, Any], Field(max_length=100)] = {}
    """For `update`: attributes to set, at the top of the item."""
    add: Annotated[dict[str, int | float], Field(max_length=100)] = {}
    """For `update`: numbers to add; one that is missing counts as 0."""
    remove: Annotated[list[str], Field(max_length=100)] = []
    """For `update`: attributes to remove."""
    condition: Condition | None = None
    """In DynamoDB's words, without expressions: `pk = :pk`. Of `query` which keys; of the others when to write."""
    filter: Condition | None = None
    """For `query`: which of the items found to answer, in DynamoDB's words."""
    names: Names = {}
    """What `#name` stands for in `condition` and `filter`."""
    values: Values = {}
    """What `:name` stands for in them: here expressions belong."""
    index: Annotated[str, Field(min_length=3, max_length=255, pattern=r"^[A-Za-z0-9_.-]+$")] | None = None
    """For `query`."""
    descending: bool = False
    """For `query`."""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100
    """For `query`: at most so many items."""
    consistent: bool = False
    """For `get` and `query`."""


def run(call: Call) -> Outputs:
    """The items as they are: of `update` as it is now, of `delete` as it was; what was not there goes to `missing`.

    Sets are answered as lists, binary values as base64, numbers that JSON's cannot hold exactly as texts.
    """
    account = aws_session.Account(call)
    outputs: Outputs = {"main": [], "missing": []}
    for given, item, _ in call.effects(DynamodbParameters):
        client = account.client("dynamodb", given)
        with aws_session.errors():
            found = _DO[given.operation](client, given, item)
        outputs["main"] += found
        outputs["missing"] += [] if found or given.operation == "query" else [item]
    return outputs


def _get(client: Any, given: DynamodbParameters, item: Item) -> Items:
    asked = {"TableName": given.table, "Key": _written(given.key), "ConsistentRead": given.consistent}
    return _found(client.get_item(**asked).get("Item"))


def _put(client: Any, given: DynamodbParameters, item: Item) -> Items:
    value = item if given.item is None else given.item
    client.put_item(TableName=given.table, Item=_written(value), **_if(given))
    return [value]


def _update(client: Any, given: DynamodbParameters, item: Item) -> Items:
    if not (given.set or given.add or given.remove):
        raise NodeError("invalid_parameters", "/set: update needs set, add or remove")
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    parts = []
    for word, changes in (("SET", given.set), ("ADD", given.add), ("REMOVE", dict.fromkeys(given.remove))):
        terms = []
        for name, value in changes.items():
            name_mark, value_mark = OWN_NAME + str(len(names)), OWN_VALUE + str(len(names))
            names[name_mark] = name
            if word != "REMOVE":
                values[value_mark] = value
            terms.append(TERMS[word].format(name_mark, value_mark))
        parts += [f"{word} {', '.join(terms)}"] if terms else []
    answer = client.update_item(
        TableName=given.table,
        Key=_written(given.key),
        UpdateExpression=" ".join(parts),
        ReturnValues="ALL_NEW",
        **_if(given, names, values),
    )
    return _found(answer["Attributes"])


def _delete(client: Any, given: DynamodbParameters, item: Item) -> Items:
    asked = {"TableName": given.table, "Key": _written(given.key), "ReturnValues": "ALL_OLD"}
    return _found(client.delete_item(**asked, **_if(given)).get("Attributes"))


def _query(client: Any, given: DynamodbParameters, item: Item) -> Items:
    asked: dict[str, Any] = {
        "TableName": given.table,
        "KeyConditionExpression": given.condition,
        "ScanIndexForward": not given.descending,
        "ConsistentRead": given.consistent,
        **({"IndexName": given.index} if given.index else {}),
        **({"FilterExpression": given.filter} if given.filter else {}),
        **_standing(given.names, given.values),
    }
    found: Items = []
    size = None if given.filter else given.limit
    pages = client.get_paginator("query").paginate(
        **asked, PaginationConfig={"MaxItems": given.limit, "PageSize": size}
    )
    for number, page in enumerate(pages, start=1):
        if number > MAX_PAGES:
            raise NodeError(
                "too_large", f"/condition: the query has more than {MAX_PAGES} MB to look through"
            )
        found += [each for read in page["Items"] for each in _found(read)]
    return found


def _if(given: DynamodbParameters, names: Any = None, values: Any = None) -> dict[str, Any]:
    """The condition of a write, with what stands in it and in the update."""
    asked = {"ConditionExpression": given.condition} if given.condition else {}
    return asked | _standing(given.names | (names or {}), given.values | (values or {}))


def _standing(names: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    asked: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
    return asked | ({"ExpressionAttributeValues": _written(values)} if values else {})


_DO = {"get": _get, "put": _put, "update": _update, "delete": _delete, "query": _query}


# Values


def _written(values: dict[str, Any] | None) -> dict[str, Any]:
    """JSON values by name as DynamoDB takes them; raises NodeError for a number that it cannot hold."""
    from boto3.dynamodb.types import TypeSerializer

    writer = TypeSerializer()
    return {name: writer.serialize(_exact(value)) for name, value in (values or {}).items()}


def _exact(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int() | float():
            number = _EXACT.normalize(Decimal(str(value)))
            if len(number.as_tuple().digits) > 38 or not -130 <= number.adjusted() <= 125:
                text = f"DynamoDB cannot hold the number {str(value)[:50]}"
                raise NodeError("invalid_parameters", text)
            return number
        case dict():
            return {name: _exact(inner) for name, inner in value.items()}
        case list():
            return [_exact(inner) for inner in value]
    return value


def _found(read: dict[str, Any] | None) -> Items:
    from boto3.dynamodb.types import TypeDeserializer

    reader = TypeDeserializer()
    return [] if read is None else [{name: _plain(reader.deserialize(each)) for name, each in read.items()}]


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return _number(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case set():
            return sorted((_plain(inner) for inner in value), key=lambda each: (str(type(each)), each))
    return (
        value if value is None or isinstance(value, str | bool) else base64.b64encode(bytes(value)).decode()
    )


def _number(value: Decimal) -> int | float | str:
    if abs(value) < MAX_INTEGER and value == value.to_integral_value(context=_EXACT):
        return int(value)
    number = float(value)
    return number if Decimal(str(number)) == value else str(value)


NODE = NodeType(
    label="Amazon DynamoDB",
    description="Gets, puts, updates, deletes and queries items of a table, as plain JSON.",
    category="aws",
    kind="effect",
    outputs=("main", "missing"),
    secrets=aws_session.SECRETS,
    parameters=DynamodbParameters,
    run=run,
)
