"""SAM templates: functions, queues and data, with references resolved for the local host."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.cloudformation import read_template
from infra.local.settings import ACCOUNT, REGION, STACK


@dataclass(frozen=True)
class Function:
    """An AWS::Serverless::Function; `timeout` is in seconds, `memory` in MB."""

    id: str
    name: str
    handler: str
    timeout: int
    memory: int
    environment: Mapping[str, str]
    events: Mapping[str, dict[str, Any]]
    durable: Mapping[str, Any] | None

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"


@dataclass
class Scope:
    """The values that a template's references resolve to; resources are added as they are created."""

    parameters: dict[str, str]
    conditions: dict[str, Any]
    refs: dict[str, str] = field(default_factory=dict)
    attributes: dict[tuple[str, str], str] = field(default_factory=dict)

    def get_ref(self, name: str) -> str:
        """Return the value of a parameter, pseudo parameter or resource; unknown resources get a plausible name."""
        pseudo = {
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::StackName": STACK,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
        }
        for values in (self.parameters, pseudo, self.refs):
            if name in values:
                return values[name]
        return f"{STACK}-{name}"

    def get_attribute(self, name: str, attribute: str) -> str:
        """Return an attribute of a resource; an unknown one gets a plausible name."""
        return self.attributes.get((name, attribute), f"{STACK}-{name}.{attribute}")

    def resolve(self, node: Any) -> Any:
        """Return the node with every intrinsic function replaced by its value."""
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not None]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            key, value = next(iter(node.items()))
            if key in _INTRINSICS:
                return _INTRINSICS[key](self, value)
        resolved = {key: self.resolve(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not None}

    def evaluate_condition(self, node: Any) -> bool:
        """Return the value of a condition, by its name or its expression. Raises KeyError for an unknown name."""
        if isinstance(node, str):
            return self.evaluate_condition(self.conditions[node])
        return bool(self.resolve(node))


def _substitute(scope: Scope, value: Any) -> str:
    """Return the text of `Fn::Sub` with references replaced; `value` is the text, or `[text, further variables]`."""
    text, extra = (value[0], scope.resolve(value[1])) if isinstance(value, list) else (value, {})

    def replace(match: re.Match[str]) -> str:
        """Return the value of one `${…}`; of `${!Literal}`, the text `${Literal}`."""
        name = match[1]
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name in extra:
            return str(extra[name])
        return str(scope.get_attribute(*name.split(".", 1)) if "." in name else scope.get_ref(name))

    return re.sub(r"\$\{([^}]+)\}", replace, text)


def _choose_branch(scope: Scope, value: list[Any]) -> Any:
    """Return the value of `Fn::If`; `value` is `[condition, value when true, value when false]`."""
    return scope.resolve(value[1 if scope.evaluate_condition(value[0]) else 2])


def _compare_texts(scope: Scope, value: list[Any]) -> bool:
    """Return whether the two values of `Fn::Equals` are equal as texts."""
    return bool(str(scope.resolve(value[0])) == str(scope.resolve(value[1])))


_INTRINSICS: dict[str, Callable[[Scope, Any], Any]] = {
    "Ref": lambda scope, value: None if value == "AWS::NoValue" else scope.get_ref(value),
    "Condition": lambda scope, value: scope.evaluate_condition(value),
    "Fn::GetAtt": lambda scope, value: scope.get_attribute(value[0], ".".join(value[1:])),
    "Fn::Sub": _substitute,
    "Fn::If": _choose_branch,
    "Fn::Equals": _compare_texts,
    "Fn::Not": lambda scope, value: not scope.evaluate_condition(value[0]),
    "Fn::And": lambda scope, value: all(map(scope.evaluate_condition, value)),
    "Fn::Or": lambda scope, value: any(map(scope.evaluate_condition, value)),
    "Fn::Join": lambda scope, value: value[0].join(map(str, scope.resolve(value[1]))),
    "Fn::Split": lambda scope, value: str(scope.resolve(value[1])).split(value[0]),
    "Fn::Select": lambda scope, value: scope.resolve(value[1])[int(scope.resolve(value[0]))],
}


@dataclass
class Template:
    """A template with its scope; `resources` excludes those whose condition is false."""

    path: Path
    body: dict[str, Any]
    scope: Scope

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources by logical ID."""
        return {
            name: resource
            for name, resource in self.body.get("Resources", {}).items()
            if "Condition" not in resource or self.scope.evaluate_condition(resource["Condition"])
        }


def load_template(path: Path, parameter: Callable[[str], str | None]) -> Template:
    """Read a template; `parameter` returns a parameter's value, or None for its default."""
    body = read_template(path)
    parameters = {}
    for name, declared in body.get("Parameters", {}).items():
        value = parameter(name)
        parameters[name] = str(declared.get("Default", "") if value is None else value)
    return Template(path, body, Scope(parameters, body.get("Conditions", {})))


def read_functions(template: Template) -> dict[str, Function]:
    """Return the functions by logical ID, with Globals applied. Names are resolved, so the resources must exist."""
    scope = template.scope
    shared = template.body.get("Globals", {}).get("Function", {})
    functions = {}
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::Serverless::Function":
            functions[name] = _read_function(scope, name, resource["Properties"], shared)
    return functions


def _read_function(scope: Scope, name: str, own: dict[str, Any], shared: dict[str, Any]) -> Function:
    """Return a function from its own properties and those of Globals, with references resolved."""
    variables = scope.resolve(own.get("Environment", {}).get("Variables", {}))
    return Function(
        id=name,
        name=scope.resolve(own.get("FunctionName", f"{STACK}-{name}")),
        handler=scope.resolve(own["Handler"]),
        timeout=int(scope.resolve(own.get("Timeout", shared.get("Timeout", 3)))),
        memory=int(scope.resolve(own.get("MemorySize", shared.get("MemorySize", 128)))),
        environment={key: str(value) for key, value in variables.items()},
        events={key: scope.resolve(event) for key, event in own.get("Events", {}).items()},
        durable=scope.resolve(own["DurableConfig"]) if "DurableConfig" in own else None,
    )


def read_shared_environment(template: Template) -> dict[str, str]:
    """Return the environment variables of Globals, which every function gets."""
    variables = (
        template.body.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    )
    return {key: str(value) for key, value in template.scope.resolve(variables).items()}
