"""Erasure of whole partitions: rows are deleted by their keys alone, whatever their kind."""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import boto3

from weconnect.settings import settings

BATCH_SIZE = 25  # the most that BatchWriteItem takes

Key = tuple[str, str]


class QuotaSpent(Exception):
    """The eraser has deleted as many rows as it may."""


class Eraser:
    """Deletes rows in batches, at most about `max_rows` of them; `deleted` counts them."""

    def __init__(self, max_rows: int) -> None:
        self.max_rows, self.deleted = max_rows, 0

    def erase(self, keys: Iterable[Key]) -> None:
        """Delete the rows of these keys. Raises QuotaSpent after the batch that reaches the maximum."""
        batch: list[Key] = []
        for key in keys:
            batch.append(key)
            if len(batch) == BATCH_SIZE:
                self._send(batch)
                batch = []
        self._send(batch)

    def _send(self, keys: list[Key]) -> None:
        """Delete the rows of at most 25 keys, repeating what DynamoDB left over. Raises QuotaSpent at the maximum."""
        requests = [{"DeleteRequest": {"Key": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in keys]
        while requests:
            response = _get_client().batch_write_item(RequestItems={settings.table_name: requests})
            requests = response.get("UnprocessedItems", {}).get(settings.table_name, [])
        self.deleted += len(keys)
        if self.deleted >= self.max_rows:
            raise QuotaSpent


def list_keys(pk: str, prefix: str = "", *, index: str | None = None) -> Iterator[Key]:
    """Yield the keys of a partition's rows, of the table or of an index, page by page.

    `prefix` is the beginning of the sort key in the table.
    """
    name = f"{index}pk" if index else "pk"
    values = {":pk": {"S": pk}} | ({":prefix": {"S": prefix}} if prefix else {})
    condition = f"{name} = :pk" + (" AND begins_with(sk, :prefix)" if prefix else "")
    query: dict[str, Any] = {
        "TableName": settings.table_name,
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ProjectionExpression": "pk, sk",
    }
    query |= {"IndexName": index} if index else {"ConsistentRead": True}
    for page in _get_client().get_paginator("query").paginate(**query):
        for item in page["Items"]:
            yield item["pk"]["S"], item["sk"]["S"]


@functools.cache
def _get_client() -> Any:
    """Return the DynamoDB client, created at its first use."""
    return boto3.client("dynamodb", region_name=settings.region, endpoint_url=settings.endpoint_url)
