"""What moto keeps of a table while a transaction runs, in case it fails.

moto copies the whole table deeply, with all that its stream has ever held, once for each write of a transaction, which
is most of what a test with many rows takes. Here the copy is shallow but for the rows that the transaction names, since
only those are changed in place.
"""

import copy
from typing import Any

from moto.dynamodb import models
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table


class Copying:
    """Stands where moto's module `copy` stands."""

    def __init__(self) -> None:
        self.writes: list[dict[str, Any]] = []
        self.made: dict[int, Table] = {}

    def deepcopy(self, value: Any) -> Any:
        if not isinstance(value, Table):
            return copy.deepcopy(value)
        if id(value) not in self.made:
            self.made[id(value)] = self._copied(value)
        return self.made[id(value)]

    def _copied(self, table: Table) -> Table:
        made = copy.copy(table)
        made.items = type(table.items)(dict, {key: dict(rows) for key, rows in table.items.items()})
        if table.stream_shard:
            made.stream_shard = copy.copy(table.stream_shard)
            made.stream_shard.table = made
            made.stream_shard.items = list(table.stream_shard.items)
        for write in self.writes:
            named = write.get("Key") or write["Item"]
            pk, sk = (DynamoType(named[name]) for name in (table.hash_key_attr, table.range_key_attr))
            if pk in made.items and sk in made.items[pk]:
                made.items[pk][sk] = copy.deepcopy(made.items[pk][sk])
        return made


def install() -> None:
    """Let moto copy less, for the rest of the process."""
    copying, transact = Copying(), models.DynamoDBBackend.transact_write_items

    def transact_write_items(self: Any, transact_items: list[dict[str, Any]]) -> None:
        copying.writes = [next(iter(each.values())) for each in transact_items]
        copying.made = {}
        transact(self, transact_items)

    models.copy = copying
    models.DynamoDBBackend.transact_write_items = transact_write_items
