"""Rows of the table, and how they hold an entity.

An entity's fields are written down once, in its pydantic class; a row class adds its keys. Values are stored as the
JSON that the entity has on the wire, so a row turns into its entity by validation and back by a dump.
"""

import functools
import inspect
import json
import types
from collections.abc import Callable
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Self,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.connection import TableConnection
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from weconnect import registry
from weconnect.actor import Actor
from weconnect.settings import settings

E = TypeVar("E", bound=BaseModel)


class _Stored(NamedTuple):
    default: Any
    default_for_new: Any
    null: bool


def stored(*, default: Any = None, default_for_new: Any = None, null: bool = False) -> Any:
    """Declare a field that the row has besides its entity's: `attempts: Attribute[int] = stored(default=0)`.

    The attribute is made from the annotation: `str`, numbers, `bool` and `bytes` as such, all else as JSON, and missing
    in DynamoDB where the annotation allows None. It may also replace one of the entity's, to be required or to have a
    default. `null` is for a field that only a row which was never written lacks.
    """
    return _Stored(default, default_for_new, null)


class _Json(JSONAttribute):
    """JSON in its own letters: as ASCII escapes a text could take three times the room of its UTF-8."""

    def serialize(self, value: Any) -> str | None:
        """Return compact JSON in UTF-8; with ASCII escapes only where UTF-8 cannot hold the text."""
        if value is None:
            return None
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        try:
            text.encode()
        except UnicodeEncodeError:  # half a surrogate pair, which only an escape can hold
            return super().serialize(value)
        return text


_PLAIN: dict[Any, Callable[..., Attribute[Any]]] = {
    bool: BooleanAttribute,
    int: NumberAttribute,
    float: NumberAttribute,
    str: UnicodeAttribute,
    bytes: functools.partial(BinaryAttribute, legacy_encoding=False),
}


def _build_entity_attribute(annotation: Any, name: str) -> Attribute[Any]:
    """Return the attribute for an entity's field: numbers and flags as such, structures as JSON, the rest as text."""
    while get_origin(annotation) in (types.UnionType, Union, Annotated):
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    structured = get_origin(annotation) in (list, dict, set, frozenset, tuple) or (
        isinstance(annotation, type) and issubclass(annotation, BaseModel | dict | list)
    )
    return _PLAIN.get(annotation, _Json if structured else UnicodeAttribute)(null=True, attr_name=name)


def _build_own_attribute(annotation: Any, name: str, field: _Stored) -> Attribute[Any]:
    """Return the attribute for a field that a row class declares, such as `Attribute[int | None]`."""
    (declared,) = get_args(annotation)
    kinds = get_args(declared) if get_origin(declared) in (types.UnionType, Union) else (declared,)
    values = [kind for kind in kinds if kind is not type(None)]
    make = _PLAIN.get(values[0], JSONAttribute) if len(values) == 1 else JSONAttribute
    return make(
        null=field.null or type(None) in kinds,
        default=field.default,
        default_for_new=field.default_for_new,
        attr_name=to_camel(name) if "_" in name else name,  # to_camel("gsi1pk") is "gsi1Pk"
    )


class _Index(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """An overloaded, sparse index: a row without its keys is not in it."""


def _create_index(name: str) -> Any:
    """Return the index `name` (such as `gsi1`) with the keys `<name>pk` and `<name>sk`."""
    meta = type("Meta", (), {"index_name": name, "projection": AllProjection()})
    keys = {
        f"{name}pk": UnicodeAttribute(hash_key=True, null=True),
        f"{name}sk": UnicodeAttribute(range_key=True, null=True),
    }
    return type(name, (_Index,), {"Meta": meta, **keys})()


class _Kind(DiscriminatorAttribute):
    """The kind of a row. The module of a kind that is read for the first time is imported then."""

    def deserialize(self, value: Any) -> Any:
        """Return the row class of a stored kind, importing its module first if necessary."""
        if value not in self._discriminator_map:
            registry.import_rows(value)
        return super().deserialize(value)  # type: ignore[no-untyped-call]


class _DeclaredFields:
    """Makes attributes of the fields that a class declares with `stored`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, annotation in inspect.get_annotations(cls).items():
            field = cls.__dict__.get(name)
            origin: Any = get_origin(annotation)
            if isinstance(field, _Stored):
                setattr(cls, name, _build_own_attribute(annotation, name, field))
            elif origin is Attribute and not hasattr(cls, name):
                raise TypeError(
                    f"{cls.__name__}.{name} is not a field of its entity; assign `stored()` to it"
                )


class Row(_DeclaredFields, Model):
    """A row of the table. Subclasses declare their fields and build their keys."""

    class Meta:
        table_name = settings.table_name
        region = settings.region
        host = settings.endpoint_url
        connect_timeout_seconds = 2
        read_timeout_seconds = 5
        max_retry_attempts = 3

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = _Kind()
    version: Attribute[int] = stored(default_for_new=1)
    created_at: Attribute[str] = stored(null=True)
    updated_at: Attribute[str] = stored(null=True)
    actor: Attribute[Actor | None] = stored()
    ttl: Attribute[int | None] = stored()
    gsi1pk: Attribute[str | None] = stored()
    gsi1sk: Attribute[str | None] = stored()
    gsi2pk: Attribute[str | None] = stored()
    gsi2sk: Attribute[str | None] = stored()
    gsi3pk: Attribute[str | None] = stored()
    gsi3sk: Attribute[str | None] = stored()
    gsi1 = _create_index("gsi1")
    gsi2 = _create_index("gsi2")
    gsi3 = _create_index("gsi3")

    @classmethod
    def _get_connection(cls) -> TableConnection:
        """The connection of all kinds of rows: they share a table, and a client of its own for each costs 150 ms."""
        return super()._get_connection() if cls is Row else Row._get_connection()

    def set(self, **values: Any) -> None:
        """Set fields of the row in memory."""
        for name, value in values.items():
            setattr(self, name, value)

    @classmethod
    def kind_name(cls) -> str:
        """Return the row's kind as it is stored, such as "AGENT"."""
        return str(cast(DiscriminatorAttribute, cls.get_attributes()["kind"]).get_discriminator(cls))


class EntityRow(Row, Generic[E]):
    """A row that holds an entity: `class AgentRow(EntityRow[Agent], discriminator="AGENT")`.

    `apart` names the entity's fields that are not in the row.
    """

    entity: ClassVar[type[BaseModel]]
    apart: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        for base in cls.__dict__.get("__orig_bases__", ()):
            origin = get_origin(base)
            if not (isinstance(origin, type) and issubclass(origin, EntityRow)):
                continue
            if not isinstance(get_args(base)[0], TypeVar):  # else it is a base of rows of several entities
                cls.entity = get_args(base)[0]
                for name, field in cls.entity.model_fields.items():
                    if (
                        name not in cls.apart
                        and name not in cls.get_attributes()  # so far, those of its bases
                        and name not in cls.__dict__
                    ):
                        setattr(cls, name, _build_entity_attribute(field.annotation, to_camel(name)))
        super().__init_subclass__(**options)

    @classmethod
    def of(cls, entity: E, **more: Any) -> Self:
        """Return a new row that holds `entity`; `more` are its keys and the fields that the entity does not have."""
        values = entity.model_dump(mode="json", exclude=set(cls.apart))
        return cls(**{name: value for name, value in (values | more).items() if value is not None})

    def values(self) -> dict[str, Any]:
        """Return the entity's fields that the row holds, by field name, without those that are None."""
        names = [name for name in self.entity.model_fields if name not in self.apart]
        return {name: value for name in names if (value := getattr(self, name, None)) is not None}

    def to_entity(self, **more: Any) -> E:
        """Return the row's entity; `more` are the fields kept apart."""
        return cast(E, self.entity.model_validate(self.values() | more, by_name=True))
