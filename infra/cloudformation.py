"""Read our CloudFormation templates as data, short tags (`!Ref`, `!GetAtt`, `!Sub` …) as their long forms."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    pass


def _short_tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_tag)


def load(path: Path) -> dict[str, Any]:
    """A template, as plain data."""
    return yaml.load(path.read_text(), _Loader)  # type: ignore[no-any-return]


def table_definition(table_name: str, root: Path = ROOT, *, vectors: bool = False) -> dict[str, Any]:
    """`CreateTable`'s arguments for the table of infra/data.yaml; its vector index, which moto lacks, if asked."""
    properties = load(root / "infra" / "data.yaml")["Resources"]["Table"]["Properties"]
    taken = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "VectorIndexes")
    found = {name: properties[name] for name in taken}
    if not vectors:
        schema = [item for index in found.pop("VectorIndexes") for item in index["SearchSchema"]]
        own = {item["AttributeName"] for item in schema}
        attributes = found["AttributeDefinitions"]
        found["AttributeDefinitions"] = [item for item in attributes if item["AttributeName"] not in own]
    stream = {"StreamEnabled": True, **properties["StreamSpecification"]}
    return {"TableName": table_name, "StreamSpecification": stream, **found}
