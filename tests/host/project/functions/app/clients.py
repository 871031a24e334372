"""The AWS clients and the counters of the test functions."""

import os
from functools import cache
from typing import Any

import boto3


@cache
def client(service: str) -> Any:
    return boto3.client(service)


def add(pk: str, sk: str, number: int = 1) -> int:
    """Add to a counter in the table and return it."""
    answer = client("dynamodb").update_item(
        TableName=os.environ["TABLE_NAME"],
        Key={"pk": {"S": pk}, "sk": {"S": sk}},
        UpdateExpression="ADD n :n",
        ExpressionAttributeValues={":n": {"N": str(number)}},
        ReturnValues="ALL_NEW",
    )
    return int(answer["Attributes"]["n"]["N"])
