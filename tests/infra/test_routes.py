"""The routes: each has its file, its function, its place in the gateway, and consistent metadata."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import make_api, routes
from infra.routes import logical_id_of
from tests.infra.stack import API, FUNCTIONS, OPENAPI, OPERATIONS, RESOURCES, TEMPLATE

# The files that `make api` writes, and the routes


@pytest.mark.parametrize("path", make_api.generate_texts(), ids=lambda path: path.name)
def test_generated_files_are_up_to_date(path: Path) -> None:
    assert path.read_text() == make_api.generate_texts()[path], f"{path.name} is outdated: run `make api`"


def test_every_file_has_its_function_and_every_function_its_file() -> None:
    expected = {
        routes.to_logical_id(file): f"{file.parent.name}.{file.stem}.handler"
        for file in routes.list_function_files()
    }
    assert {name: properties["Handler"] for name, properties in FUNCTIONS.items()} == expected


def test_every_handler_is_callable() -> None:
    for properties in FUNCTIONS.values():
        module, _, name = properties["Handler"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_route_is_in_the_gateway_and_calls_its_function() -> None:
    integrations = {}
    for path, methods in API["paths"].items():
        for method, entry in methods.items():
            uri = entry["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            integrations[f"{method.upper()} {path}"] = re.findall(r"\$\{(\w+)\.Arn\}", uri)
    expected = {key: [logical_id_of(operation)] for key, operation in OPERATIONS.items()}
    assert integrations == expected
    assert {name for names in integrations.values() for name in names} <= set(FUNCTIONS)


def test_functions_that_are_no_routes_have_an_event_source_or_a_known_caller() -> None:
    routed = {logical_id_of(operation) for operation in OPERATIONS.values()}
    for name in set(FUNCTIONS) - routed:
        has_event = bool(FUNCTIONS[name].get("Events"))
        assert has_event or name in ("Authorize", "RunAgent", "RunWorkflow", "RunCode"), (
            f"nothing calls {name}"
        )


def test_operation_ids_are_unique_and_named_after_their_file() -> None:
    ids = [entry["operationId"] for methods in API["paths"].values() for entry in methods.values()]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)
    for operation in OPERATIONS.values():
        assert operation.function.__name__ == operation.function.__module__.rpartition(".")[2]


def test_public_routes_are_public_in_the_gateway_and_the_document() -> None:
    for key, operation in OPERATIONS.items():
        entry = API["paths"][operation.path][operation.method.lower()]
        assert entry.get("security") == (None if operation.public else [{"authorizer": []}]), key
        documented = OPENAPI["paths"].get(operation.path, {}).get(operation.method.lower())
        if documented is not None:
            security: list[dict[str, list[str]]] = (
                [] if operation.public else [{"bearer": []}, {"apiKey": []}]
            )
            assert documented["security"] == security, key
        if operation.public:
            assert operation.permission is None, f"{key} is public but requires a permission"


def test_every_reference_of_the_gateway_resolves() -> None:
    names = set(RESOURCES) | set(TEMPLATE["Parameters"])
    pseudo = {"AWS::Partition", "AWS::Region", "AWS::AccountId", "AWS::StackName", "AWS::URLSuffix"}
    pseudo |= {"AWS::NoValue"}
    references = list(_references(API))
    assert len(references) > len(OPERATIONS)
    assert {name for name in references if name not in names | pseudo} == set()
    assert "!Ref" not in make_api.API.read_text() and "!Sub" not in make_api.API.read_text(), (
        "AWS::Include supports long forms only"
    )


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    if not isinstance(value, dict):
        return
    for name, item in value.items():
        if name == "Ref":
            yield item
        elif name == "Fn::GetAtt":
            yield item[0]
        elif name == "Fn::Sub":
            text = item if isinstance(item, str) else item[0]
            yield from (variable.split(".")[0] for variable in re.findall(r"\$\{([^!}][^}]*)\}", text))
        else:
            yield from _references(item)


def test_the_timeout_of_a_route_is_below_that_of_the_gateway() -> None:
    base = TEMPLATE["Globals"]["Function"]["Timeout"]
    for operation in OPERATIONS.values():
        assert FUNCTIONS[logical_id_of(operation)].get("Timeout", base) < 30


# The metadata of routes


def test_a_location_is_the_path_of_a_resource_with_the_parameters_of_its_operation() -> None:
    paths = {re.sub(r"\{\w+\}", "{}", operation.path) for operation in OPERATIONS.values()}
    for key, operation in OPERATIONS.items():
        if operation.location:
            assert operation.method == "POST", key
            assert operation.location.endswith("/{id}"), key
            assert re.sub(r"\{\w+\}", "{}", operation.location) in paths, key
            own_parameters = set(re.findall(r"\{(\w+)\}", operation.path)) | {"id"}
            assert set(re.findall(r"\{(\w+)\}", operation.location)) <= own_parameters, key


def test_every_creation_of_a_resource_with_an_id_has_a_location() -> None:
    for key, entry in DOCUMENTED_CREATIONS:
        schema = entry["responses"]["201"]["content"]["application/json"]["schema"]
        name = schema["$ref"].rpartition("/")[2]
        if "id" in OPENAPI["components"]["schemas"][name]["properties"]:
            assert OPERATIONS[key].location, key


DOCUMENTED_CREATIONS = [
    (f"{method.upper()} {path}", entry)
    for path, methods in OPENAPI["paths"].items()
    for method, entry in methods.items()
    if "201" in entry["responses"]
]


def test_every_post_of_a_signed_in_caller_replays_but_those_of_authentication() -> None:
    for key, operation in OPERATIONS.items():
        expected = operation.method == "POST" and not operation.public and "/v1/auth/" not in operation.path
        assert operation.replays == expected, key


def test_operations_that_only_read_require_a_permission_to_read() -> None:
    reading = [operation for operation in OPERATIONS.values() if operation.reads_only]
    assert reading and all(operation.method == "POST" for operation in reading)
    assert all((operation.permission or "").endswith(":read") for operation in reading)
    for key, operation in OPERATIONS.items():
        if operation.writes:
            assert not (operation.permission or "").endswith(":read"), (
                f"{key} writes with a permission to read"
            )
