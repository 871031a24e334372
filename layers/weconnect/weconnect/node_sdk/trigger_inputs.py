"""The JSON Schema of a trigger's input. It needs no table, unlike `definition.tool_offers`."""

from typing import Annotated

from pydantic import AfterValidator

from weconnect import json_schema
from weconnect.base_entity import JsonObject, StoredJson


def _require_object_schema(schema: JsonObject) -> JsonObject:
    """Return a usable JSON Schema of an object. Raises ValueError for another one."""
    try:
        json_schema.check_schema(schema)
        if schema.get("type", "object") != "object":
            raise json_schema.UnusableSchema(("type",), "the schema must describe an object")
    except json_schema.UnusableSchema as error:
        raise ValueError(f"is not a usable JSON Schema: {error.pointer or '/'} {error.detail}") from error
    return schema


InputSchema = Annotated[StoredJson, AfterValidator(_require_object_schema)]
