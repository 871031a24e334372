"""Shorter ways for what moto's table does at every call, with the same results.

- For a transaction moto copies the whole table deeply, with all that its stream has ever held, once for each write, and
  restores the table from it when one fails. Here the copy is shallow but for the rows that the transaction names, since
  only those are changed in place.
- A value of an attribute is written to a response as it is, instead of by looking for each of its ten possible types
  under four possible names.
- Keys that are texts are hashed and compared as texts.
- The size of an item is added up, instead of measured as a whole at each of its attributes.
- An update's expression is validated once as a whole, instead of again at each of its nested parts.
- A key of KMS that encrypts gets no key pair, which it never uses.
"""

import base64
import copy
from typing import Any

from moto.core.serialize import JSONSerializer
from moto.dynamodb import models
from moto.dynamodb.exceptions import ItemSizeTooLarge
from moto.dynamodb.models.dynamo_type import DynamoType, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import bytesize
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node  # type: ignore[attr-defined]
from moto.kms import models as kms_models
from moto.kms import utils as kms_utils

MAX_ITEM_SIZE = 405_000
"""In bytes, as moto has it."""


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


def to_wire(value: Any) -> dict[str, Any]:
    """Return the JSON of an attribute's value."""
    if isinstance(value, DynamoType):
        name, content = value.type, value.value
    else:
        ((name, content),) = value.items()
    if name == "M":
        content = {key: to_wire(part) for key, part in content.items()}
    elif name == "L":
        content = [to_wire(part) for part in content]
    elif name == "B":
        content = base64.b64encode(content.encode() if isinstance(content, str) else content).decode()
    return {name: content}


def size_of(key: str, value: Any) -> int:
    """Return the bytes of an attribute with its name."""
    return bytesize(key) + (value.size() if isinstance(value, DynamoType) else bytesize(str(value)))


def set_attribute(self: Any, key: str, value: Any) -> None:
    """Set an attribute of an item. Raises ItemSizeTooLarge, after all attributes were measured."""
    size, total = size_of(key, value), getattr(self, "total", MAX_ITEM_SIZE)
    if total + size > MAX_ITEM_SIZE:
        total = sum(size_of(*each) for each in self.items())
    if total + size > MAX_ITEM_SIZE:
        raise ItemSizeTooLarge
    self.total = total + size
    dict.__setitem__(self, key, value)


def traverse(self: DepthFirstTraverser, root: Node) -> Node:
    """Process the nodes of an expression bottom up, as `DepthFirstTraverser.traverse` does."""
    processors = self._processing_map()
    types = tuple(processors)

    def visit(node: Any, position: int) -> Any:
        if not isinstance(node, Node):
            return node
        parent = node.parent
        for index, child in enumerate(node.children or []):
            self.pre_processing_of_child(node, index)
            visit(child, index)
        if isinstance(node, types):
            node = next(process for kind, process in processors.items() if isinstance(node, kind))(node)
            node.parent = parent
            if parent:
                parent.children[position] = node
        return node

    return visit(root, -1)


def install() -> None:
    """Make moto do less, for the rest of the process."""
    copier, transact = TransactionCopier(), models.DynamoDBBackend.transact_write_items
    serialize = JSONSerializer._serialize_type_structure
    hash_any, equal_any = DynamoType.__hash__, DynamoType.__eq__
    generate = kms_utils.generate_private_key

    def transact_write_items(self: Any, transact_items: list[dict[str, Any]]) -> None:
        copier.writes = [next(iter(write.values())) for write in transact_items]
        copier.copies = {}
        transact(self, transact_items)

    def serialize_structure(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and key:
            self._default_serialize(serialized, to_wire(value), shape, key)
        else:
            serialize(self, serialized, value, shape, key)

    def hash_value(self: DynamoType) -> int:
        return hash(("S", self.value)) if self.type == "S" else hash_any(self)

    def is_equal(self: DynamoType, other: DynamoType) -> bool:
        return self.value == other.value and other.type == "S" if self.type == "S" else equal_any(self, other)

    def generate_private_key(key_spec: str) -> Any:
        return None if key_spec == "SYMMETRIC_DEFAULT" else generate(key_spec)

    def validate_root(self: Any, node: Node) -> Node:
        (process,) = self._processing_map().values()
        return process(node)

    replacements: list[tuple[Any, str, Any]] = [
        (models, "copy", copier),
        (models.DynamoDBBackend, "transact_write_items", transact_write_items),
        (JSONSerializer, "_serialize_type_structure", serialize_structure),
        (DynamoType, "__hash__", hash_value),
        (DynamoType, "__eq__", is_equal),
        (LimitedSizeDict, "__setitem__", set_attribute),
        (DepthFirstTraverser, "traverse", traverse),
        (kms_models, "generate_private_key", generate_private_key),
        (validators.ActionCountValidator, "traverse", validate_root),
        (validators.OverlappingPathsValidator, "traverse", validate_root),
    ]
    for target, name, replacement in replacements:
        setattr(target, name, replacement)
