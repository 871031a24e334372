"""Lists: `{"items": […], "nextCursor": "…"}`, newest first, with an opaque, signed cursor bound to its query."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Generic, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from weconnect.base_entity import BaseEntity, Wire
from weconnect.db.table import Row, is_expired
from weconnect.errors import BadRequest
from weconnect.security import signing

R = TypeVar("R", bound=Row)
T = TypeVar("T")
E = TypeVar("E", bound=BaseEntity)

SCAN_LIMIT = 1_000

Limit = Annotated[int, Query(ge=1, le=100, description="How many items at the most")]
Cursor = Annotated[str | None, Query(max_length=2_000, description="`nextCursor` of the page before")]


class Page(Wire, Generic[T]):
    """A page of a list; `nextCursor` is missing on the last."""

    items: list[T]
    next_cursor: str | None = Field(default=None)


def query_page(
    kind: type[R],
    pk: str,
    prefix: str = "",
    *,
    index: str | None = None,
    limit: int,
    cursor: str | None,
    keep: Callable[[R], bool] | None = None,
    filters: Iterable[object] = (),
    newest_first: bool = True,
    between: tuple[str, str] | None = None,
) -> tuple[list[R], str | None]:
    """One page of the rows of `pk` whose sort key begins with `prefix` (or lies `between` two).

    `keep` filters after reading, over at most 1,000 rows a page; `filters` are the values that it was made from, so
    that a cursor of another query is refused (400 `invalid_cursor`).
    """
    source: Any = getattr(kind, index) if index else kind
    sort_key = getattr(kind, f"{index}sk") if index else kind.sk
    condition = sort_key.between(*between) if between else sort_key.startswith(prefix) if prefix else None
    scope = json.dumps([pk, prefix, index, newest_first, between, [str(value) for value in filters]])
    found = source.query(
        pk,
        condition,
        scan_index_forward=not newest_first,
        last_evaluated_key=open_cursor(cursor, scope) if cursor else None,
        consistent_read=index is None,
        page_size=limit + 1 if keep is None else SCAN_LIMIT,
    )
    rows: list[R] = []
    for read, row in enumerate(found, start=1):
        if not is_expired(row) and (keep is None or keep(row)):
            if len(rows) == limit:
                return rows, seal_cursor(_key_of(rows[-1], index), scope)
            rows.append(row)
        if read == SCAN_LIMIT:
            return rows, seal_cursor(_key_of(row, index), scope)
    return rows, None


def page_of(
    items: list[E], whose: object, *, limit: int, cursor: str | None, filters: Iterable[object] = ()
) -> Page[E]:
    """One page of entities that are at hand, newest id first; `whose` list it is binds the cursor, with `filters`."""
    scope = json.dumps(["page of", str(whose), [str(value) for value in filters]])
    before = open_cursor(cursor, scope)["before"] if cursor else None
    left = [item for item in items if before is None or str(item.id) < before]
    following = seal_cursor({"before": str(left[limit - 1].id)}, scope) if len(left) > limit else None
    return Page(items=left[:limit], next_cursor=following)


def _key_of(row: Row, index: str | None) -> dict[str, Any]:
    names = ["pk", "sk", *([f"{index}pk", f"{index}sk"] if index else [])]
    return {name: {"S": getattr(row, name)} for name in names}


def seal_cursor(key: dict[str, Any], scope: str) -> str:
    """A cursor that is good for one scope: a list with its filters, of one tenant."""
    body = json.dumps(key, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_mac(body, scope) + body).decode().rstrip("=")


def open_cursor(cursor: str, scope: str) -> dict[str, Any]:
    """What was sealed; raises BadRequest `invalid_cursor` for another scope."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if hmac.compare_digest(raw[:16], _mac(raw[16:], scope)):
            return json.loads(raw[16:])  # type: ignore[no-any-return]
    except ValueError:
        pass
    advice = "Take nextCursor of the page before, with the same filters"
    raise BadRequest(
        "This cursor does not belong to this list",
        code="invalid_cursor",
        errors=[{"pointer": "/query/cursor", "detail": advice}],
    )


def _mac(body: bytes, scope: str) -> bytes:
    return hmac.new(signing.current().key("cursor"), scope.encode() + b"\0" + body, hashlib.sha256).digest()[
        :16
    ]
