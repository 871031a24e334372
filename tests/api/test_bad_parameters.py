"""Bad paths, queries and headers for every route: a 4xx problem that names the parameter, and nothing written."""

from typing import Any

import pytest

from tests.api.bad_requests import (
    DEEP,
    DOCUMENTED,
    OPERATIONS,
    alternatives,
    is_free_text,
    problem_of,
    resolve_reference,
    send,
)
from tests.api.matrices import NAMES, REQUESTS
from tests.api.module_matrix import Side
from tests.gateway import Client
from tests.moto_table import table_items


def path_parameters_of(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return (name, schema) of each parameter in an operation's path."""
    documented = DOCUMENTED.get(name, {}).get("parameters", [])
    schemas = {one["name"]: resolve_reference(one["schema"]) for one in documented if one["in"] == "path"}
    names = [part[1:-1] for part in OPERATIONS[name].path.split("/") if part.startswith("{")]
    return [(parameter, schemas[parameter]) for parameter in names]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_invalid_path_parameters_are_refused(side: Side, name: str) -> None:
    operation, request, before = OPERATIONS[name], REQUESTS[name], table_items()
    for parameter, schema in path_parameters_of(name):
        if parameter in NAMES and is_free_text(schema):
            continue
        invalid = "0" if schema.get("type") == "integer" else "1"
        for value in ("x", invalid, "%00", "..", "ORG%23x", "%F0%9F%92%A9", "x" * 300, "0" * 32 + "g"):
            ids = side.ids | {request.ids.get(parameter, parameter): value}
            problem = problem_of(request.send(side.client, operation, ids), 422)
            assert f"/path/{parameter}" in [error["pointer"] for error in problem["errors"]]
    assert table_items() == before


def parameters_in(location: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (operation, name, schema) of all parameters in the `query` or the `header`."""
    return [
        (name, parameter["name"], parameter["schema"])
        for name, item in sorted(DOCUMENTED.items())
        for parameter in item.get("parameters", [])
        if parameter["in"] == location
    ]


@pytest.mark.parametrize(("name", "parameter", "schema"), parameters_in("query"))
def test_invalid_query_parameters_are_refused(
    side: Side, name: str, parameter: str, schema: dict[str, Any]
) -> None:
    before = table_items()
    kinds = {branch.get("type") for branch in alternatives(schema)}
    branch = alternatives(schema)[0]
    values = []
    if "string" not in kinds or "enum" in branch or "format" in branch:
        values += ["x", "", "%E2%98%83", "[]"]
    if parameter == "limit":
        values += ["0", "101", "-1", "1.5", "1e2", "NaN", "9" * 5_000]
    if "maxLength" in branch:
        values += ["x" * (branch["maxLength"] + 1)]
    if parameter == "cursor":
        values += ["x", "====", "e30", "%E2%98%83", "AAAA" * 20, "x" * 1_999]
    assert values or kinds == {"string"}
    for value in values:
        path = REQUESTS[name].path(OPERATIONS[name], side.ids).partition("?")[0] + f"?{parameter}={value}"
        problem = problem_of(side.client.call(OPERATIONS[name].method, path, REQUESTS[name].body), 400, 422)
        assert f"/query/{parameter}" in [error["pointer"] for error in problem["errors"]], (value, problem)
    assert table_items() == before


BAD_HEADERS = {
    "accept": ["x" * 5_000],
    "if-match": ["x", '"x"', '"1", "2"', '""', "-", '"1e3"', "9" * 5_000, '"999999"'],
    "prefer": ["wait=x", "wait=-1", "wait=", "wait=1.5", "wait=\u00b2", "wait=" + "9" * 5_000],
}


HEADERS = [
    (name, header)
    for name, header, _ in parameters_in("header")
    if header != "Idempotency-Key"  # see the test below
]


@pytest.mark.parametrize(("name", "header"), HEADERS)
def test_invalid_headers_are_refused(side: Side, name: str, header: str) -> None:
    before = table_items()
    for value in BAD_HEADERS[header]:
        problem = problem_of(send(side, name, headers={header: value}), 412, 422)
        if problem["status"] == 422:
            assert f"/header/{header}" in [error["pointer"].lower() for error in problem["errors"]]
    assert table_items() == before


POSTS = sorted(name for name, operation in OPERATIONS.items() if operation.replays and not operation.public)


@pytest.mark.parametrize("name", POSTS)
def test_invalid_idempotency_keys_are_refused(side: Side, name: str) -> None:
    before = table_items()
    for value in ("", "x" * 256, "a\u0000b", "a\tb", "\u200b"):
        problem = problem_of(send(side, name, headers={"Idempotency-Key": value}), 400)
        assert problem["code"] == "invalid_idempotency_key"
    assert table_items() == before


def test_every_route_is_tested_or_takes_no_input() -> None:
    silent = {
        name for name, item in DOCUMENTED.items() if "requestBody" not in item and "parameters" not in item
    }
    hidden = OPERATIONS.keys() - DOCUMENTED.keys()
    assert hidden == {"get_docs", "get_openapi"}
    assert silent == {name for name, request in REQUESTS.items() if request.takes_no_input}


def test_the_body_of_an_anonymous_caller_is_not_parsed() -> None:
    operation = OPERATIONS["create_agent"]
    response = Client().call(operation.method, operation.path, raw="[" * DEEP)
    assert response.status == 401
