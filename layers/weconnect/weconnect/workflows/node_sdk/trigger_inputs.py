"""What a trigger says of its run's input; apart from `offering`, so that node types are known without the table."""

from typing import Annotated

from pydantic import AfterValidator

from weconnect import json_schema
from weconnect.base_entity import Json, StoredJson


def _of_object(schema: Json) -> Json:
    try:
        json_schema.inspect(schema)
        if schema.get("type", "object") != "object":
            raise json_schema.BadSchema(("type",), "it has to describe an object")
    except json_schema.BadSchema as error:
        raise ValueError(f"is no JSON Schema of use: {error.pointer or '/'} {error.detail}") from error
    return schema


InputSchema = Annotated[StoredJson, AfterValidator(_of_object)]
