"""The contract of trigger kinds: how nodes of a type start active workflows by themselves.

A kind has the name of its node type. It is registered by the manifest of its module (`Module.triggers`), and imported
when a workflow with such a node is activated, or one with its triggers ends being active.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from weconnect.db.table import Transaction
from weconnect.node_sdk.entities import Node


@dataclass(frozen=True)
class TriggerKind:
    """A kind of trigger. `noun` names its keys in messages, such as `types of events`.

    Each trigger of a workflow has a key, a text that is unique among those of the kind in the workflow: an event's
    type, a path, a node's id. The workflow's row remembers the keys, so that what was added can be removed.
    """

    noun: str
    list_keys: Callable[[Sequence[Node]], list[str]]
    """Returns the keys of the enabled nodes, sorted."""
    add: Callable[[Transaction, UUID, UUID, Sequence[Node]], None]
    """Adds the triggers of the nodes to a transaction, for the workflow of an organization: at most one write for each
    key. Idempotent."""
    remove: Callable[[Transaction, UUID, UUID, Sequence[str]], None]
    """Removes the triggers with these keys in a transaction: at most one write for each key. Idempotent."""
    list_rows: Callable[[UUID, UUID, Sequence[str]], list[tuple[str, str]]]
    """Returns the keys (pk, sk) of the rows of these triggers, to be erased with their organization."""
    too_many: str = "too_many_triggers"
    """The code of the finding about too many keys."""
