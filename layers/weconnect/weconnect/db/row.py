"""A row of the table and how it holds an entity.

An entity's fields are written down once, in its pydantic class; a row class adds its keys. Values are stored as the
JSON that the entity has on the wire, so a row turns into its entity by validation and back by a dump.
"""

import json
import types
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    DiscriminatorAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.connection import TableConnection
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from weconnect.settings import settings


class _Index(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """An overloaded, sparse index: a row without its keys is not in it."""


def _index(name: str) -> Any:
    meta = type("Meta", (), {"index_name": name, "projection": AllProjection()})
    keys = {
        f"{name}pk": UnicodeAttribute(hash_key=True, null=True),
        f"{name}sk": UnicodeAttribute(range_key=True, null=True),
    }
    return type(name, (_Index,), {"Meta": meta, **keys})()


class Row(Model):
    """A row of the table. Subclasses name their `entity`, the fields they keep `apart` elsewhere, and their keys."""

    class Meta:
        table_name = settings.table_name
        region = settings.region
        host = settings.endpoint_url
        connect_timeout_seconds = 2
        read_timeout_seconds = 5
        max_retry_attempts = 3

    entity: ClassVar[type[BaseModel] | None] = None
    apart: ClassVar[frozenset[str]] = frozenset()

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    kind = DiscriminatorAttribute()
    version = NumberAttribute(default_for_new=1)
    created_at = UnicodeAttribute(null=True, attr_name="createdAt")
    updated_at = UnicodeAttribute(null=True, attr_name="updatedAt")
    actor = JSONAttribute(null=True)
    ttl = NumberAttribute(null=True)
    gsi1pk = UnicodeAttribute(null=True)
    gsi1sk = UnicodeAttribute(null=True)
    gsi2pk = UnicodeAttribute(null=True)
    gsi2sk = UnicodeAttribute(null=True)
    gsi3pk = UnicodeAttribute(null=True)
    gsi3sk = UnicodeAttribute(null=True)
    gsi1 = _index("gsi1")
    gsi2 = _index("gsi2")
    gsi3 = _index("gsi3")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if entity := cls.__dict__.get("entity"):
            for name, field in entity.model_fields.items():
                if name not in cls.apart and name not in Row.get_attributes() and name not in cls.__dict__:
                    setattr(cls, name, _attribute(field.annotation, to_camel(name)))

    @classmethod
    def _get_connection(cls) -> TableConnection:
        """The connection of all kinds of rows: they share a table, and a client of its own for each costs 150 ms."""
        return super()._get_connection() if cls is Row else Row._get_connection()

    @classmethod
    def of(cls, entity: BaseModel, **more: Any) -> Self:
        """A new row that holds `entity`; `more` gives its keys and whatever the entity does not know."""
        values = entity.model_dump(mode="json", exclude=set(cls.apart))
        return cls(**{name: value for name, value in (values | more).items() if value is not None})

    def values(self) -> dict[str, Any]:
        """What the row knows of its entity, by field name."""
        assert self.entity
        found = {
            name: getattr(self, name, None) for name in self.entity.model_fields if name not in self.apart
        }
        return {name: value for name, value in found.items() if value is not None}

    def to_entity(self, **more: Any) -> Any:
        """The entity that this row stands for; `more` brings the fields that are kept apart."""
        assert self.entity
        return self.entity.model_validate(self.values() | more, by_name=True)

    def set(self, **values: Any) -> None:
        """Set fields of the row in memory."""
        for name, value in values.items():
            setattr(self, name, value)

    @classmethod
    def kind_name(cls) -> str:
        """The discriminator, as it stands in the table."""
        return str(cls._attributes["kind"].get_discriminator(cls))  # type: ignore[attr-defined]

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Fields that come from the entity."""


class _Json(JSONAttribute):
    """JSON in its own letters: as ASCII escapes a text could take three times the room of its UTF-8."""

    def serialize(self, value: Any) -> str | None:
        if value is None:
            return None
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        try:
            text.encode()
        except UnicodeEncodeError:  # half a surrogate pair, which only an escape can hold
            return super().serialize(value)
        return text


_PLAIN: dict[type, type[Attribute[Any]]] = {
    bool: BooleanAttribute,
    int: NumberAttribute,
    float: NumberAttribute,
}


def _attribute(annotation: Any, name: str) -> Attribute[Any]:
    """The attribute for a field's type: numbers and flags as such, text-like things as text, the rest as JSON."""
    while get_origin(annotation) in (types.UnionType, Union, Annotated):
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    if annotation in _PLAIN:
        return _PLAIN[annotation](null=True, attr_name=name)
    structured = get_origin(annotation) in (list, dict, set, frozenset, tuple) or (
        isinstance(annotation, type) and issubclass(annotation, BaseModel | dict | list)
    )
    return (_Json if structured else UnicodeAttribute)(null=True, attr_name=name)
