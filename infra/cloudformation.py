"""Our CloudFormation templates as data, with short tags (`!Ref`, `!GetAtt`, `!Sub` …) in their long forms."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    pass


def _expand_short_tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Return a short tag in its long form: `!GetAtt A.B` becomes `{"Fn::GetAtt": ["A", "B"]}`."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _expand_short_tag)


def read_template(path: Path) -> dict[str, Any]:
    """Read a template as plain data."""
    return yaml.load(path.read_text(), _Loader)  # type: ignore[no-any-return]


def read_table_definition(table_name: str, root: Path = ROOT, *, vectors: bool = False) -> dict[str, Any]:
    """Return `CreateTable`'s arguments for the table of infra/data.yaml.

    Its vector index is left out unless `vectors`, because moto does not support it.
    """
    properties = read_template(root / "infra" / "data.yaml")["Resources"]["Table"]["Properties"]
    names = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "VectorIndexes")
    definition = {name: properties[name] for name in names}
    if not vectors:
        schema = [item for index in definition.pop("VectorIndexes") for item in index["SearchSchema"]]
        vector_attributes = {item["AttributeName"] for item in schema}
        definition["AttributeDefinitions"] = [
            item
            for item in definition["AttributeDefinitions"]
            if item["AttributeName"] not in vector_attributes
        ]
    stream = {"StreamEnabled": True, **properties["StreamSpecification"]}
    return {"TableName": table_name, "StreamSpecification": stream, **definition}
