"""Bad input to every route: a 4xx problem that names the place, never a 5xx, and nothing written.

The cases come from the OpenAPI document; `matrix_factories` gives each route a good body to spoil.
"""

import base64
import copy
import functools
import json
import string
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import routes
from tests.api.matrix_factories import ASKED, Side, Snapshot, contents, make_side, services
from tests.depth import examples
from tests.factories import become
from tests.gateway import CONTEXT, Answer, Client, authorize, make_event, match
from weconnect.api.health import openapi
from weconnect.api.resolver import PROBLEM_JSON, handler

DOCUMENT = json.loads(openapi())
OPERATIONS = {operation.function.__name__: operation for operation in routes.load().values()}
DESCRIBED = {item["operationId"]: item for path in DOCUMENT["paths"].values() for item in path.values()}
WITH_BODY = sorted(name for name, item in DESCRIBED.items() if "requestBody" in item)
MEGABYTE = 1024 * 1024
DEEP = 100_000


@pytest.fixture(scope="module")
def me() -> Iterator[Side]:
    """An owner with one of everything, who is an operator too; `untouched` puts the table back after each case."""
    with services() as starter:
        side = make_side("owner@example.com", starter)
        become(side.person, "admin")
        yield side


@pytest.fixture(scope="module")
def snapshot(me: Side) -> Snapshot:
    return Snapshot()


@pytest.fixture(autouse=True)
def untouched(request: pytest.FixtureRequest) -> None:
    if "me" in request.fixturenames:
        request.getfixturevalue("snapshot").restore()


def facts() -> dict[str, Any]:
    """The table without the counts of failed tries, which a refusal may move."""
    return {at: item for at, item in contents().items() if not at.startswith(("LOGIN#", "LOGINS#"))}


def ask(me: Side, name: str, **options: Any) -> Answer:
    """Ask a route with a body that is `raw`, or its good one."""
    operation, asked = OPERATIONS[name], ASKED[name]
    body = asked.body if "raw" not in options else None
    return me.client.call(operation.method, asked.path(operation, me.ids), body, **options)


def refused(answer: Answer, *statuses: int) -> dict[str, Any]:
    """The problem, which has to be one of `statuses` (any 4xx by default)."""
    assert answer.status in statuses or (not statuses and 400 <= answer.status < 500), answer.text[:2_000]
    assert answer.headers["Content-Type"] == PROBLEM_JSON
    problem = answer.json
    assert problem["status"] == answer.status and problem["code"] and problem["detail"]
    return problem  # type: ignore[no-any-return]


# Schemas of the document


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def body_schema(name: str) -> dict[str, Any]:
    content: dict[str, Any] = DESCRIBED[name]["requestBody"]["content"]["application/json"]["schema"]
    return content


def branches(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be: the alternatives of `anyOf`, else the schema itself."""
    schema = resolve(schema)
    return [resolve(branch) for branch in schema.get("anyOf", [schema])]


def the_object(schema: dict[str, Any]) -> dict[str, Any]:
    return next(branch for branch in branches(schema) if branch.get("type") == "object")


Place = tuple[str | int, ...]


def places(schema: dict[str, Any], at: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every field that a body may have, at any depth."""
    for branch in branches(schema):
        for name, field in branch.get("properties", {}).items():
            yield (*at, name), field
            yield from places(field, (*at, name))
        if branch.get("type") == "array":
            yield (*at, 0), branch["items"]
            yield from places(branch["items"], (*at, 0))


def wrong_values(schema: dict[str, Any]) -> list[Any]:
    """Values that no branch of the schema takes, and that nobody would read as one that it takes."""
    types = {branch.get("type", "anything") for branch in branches(schema)}
    if "anything" in types:
        return []
    samples = {
        "string": "\u2603",
        "array": [[]],
        "object": {"\u2603": 1},
        "integer": 7,
        "number": 7.5,
        "boolean": True,
        "null": None,
    }
    readable = {"integer": {"number", "boolean"}, "number": {"integer", "boolean"}, "boolean": {"number"}}
    taken = types | {other for kind in types for other in readable.get(kind, set())}
    if "boolean" in types:
        taken -= {"integer"}  # 0 and 1 are read as flags; 7 is not
    wrong = [sample for kind, sample in samples.items() if kind not in taken]
    for branch in branches(schema):
        if branch.get("type") == "string" and len(types - {"null"}) == 1:
            wrong += ["x" * (branch["maxLength"] + 1)] if "maxLength" in branch else []
            wrong += [""] if branch.get("minLength") else []
            wrong += ["\u2603"] if "enum" in branch or "format" in branch or "pattern" in branch else []
        if branch.get("type") in ("integer", "number"):
            wrong += [branch["maximum"] + 1] if "maximum" in branch else []
            wrong += [branch["minimum"] - 1] if "minimum" in branch else []
            wrong += [branch["exclusiveMinimum"]] if "exclusiveMinimum" in branch else []
        if branch.get("type") == "integer":
            wrong += [1.5]
        if branch.get("type") == "array" and "maxItems" in branch:
            wrong += [[good(branch["items"])] * (branch["maxItems"] + 1)]
    return wrong


def good(schema: dict[str, Any]) -> Any:
    """A value that is about right."""
    branch = branches(schema)[0]
    if "enum" in branch:
        return branch["enum"][0]
    empty = {"array": [], "object": {}, "integer": branch.get("minimum", 1), "number": 0.5, "boolean": True}
    kind = branch.get("type", "string")
    return empty[kind] if kind in empty else "x" * max(1, branch.get("minLength", 1))


def spoiled(body: Any, schema: dict[str, Any], at: Place, value: Any) -> Any:
    """The good body with `value` at a place, whatever is missing on the way made."""
    if not at:
        return value
    here = the_object(schema)["properties"] if isinstance(at[0], str) else None
    if here is not None:
        found = copy.deepcopy(body) if isinstance(body, dict) else {}
        found[at[0]] = spoiled(found.get(at[0]), here.get(at[0], {}), at[1:], value)
        return found
    items = next(branch for branch in branches(schema) if branch.get("type") == "array")["items"]
    return [spoiled(good(items), items, at[1:], value)]


def pointer(at: Place) -> str:
    return "/" + "/".join(str(part) for part in at)


# Bodies that are no JSON, or not the right one

NOT_JSON = {
    "malformed": '{"name": ',
    "a word": "nonsense",
    "two": '{"name": "a"} {"name": "b"}',
    "NaN": '{"name": NaN}',
    "Infinity": '{"name": -Infinity}',
    "a number beyond floats": '{"name": 1e999}',
    "5,000 digits": '{"name": ' + "9" * 5_000 + "}",
    "100,000 brackets": "[" * DEEP,
    "100,000 closed brackets": "[" * DEEP + "]" * DEEP,
    "100,000 objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "a lone surrogate": '{"name": "\\ud800"}',
    "a lone surrogate in a name": '{"\\ud800": "x"}',
    "a key twice": '{"name": "a", "name": "b"}',
    "a key twice, deeper": '{"name": {"a": [{"b": 1, "b": 1}]}}',
    "a control character": '{"name": "a\u0001b"}',
}


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_not_json(me: Side, name: str) -> None:
    before = contents()
    for what, raw in NOT_JSON.items():
        problem = refused(ask(me, name, raw=raw), 400)
        assert problem["code"] == "malformed_json", (what, problem)
    assert contents() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_of_the_wrong_kind(me: Side, name: str) -> None:
    before = contents()
    required = DESCRIBED[name]["requestBody"].get("required", False)
    for raw in ["[]", '"text"', "7", "true", "[{}]", *(["null", ""] if required else [])]:
        problem = refused(ask(me, name, raw=raw), 400, 422)
        assert raw == "" or problem["errors"], (raw, problem)
    assert contents() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_no_text(me: Side, name: str) -> None:
    """The gateway hands over as base64 what is not UTF-8."""
    before = contents()
    operation, parameters = match(OPERATIONS[name].method, ASKED[name].path(OPERATIONS[name], me.ids))
    path = ASKED[name].path(OPERATIONS[name], me.ids)
    for raw in (b'{"name": "\xff"}', b"\xff\xfe{\x00}\x00", b"PK\x03\x04" + bytes(range(128, 256))):
        event = make_event(operation, path, parameters, None, me.client.headers, me.client.ip)
        event |= {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
        if not operation.public:
            event["requestContext"]["authorizer"] = {"lambda": authorize(event)}
        made = handler(event, CONTEXT)
        refused(Answer(int(made["statusCode"]), made["headers"], made["body"], event), 400)
    assert contents() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_too_large(me: Side, name: str) -> None:
    before = contents()
    refused(ask(me, name, raw=json.dumps({"name": "x" * 5 * MEGABYTE})), 413)
    refused(ask(me, name, raw=json.dumps({"name": "\u2603" * (2 * MEGABYTE)}, ensure_ascii=False)), 413)
    assert contents() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_of_another_media_type(me: Side, name: str) -> None:
    before = contents()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        refused(ask(me, name, headers={"Content-Type": kind}), 400, 415)
    assert contents() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_field_that_does_not_exist(me: Side, name: str) -> None:
    """Also one that does, but not here: nobody gives himself a role, a plan or another tenant."""
    before = contents()
    schema = the_object(body_schema(name))
    foreign = ["\u2603", "id", "role", "plan", "version", "createdAt", "isFeatured", "totalExecutions"]
    foreign += ["userId", "keyHash", "__proto__", "a/b~c"]
    if "organizationId" not in schema["properties"]:
        foreign.append("organizationId")
    nested = [place for place, field in places(schema) if any("properties" in one for one in branches(field))]
    for place in [(), *nested]:
        for field in foreign:
            at, value = (place, {field: 1}) if place else ((field,), 1)
            body = spoiled(ASKED[name].body or {}, schema, at, value)
            problem = refused(ask(me, name, raw=json.dumps(body)), 422)
            expected = pointer((*place, field.replace("~", "~0").replace("/", "~1")))
            assert expected in [error["pointer"] for error in problem["errors"]], (expected, problem)
    assert contents() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_each_field_with_values_that_it_does_not_take(me: Side, name: str) -> None:
    before, tried = contents(), 0
    schema = body_schema(name)
    for place, field in places(schema):
        for value in wrong_values(field):
            body = spoiled(ASKED[name].body or {}, schema, place, value)
            problem = refused(ask(me, name, raw=json.dumps(body)), 400, 422)
            found = [error["pointer"] for error in problem["errors"]]
            assert any(one.startswith(pointer(place)) for one in found), (place, str(value)[:80], problem)
            tried += 1
    assert (tried > 2 or name in TAKES_ANYTHING) and contents() == before


# Bodies of numbers, flags, ids and choices only.
WITHOUT_TEXT = {"logout", "put_execution_limit", "rotate_api_key", "update_user"}
TAKES_ANYTHING = {"complete_callback"}
WITHOUT_TEXT |= {"bulk_executions", "complete_callback", "retry_execution"}
WITHOUT_TEXT |= {"activate_workflow", "put_plan", "start_checkout", "transfer_ownership", "update_member"}
WITHOUT_TEXT |= {"update_workflow_share"}


@pytest.mark.parametrize("name", WITH_BODY)
def test_each_field_as_large_as_it_may_be(me: Side, snapshot: Snapshot, name: str) -> None:
    """A row takes 400 KB: what does not fit is refused, and not found out by the table."""
    schema, tried = body_schema(name), 0
    for place, field in places(schema):
        for branch in branches(field):
            values: list[Any] = []
            if branch.get("type") == "string" and "maxLength" in branch:
                values = [
                    "\U0001f600" * branch["maxLength"],
                    "\u0001" * branch["maxLength"],
                    "'" * branch["maxLength"],
                ]
            if branch.get("type") == "object" and "properties" not in branch:
                values = [{"a": "x" * 3 * MEGABYTE}, {"type": "object", "title": "\U0001f600" * 150_000}]
            for value in values:
                snapshot.restore()
                answer = ask(me, name, raw=json.dumps(spoiled(ASKED[name].body or {}, schema, place, value)))
                assert answer.status < 500, (place, answer.text)
                tried += 1
    assert tried or name in WITHOUT_TEXT


@pytest.mark.parametrize("name", WITH_BODY)
def test_each_required_field_missing(me: Side, name: str) -> None:
    before = contents()
    for field in the_object(body_schema(name)).get("required", []):
        body = {key: value for key, value in ASKED[name].body.items() if key != field}
        problem = refused(ask(me, name, raw=json.dumps(body)), 422)
        assert f"/{field}" in [error["pointer"] for error in problem["errors"]]
    assert contents() == before


# Paths, queries, headers


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_path_parameters(me: Side, name: str) -> None:
    operation, asked, before = OPERATIONS[name], ASKED[name], contents()
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    for parameter in names:
        if parameter in ("type", "nodeId", "nodeExecutionId", "token"):
            continue  # a name
        odd = "0" if parameter == "version" else "1"
        for value in ("x", odd, "%00", "..", "ORG%23x", "%F0%9F%92%A9", "x" * 300, "0" * 32 + "g"):
            ids = me.ids | {asked.ids.get(parameter, parameter): value}
            problem = refused(asked.send(me.client, operation, ids), 422)
            assert f"/path/{parameter}" in [error["pointer"] for error in problem["errors"]]
    assert contents() == before


def parameters(place: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(operation, name, schema) of all parameters in the query or the headers."""
    return [
        (name, parameter["name"], parameter["schema"])
        for name, item in sorted(DESCRIBED.items())
        for parameter in item.get("parameters", [])
        if parameter["in"] == place
    ]


@pytest.mark.parametrize(("name", "parameter", "schema"), parameters("query"))
def test_query_parameters(me: Side, name: str, parameter: str, schema: dict[str, Any]) -> None:
    before = contents()
    kinds = {branch.get("type") for branch in branches(schema)}
    branch = branches(schema)[0]
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
        path = ASKED[name].path(OPERATIONS[name], me.ids).partition("?")[0] + f"?{parameter}={value}"
        problem = refused(me.client.call(OPERATIONS[name].method, path, ASKED[name].body), 400, 422)
        assert f"/query/{parameter}" in [error["pointer"] for error in problem["errors"]], (value, problem)
    assert contents() == before


BAD_HEADERS = {
    "accept": ["x" * 5_000],
    "if-match": ["x", '"x"', '"1", "2"', '""', "-", '"1e3"', "9" * 5_000, '"999999"'],
    "prefer": ["wait=x", "wait=-1", "wait=", "wait=1.5", "wait=\u00b2", "wait=" + "9" * 5_000],
}


HEADERS = [
    (name, header)
    for name, header, _ in parameters("header")
    if header != "Idempotency-Key"  # has a test of its own
]


@pytest.mark.parametrize(("name", "header"), HEADERS)
def test_header_parameters(me: Side, name: str, header: str) -> None:
    before = contents()
    for value in BAD_HEADERS[header]:
        problem = refused(ask(me, name, headers={header: value}), 412, 422)
        if problem["status"] == 422:
            assert f"/header/{header}" in [error["pointer"].lower() for error in problem["errors"]]
    assert contents() == before


POSTS = sorted(
    name for name, operation in OPERATIONS.items() if operation.may_replay and not operation.public
)


@pytest.mark.parametrize("name", POSTS)
def test_idempotency_keys(me: Side, name: str) -> None:
    before = contents()
    for value in ("", "x" * 256, "a\u0000b", "a\tb", "\u200b"):
        problem = refused(ask(me, name, headers={"Idempotency-Key": value}), 400)
        assert problem["code"] == "invalid_idempotency_key"
    assert contents() == before


# Anything at all

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def fitting(schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a schema, with something else now and then."""
    made = [_of_type(branch, depth) for branch in branches(schema)]
    return st.one_of(*made, *made, JUNK) if depth else st.one_of(*made)


def _of_type(schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    kind = schema.get("type")
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if kind == "object" and "properties" in schema and depth < 6:
        fields = {name: fitting(field, depth + 1) for name, field in schema["properties"].items()}
        needed = {name: fields[name] for name in schema.get("required", [])}
        others = {name: fields[name] for name in fields if name not in needed}
        return st.fixed_dictionaries(needed, optional=others)
    if kind == "object":
        return st.dictionaries(st.text(string.printable, max_size=10), JUNK, max_size=3)
    if kind == "array":
        return st.lists(fitting(schema["items"], depth + 1), max_size=4)
    if kind == "string" and schema.get("format") == "uuid":
        return st.uuids().map(str)
    if kind == "string" and schema.get("format") == "date-time":
        return st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    if kind == "string":
        short = st.text(min_size=schema.get("minLength", 0), max_size=min(30, schema.get("maxLength", 30)))
        return short | st.text(string.ascii_letters, min_size=1, max_size=12)
    if kind == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "number":
        bounds = schema.get("minimum"), schema.get("maximum")
        return st.floats(*bounds, allow_nan=False, allow_infinity=False)
    return {"boolean": st.booleans(), "null": st.none()}.get(str(kind), JUNK)


def nearly_good(name: str) -> st.SearchStrategy[Any]:
    """The good body with one or two of its fields changed: most of these get past the validation."""
    fields = the_object(body_schema(name))["properties"]
    some = [st.fixed_dictionaries({field: fitting(schema, 1)}) for field, schema in sorted(fields.items())]
    return st.lists(st.one_of(*some), min_size=1, max_size=2).map(
        lambda changes: functools.reduce(lambda body, more: body | more, changes, ASKED[name].body or {})
    )


@pytest.mark.parametrize("name", WITH_BODY)
def test_no_body_is_our_fault(me: Side, snapshot: Snapshot, name: str) -> None:
    """Whatever is sent, the answer is a success or the caller's problem; a refusal writes nothing."""

    @settings(
        max_examples=examples(12),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(nearly_good(name) | nearly_good(name) | fitting(body_schema(name)) | JUNK)
    def sent(body: Any) -> None:
        snapshot.restore()
        before = facts()
        answer = ask(me, name, raw=json.dumps(body))
        assert answer.status < 500, answer.text
        if answer.status >= 400:
            refused(answer)
            assert name == "register" or facts() == before

    sent()


@pytest.mark.parametrize("name", sorted(name for name, item in DESCRIBED.items() if item.get("parameters")))
def test_no_query_or_header_is_our_fault(me: Side, snapshot: Snapshot, name: str) -> None:
    operation, asked = OPERATIONS[name], ASKED[name]
    found = [one for one in DESCRIBED[name]["parameters"] if one["in"] in ("query", "header")]
    values = (
        st.text(max_size=40)
        | st.integers().map(str)
        | st.sampled_from(["true", "1", "newest", '"1"', "wait=0"])
    )
    path = asked.path(operation, me.ids)

    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.fixed_dictionaries({}, optional={one["name"]: values for one in found}))
    def sent(chosen: dict[str, str]) -> None:
        from urllib.parse import quote

        snapshot.restore()
        places = {one["name"]: one["in"] for one in found}
        query = "&".join(f"{key}={quote(value)}" for key, value in chosen.items() if places[key] == "query")
        headers = {key: value for key, value in chosen.items() if places[key] == "header"}
        headers.pop("prefer", None)  # it would really wait
        full = path + ("&" if "?" in path else "?") + query
        answer = me.client.call(operation.method, full, asked.body, headers=headers)
        assert answer.status < 500, answer.text

    sent()


def test_unknown_routes_are_the_gateways() -> None:
    """Every route that is served is tested here or has nothing to send."""
    silent = {
        name for name, item in DESCRIBED.items() if "requestBody" not in item and "parameters" not in item
    }
    hidden = OPERATIONS.keys() - DESCRIBED.keys()
    assert hidden == {"get_docs", "get_openapi"}
    assert silent <= {
        *("get_health", "get_readiness", "get_me", "list_model_providers", "delete_me", "enroll_mfa"),
        *("export_me", "receive_stripe_event", "call_mcp", "open_mcp_stream", "list_node_types"),
    }


def test_an_anonymous_caller_costs_no_parsing() -> None:
    operation = OPERATIONS["create_agent"]
    answer = Client().call(operation.method, operation.path, raw="[" * DEEP)
    assert answer.status == 401
