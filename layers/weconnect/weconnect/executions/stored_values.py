"""Values that belong to an execution: stored as JSON texts, in its row or beside it, and deleted with it."""

import json
from typing import Any
from uuid import UUID

from weconnect.db import payloads
from weconnect.db.payloads import StoredText
from weconnect.executions.rows import AnyRow
from weconnect.json_text import write_json

MAX_INLINE_BYTES = 4_000  # three indexes copy the execution's row, so longer texts are stored outside of it


def store_text(
    organization_id: UUID, execution_id: UUID, name: str, text: str, days: int = payloads.EXECUTION_DAYS
) -> StoredText:
    """Store a text and return it, or the pointer to it when it is long, which is kept for `days` at the most."""
    return payloads.store(organization_id, f"runs/{execution_id}/{name}", text, days, MAX_INLINE_BYTES)


def store_value(
    organization_id: UUID, execution_id: UUID, name: str, value: Any, days: int = payloads.EXECUTION_DAYS
) -> StoredText:
    """Store a JSON value and return it as text, or the pointer to it when it is long; as `store_text` does."""
    return store_text(organization_id, execution_id, name, write_json(value), days)


def load_value(row: AnyRow, name: str) -> Any:
    """Return the JSON value of the field `name` of an execution, or None when it has none.

    A long value is read from the payload store, to which the row then points.
    """
    text: StoredText | None = getattr(row, name)
    return None if text is None else json.loads(payloads.load(UUID(row.organization_id), text))


def keep_input(row: AnyRow) -> None:
    """Keep the long input of an execution that was to be express and is queued instead, for as long as it may live."""
    if row.input is not None:
        payloads.retain(UUID(row.organization_id), row.input, payloads.EXECUTION_DAYS)
