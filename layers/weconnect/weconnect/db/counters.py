"""Conditional counters: one update of one row, on the plain client, which sends it once by default.

Not part of a transaction, because transactions on one hot row cancel each other; and without retries, because an `ADD`
that is sent twice counts twice.
"""

from collections.abc import Mapping
from typing import Any

from weconnect import aws
from weconnect.errors import Unavailable
from weconnect.settings import settings

CounterValue = bool | int | str | dict[str, int]


class ConditionFailed(Exception):
    """The condition of an update failed; `item` is the row as it was, when the update asked for it."""

    def __init__(self, item: dict[str, Any]) -> None:
        super().__init__("the condition failed")
        self.item = item


def update_request(
    at: tuple[str, str], expression: str, values: Mapping[str, CounterValue], condition: str = ""
) -> dict[str, Any]:
    """Return the body of an UpdateItem of the row at (pk, sk); `values` are those of its expressions (`:one`)."""
    request: dict[str, Any] = {
        "TableName": settings.table_name,
        "Key": {"pk": {"S": at[0]}, "sk": {"S": at[1]}},
        "UpdateExpression": expression,
    }
    if values:
        request["ExpressionAttributeValues"] = {name: _to_attribute(value) for name, value in values.items()}
    return request | ({"ConditionExpression": condition} if condition else {})


def read_item(at: tuple[str, str]) -> dict[str, Any]:
    """Return the row at (pk, sk) as DynamoDB's JSON, read consistently; empty when there is none.

    Raises Unavailable when the table does not respond.
    """
    key = {"pk": {"S": at[0]}, "sk": {"S": at[1]}}
    request = {"TableName": settings.table_name, "Key": key, "ConsistentRead": True}
    try:
        item: dict[str, Any] = aws.call("dynamodb", "GetItem", request).get("Item", {})
    except aws.AwsError as error:
        raise Unavailable("The counter cannot be read. Try again shortly.") from error
    return item


def send_update(request: dict[str, Any], *, attempts: int = 1) -> dict[str, Any]:
    """Send an UpdateItem and return DynamoDB's response.

    Raises ConditionFailed when its condition fails, and Unavailable when the table does not respond.
    """
    try:
        return aws.call("dynamodb", "UpdateItem", request, attempts=attempts)
    except aws.AwsError as error:
        if error.code == "ConditionalCheckFailedException":
            raise ConditionFailed(error.details.get("Item", {})) from error
        raise Unavailable("The counter cannot be updated. Try again shortly.") from error


def get_number(item: dict[str, Any], name: str) -> int:
    """Return a counter of an item in DynamoDB's JSON; 0 when it is missing."""
    return int(item.get(name, {}).get("N", 0))


def _to_attribute(value: CounterValue) -> dict[str, Any]:
    """Return a value in DynamoDB's JSON, such as `{"N": "1"}`."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, dict):
        return {"M": {name: {"N": str(number)} for name, number in value.items()}}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}
