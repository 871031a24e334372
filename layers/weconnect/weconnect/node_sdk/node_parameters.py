"""The parameters of nodes: their base model, and the rules for expressions in them."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from weconnect.base_entity import ApiModel

_SINGLE_VARIABLE = re.compile(r"""\{\{\s*\$vars\s*\.\s*(?:`([^`]+)`|"([^"]+)"|([A-Za-z_]\w*))\s*\}\}""")


class ExpressionRule(Enum):
    """Metadata of a parameter, `Annotated[str, ExpressionRule.VERBATIM]`: which expressions it may contain.

    Without a rule, a parameter may contain expressions, but no secret variables.
    """

    VERBATIM = "verbatim"
    """The value is used as it is; braces in it do not begin expressions."""
    NO_EXPRESSION = "no_expression"
    """The value may not contain an expression."""
    SECRET_VARIABLE = "secret_variable"
    """The value is one secret variable and nothing else: `{{ $vars.name }}`."""
    MAY_USE_SECRETS = "may_use_secrets"
    """The value may contain expressions with secret variables."""


class Parameters(ApiModel):
    """The parameters of a node. Expressions in their texts are evaluated before the model validates them."""

    model_config = ConfigDict(use_attribute_docstrings=True)


@cache
def names_with_rule(model: type[Parameters], rule: ExpressionRule) -> frozenset[str]:
    """Return the names in JSON of a model's fields with a rule."""
    fields = model.model_fields.items()
    return frozenset(info.alias or to_camel(name) for name, info in fields if rule in info.metadata)


def parameters_with_rule(
    model: type[Parameters], rule: ExpressionRule, value: Mapping[str, Any]
) -> list[str]:
    """Return the keys of `value` that are parameters with a rule, spelled as in JSON or as in Python."""
    names = names_with_rule(model, rule)
    if not names:  # most node types have none, and this is called for every node run
        return []
    return sorted(key for key in value if key in names or to_camel(key) in names)


def split_verbatim(model: type[Parameters], value: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters to use as they are, and those that may contain expressions."""
    names = parameters_with_rule(model, ExpressionRule.VERBATIM, value)
    verbatim = {name: value[name] for name in names}
    return verbatim, {name: inner for name, inner in value.items() if name not in verbatim}


def find_misplaced(model: type[Parameters], value: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the pointer, code and message of each written parameter that breaks its ExpressionRule."""
    for name in parameters_with_rule(model, ExpressionRule.NO_EXPRESSION, value):
        if "{{" in str(value[name]):
            text = "an expression is not allowed here. Write the text without {{."
            yield f"/{name}", "expression_not_allowed", text
    for name in parameters_with_rule(model, ExpressionRule.SECRET_VARIABLE, value):
        if value[name] is not None and single_variable(value[name]) is None:
            yield (
                f"/{name}",
                "secret_required",
                "must be one secret variable and nothing else: {{ $vars.name }}",
            )


def single_variable(text: Any) -> str | None:
    """Return the name in a text that is `{{ $vars.name }}` and nothing else, else None."""
    match = _SINGLE_VARIABLE.fullmatch(text) if isinstance(text, str) else None
    return next(name for name in match.groups() if name) if match else None


def pointer_of(location: tuple[int | str, ...]) -> str:
    """Return the JSON pointer of the location in a pydantic error."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def value_at(value: Any, pointer: str) -> Any:
    """Return the value at an existing JSON pointer."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value
