"""A cheaper copy of moto's table for transactions, from which it restores the table when one fails.

moto copies the whole table deeply, with all that its stream has ever held, once for each write of a transaction, which
is most of what a test with many rows takes. Here the copy is shallow but for the rows that the transaction names, since
only those are changed in place.
"""

import copy
from typing import Any

from moto.dynamodb import models
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table


class TransactionCopier:
    """Replaces the module `copy` within moto."""

    def __init__(self) -> None:
        self.writes: list[dict[str, Any]] = []
        self.copies: dict[int, Table] = {}

    def deepcopy(self, value: Any) -> Any:
        if not isinstance(value, Table):
            return copy.deepcopy(value)
        if id(value) not in self.copies:
            self.copies[id(value)] = self._copy_table(value)
        return self.copies[id(value)]

    def _copy_table(self, table: Table) -> Table:
        result = copy.copy(table)
        result.items = type(table.items)(dict, {key: dict(rows) for key, rows in table.items.items()})
        if table.stream_shard:
            result.stream_shard = copy.copy(table.stream_shard)
            result.stream_shard.table = result
            result.stream_shard.items = list(table.stream_shard.items)
        for write in self.writes:
            key = write.get("Key") or write["Item"]
            pk, sk = (DynamoType(key[name]) for name in (table.hash_key_attr, table.range_key_attr))
            if pk in result.items and sk in result.items[pk]:
                result.items[pk][sk] = copy.deepcopy(result.items[pk][sk])
        return result


def install() -> None:
    """Make moto copy less, for the rest of the process."""
    copier, transact = TransactionCopier(), models.DynamoDBBackend.transact_write_items

    def transact_write_items(self: Any, transact_items: list[dict[str, Any]]) -> None:
        copier.writes = [next(iter(write.values())) for write in transact_items]
        copier.copies = {}
        transact(self, transact_items)

    replacements: list[tuple[Any, str, Any]] = [
        (models, "copy", copier),
        (models.DynamoDBBackend, "transact_write_items", transact_write_items),
    ]
    for target, name, replacement in replacements:
        setattr(target, name, replacement)
