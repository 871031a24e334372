"""Pages of lists: `{"items": […], "nextCursor": "…"}`, with an opaque, signed cursor bound to its query."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Generic, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import ConfigDict, Field

from weconnect.api.errors import InvalidCursor
from weconnect.base_entity import ApiModel, BaseEntity
from weconnect.db.table import Row, is_expired
from weconnect.security import signing

R = TypeVar("R", bound=Row)
T = TypeVar("T")
E = TypeVar("E", bound=BaseEntity)

SCAN_LIMIT = 1_000
MAC_BYTES = 16

Limit = Annotated[int, Query(ge=1, le=100, description="Maximum number of items")]
Cursor = Annotated[str | None, Query(max_length=2_000, description="`nextCursor` of the previous page")]


class Page(ApiModel, Generic[T]):
    """A page of a list; the last one has no `nextCursor`."""

    model_config = ConfigDict(
        # A parametrized class would have no description in the OpenAPI document.
        json_schema_extra={"description": "A page of a list; the last one has no `nextCursor`."}
    )

    items: list[T]
    next_cursor: str | None = Field(default=None)

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Return the schema's name, such as `AgentPage`."""
        return f"{params[0].__name__}Page"


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
    """Return one page of the rows of a partition, and the cursor of the next page (None on the last).

    The sort key begins with `prefix` or lies `between` two. `keep` filters after reading, over at most 1,000 rows a
    page, so that a page may be short although there are more. `filters` are the values that `keep` was made from: the
    cursor is bound to them. Raises InvalidCursor for the cursor of another query.
    """
    source: Any = getattr(kind, index) if index else kind
    sort_key = getattr(kind, f"{index}sk") if index else kind.sk
    condition = sort_key.between(*between) if between else sort_key.startswith(prefix) if prefix else None
    scope = json.dumps([pk, prefix, index, newest_first, between, [str(value) for value in filters]])
    matches = source.query(
        pk,
        condition,
        scan_index_forward=not newest_first,
        last_evaluated_key=open_cursor(cursor, scope) if cursor else None,
        consistent_read=index is None,
        page_size=limit + 1 if keep is None else SCAN_LIMIT,
    )
    rows: list[R] = []
    for count, row in enumerate(matches, start=1):
        if not is_expired(row) and (keep is None or keep(row)):
            if len(rows) == limit:
                return rows, seal_cursor(_build_key(rows[-1], index), scope)
            rows.append(row)
        if count == SCAN_LIMIT:
            return rows, seal_cursor(_build_key(row, index), scope)
    return rows, None


def page_of(
    items: list[E], owner: object, *, limit: int, cursor: str | None, filters: Iterable[object] = ()
) -> Page[E]:
    """Return one page of entities that are in memory, newest id first.

    The cursor is bound to `owner`, such as the id of the user whose list it is, and to `filters`. Raises InvalidCursor.
    """
    scope = json.dumps(["page of", str(owner), [str(value) for value in filters]])
    before = open_cursor(cursor, scope)["before"] if cursor else None
    rest = [item for item in items if before is None or str(item.id) < before]
    next_cursor = seal_cursor({"before": str(rest[limit - 1].id)}, scope) if len(rest) > limit else None
    return Page(items=rest[:limit], next_cursor=next_cursor)


def _build_key(row: Row, index: str | None) -> dict[str, Any]:
    """Return the key of a row, and of `index` if not None, in DynamoDB's JSON: `{"pk": {"S": …}, "sk": {"S": …}}`."""
    names = ["pk", "sk", *([f"{index}pk", f"{index}sk"] if index else [])]
    return {name: {"S": getattr(row, name)} for name in names}


def seal_cursor(key: dict[str, Any], scope: str) -> str:
    """Return a signed cursor for one scope: a list of one tenant, with its filters."""
    body = json.dumps(key, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_compute_mac(body, scope) + body).decode().rstrip("=")


def open_cursor(cursor: str, scope: str) -> dict[str, Any]:
    """Return what `seal_cursor` signed; raise InvalidCursor for another scope or a forged cursor."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        if hmac.compare_digest(raw[:MAC_BYTES], _compute_mac(raw[MAC_BYTES:], scope)):
            key: dict[str, Any] = json.loads(raw[MAC_BYTES:])
            return key
    except ValueError:
        pass
    advice = "Send the nextCursor of the previous page, with the same filters."
    raise InvalidCursor(
        f"The cursor belongs to another list or to other filters. {advice}",
        errors=[{"pointer": "/query/cursor", "detail": advice}],
    )


def _compute_mac(body: bytes, scope: str) -> bytes:
    """Return the first MAC_BYTES bytes of an HMAC-SHA256 over the scope and the body of a cursor."""
    key = signing.current_key().derive_key("cursor")
    return hmac.new(key, scope.encode() + b"\0" + body, hashlib.sha256).digest()[:MAC_BYTES]
