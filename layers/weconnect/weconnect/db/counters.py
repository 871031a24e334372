"""Counters with a condition: one update of one row, on the plain client that sends it once unless told otherwise.

Not part of a transaction, because transactions on one hot row cancel each other; and without retries, because an `ADD`
that is sent twice counts twice.
"""

from collections.abc import Mapping
from typing import Any

from weconnect import aws
from weconnect.errors import Unavailable
from weconnect.settings import settings

Value = bool | int | str | dict[str, int]


class Refused(Exception):
    """The condition does not hold; `item` is what stood there, when the update asked for it."""

    def __init__(self, item: dict[str, Any]) -> None:
        super().__init__("the condition does not hold")
        self.item = item


def update(
    at: tuple[str, str], expression: str, values: Mapping[str, Value], condition: str = ""
) -> dict[str, Any]:
    """The update of the row at (pk, sk) as DynamoDB takes it; `values` are those of its expressions."""
    found = {
        "TableName": settings.table_name,
        "Key": {"pk": {"S": at[0]}, "sk": {"S": at[1]}},
        "UpdateExpression": expression,
    }
    if values:
        found["ExpressionAttributeValues"] = {name: _typed(value) for name, value in values.items()}
    return found | ({"ConditionExpression": condition} if condition else {})


def item(at: tuple[str, str]) -> dict[str, Any]:
    """The row at (pk, sk) as DynamoDB gives it, read consistently; empty when there is none."""
    key = {"pk": {"S": at[0]}, "sk": {"S": at[1]}}
    request = {"TableName": settings.table_name, "Key": key, "ConsistentRead": True}
    try:
        found: dict[str, Any] = aws.call("dynamodb", "GetItem", request).get("Item", {})
    except aws.AwsError as error:
        raise Unavailable("This cannot be read now; try again shortly") from error
    return found


def send(request: dict[str, Any], *, attempts: int = 1) -> dict[str, Any]:
    """DynamoDB's answer; raises Refused, and Unavailable when the table does not answer."""
    try:
        return aws.call("dynamodb", "UpdateItem", request, attempts=attempts)
    except aws.AwsError as error:
        if error.code == "ConditionalCheckFailedException":
            raise Refused(error.details.get("Item", {})) from error
        raise Unavailable("This cannot be counted now; try again shortly") from error


def number(item: dict[str, Any], name: str) -> int:
    """A counter of an item as DynamoDB gives it; 0 when it is not there."""
    return int(item.get(name, {}).get("N", 0))


def _typed(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, dict):
        return {"M": {name: {"N": str(part)} for name, part in value.items()}}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}
