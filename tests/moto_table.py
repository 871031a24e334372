"""The items of moto's table: reading all of them, and restoring an earlier state."""

import copy
from typing import Any


class TableSnapshot:
    """The items of moto's table at one moment; `restore` undoes all later changes."""

    def __init__(self) -> None:
        self._items = copy.deepcopy(_all_items())

    def restore(self) -> None:
        """Put the items back that were changed or deleted, and remove new ones."""
        from moto.dynamodb.models.dynamo_type import DynamoType, Item

        # moto replaces the table by a copy when a transaction fails, so it is looked up each time.
        before, now, items = self._items, _all_items(), moto_table().items
        for at in before.keys() | now.keys():
            if before.get(at) != now.get(at):
                item = before.get(at) or now[at]
                pk, sk = DynamoType(item["pk"]), DynamoType(item["sk"])
                items[pk].pop(sk, None)
                if at in before:
                    items[pk][sk] = Item(pk, sk, copy.deepcopy(item))


def moto_table(name: str = "weconnect") -> Any:
    """Return moto's own table object."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    return dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].tables[name]


def table_items() -> dict[str, Any]:
    """Return every item in DynamoDB's JSON by its key, `<pk> <sk>`.

    The counts of requests, which any request changes, are left out, as are the leases of those that wait.
    """
    return {
        key: item
        for key, item in _all_items().items()
        if "#REQUESTS " not in key and not key.endswith(" WAITING")
    }


def _all_items() -> dict[str, Any]:
    """Return every item in DynamoDB's JSON by its key."""
    return {
        f"{item.hash_key.value} {item.range_key.value}": item.to_json()["Attributes"]
        for items in moto_table().items.values()
        for item in items.values()
    }
