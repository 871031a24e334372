"""The rules of the architecture, as tests: each fails with the file and line that breaks it."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest
from pydantic import BaseModel

from infra import routes
from infra.cloudformation import ROOT
from tests.agents.execution_helpers import Starter
from tests.factories import register
from weconnect import registry_index
from weconnect.db.table import Row
from weconnect.durable import client as durable_client

LAYER = ROOT / "layers" / "weconnect"
MODULES = sorted((LAYER / "weconnect").rglob("*.py"))
FUNCTIONS = routes.list_function_files()
LONGEST_FILE = 400
LONGEST_ROUTE = 25

# Partition keys of indexes that do not begin with their organization, and why.
INDEXES_OVER_ORGANIZATIONS = {
    "USER": "the organizations of one user",
    "USERS": "operators list users by role",
    "ORGS": "operators list organizations by plan",
    "STRIPE": "Stripe's events name a customer only",
    "CURRENT": "the users whose current organization this is",
    "RUN": "sweepers work for all organizations",
    "TEMPLATE": "public templates belong to no organization",
    "TEMPLATES": "operators review templates",
}
# The same for the table itself: rows that are looked up before the organization is known.
ROWS_OVER_ORGANIZATIONS = {"USER", "EMAIL", "SLUG", "TOKEN", "APIKEY", "REGISTRATIONS", "IDEM", "READINESS"}
ROWS_OVER_ORGANIZATIONS |= {"DOMAIN", "LOGIN", "LOGINS", "STRIPEEVENT"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _imports(path: Path) -> set[str]:
    """Return the full names of a file's imports, at its top or within a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)} imports relatively"
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


# Size and form


@pytest.mark.parametrize("folder", ["layers", "functions", "infra"])
def test_files_have_less_than_four_hundred_lines(folder: str) -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length >= LONGEST_FILE} == {}


ROUTES = [path for path in FUNCTIONS if "from weconnect.api.resolver import" in path.read_text()]


@pytest.mark.parametrize("path", ROUTES, ids=lambda path: path.stem)
def test_a_route_is_one_short_function_with_one_call(path: Path) -> None:
    tree = ast.parse(path.read_text())
    rest = [node for node in tree.body[1:] if not isinstance(node, ast.Import | ast.ImportFrom)]
    assert ast.get_docstring(tree)
    assert ast.unparse(rest[0]) == "__all__ = ['handler']", "a route re-exports the one handler"
    (function,) = rest[1:]
    assert isinstance(function, ast.FunctionDef) and function.name == path.stem
    assert len(path.read_text().splitlines()[function.lineno - 1 : function.end_lineno]) <= LONGEST_ROUTE
    docstring, call, *response = function.body
    assert isinstance(docstring, ast.Expr) and ast.get_docstring(function)
    if isinstance(call, ast.Return):
        assert isinstance(call.value, ast.Call) and not response
    else:
        assert isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
        assert [ast.unparse(node) for node in response] in ([], ["return no_content()"])


def test_every_function_has_a_docstring() -> None:
    for path in FUNCTIONS:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), _name(path)


# Imports


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_the_layer_imports_neither_functions_nor_tests(path: Path) -> None:
    roots = {name.split(".")[0] for name in _imports(path)}
    assert not roots & {"tests", "infra", "functions", *(file.parent.name for file in FUNCTIONS)}, roots


def _named(*names: str) -> list[Path]:
    return [path for path in MODULES if path.name in names]


@pytest.mark.parametrize("path", _named("entities.py"), ids=_name)
def test_entities_do_not_import_their_storage(path: Path) -> None:
    names = {
        name
        for name in _imports(path)
        if re.search(r"\.(rows|table|resolver|service)\b|^(pynamodb|boto|aws_)", name)
    }
    assert names == set()


@pytest.mark.parametrize("path", _named("rows.py", "table.py"), ids=_name)
def test_rows_do_not_import_http(path: Path) -> None:
    assert {name for name in _imports(path) if re.search(r"weconnect\.api\b|powertools", name)} == set()


def test_only_parameters_import_the_resolver() -> None:
    """Services raise problems and return entities; the resolver and the types of parameters handle HTTP."""
    importing = {
        path.name
        for path in MODULES
        if any(name.startswith("weconnect.api.resolver") for name in _imports(path))
    }
    assert importing <= {"parameters.py", "permissions.py", "idempotency.py"}


def _imports_within_functions(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the last line of each import within a function: its number and its text."""
    source = path.read_text()
    lines = source.splitlines()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    number = node.end_lineno or node.lineno
                    yield number, lines[number - 1]


@pytest.mark.parametrize("path", [*MODULES, *FUNCTIONS], ids=_name)
def test_an_import_within_a_function_is_for_cold_start_alone(path: Path) -> None:
    assert [line for line in _imports_within_functions(path) if not line[1].endswith("  # cold start")] == []


@pytest.mark.parametrize(
    ("function", "module"),
    [
        ("agents.get_agent_memory", "boto3"),
        ("agents.list_agent_tools", "boto3"),
        ("workflows.get_workflow_diagram", "weconnect.workflows.executions.service"),
    ],
)
def test_a_route_that_reads_starts_without_what_it_seldom_needs(function: str, module: str) -> None:
    code = f"import sys, {function}; print({module!r} in sys.modules)"
    environment = {"PYTHONPATH": f"{LAYER}:{ROOT / 'functions'}", "PATH": "/usr/bin:/bin"}
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert process.stdout.strip() == "False", process.stderr


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name == "weconnect"], ids=_name)
def test_root_files_import_no_module_folder(path: Path) -> None:
    """Else every module would depend on that folder; the registry names higher modules by text."""
    folders = {folder.name for folder in (LAYER / "weconnect").iterdir() if folder.is_dir()}
    assert {
        name for name in _imports(path) if name.split(".")[1:2] and name.split(".")[1] in folders
    } == set()


def test_nothing_imports_a_module_that_the_contract_of_imports_does_not_name() -> None:
    """Such a module is on top of all others, so adding one changes no contract (pyproject.toml)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = project["tool"]["importlinter"]["contracts"]
    named = {name.strip() for layer in contract["layers"] for name in re.split("[:|]", layer)}
    importing = {}
    for path in MODULES:
        own = path.relative_to(LAYER / "weconnect").with_suffix("").parts[0]
        modules = {name.split(".")[1] for name in _imports(path) if name.startswith("weconnect.")}
        importing[_name(path)] = {
            name for name in modules - named - {own} if (LAYER / "weconnect" / name).is_dir()
        }
    assert {name: modules for name, modules in importing.items() if modules} == {}
    assert named == {name for name in named if list((LAYER / "weconnect").glob(f"{name}*"))}


def test_only_settings_read_the_environment() -> None:
    readers = [
        _name(path)
        for path in [*MODULES, *FUNCTIONS]
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb", "putenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    ]
    assert set(readers) == {"layers/weconnect/weconnect/settings.py"}


def test_an_import_creates_no_client_and_opens_no_connection() -> None:
    """Import every module in a process where a client, a connection or a subprocess is an error."""
    names = [".".join(path.relative_to(LAYER).with_suffix("").parts) for path in MODULES]
    names = [name.removesuffix(".__init__") for name in names]
    names += [f"{path.parent.name}.{path.stem}" for path in FUNCTIONS]
    code = f"""
import importlib, socket, subprocess, boto3, botocore.session

def refuse(*_, **__):
    raise AssertionError("done at import")

boto3.client = boto3.resource = boto3.Session.client = botocore.session.Session.create_client = refuse
socket.create_connection = socket.getaddrinfo = subprocess.Popen.__init__ = refuse
class Socket(socket.socket):
    connect = refuse
socket.socket = Socket
for name in {names!r}:
    try:
        importlib.import_module(name)
    except AssertionError as error:
        raise SystemExit(f"{{name}}: {{error}}")
"""
    environment = {"PYTHONPATH": f"{LAYER}:{ROOT / 'functions'}", "PATH": "/usr/bin:/bin"}
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr


# Keys


def _docstrings(tree: ast.AST) -> set[ast.AST]:
    bodies = [
        node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]
    return {body[0].value for body in bodies if body and isinstance(body[0], ast.Expr)}


def _key_builders(path: Path) -> Iterator[str]:
    """Yield the lines that build a key: `f"ORG#{…}"`, `"ORG#" + …`, `"#".join(…)`, or a whole key as text.

    Parsing one is allowed: `key.partition("#")`, `sk.startswith("TRASH#")`.
    """
    tree = ast.parse(path.read_text())
    reading = {
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("partition", "rpartition", "split", "startswith", "removeprefix")
        for argument in node.args
    }
    prefixes = {  # a row class may name the prefix of its sort keys
        node.value
        for node in ast.walk(tree)
        if path.name == "rows.py"
        and isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "PREFIX"
    }
    skipped = reading | prefixes | _docstrings(tree)
    for node in ast.walk(tree):
        where = f"{_name(path)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.JoinedStr):
            texts = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
            if len(node.values) > len(texts) and any(re.search(r"^#|#$", text) for text in texts):
                yield where
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            sides = [side.value for side in (node.left, node.right) if isinstance(side, ast.Constant)]
            if any(isinstance(side, str) and re.search(r"^#|#$", side) for side in sides):
                yield where
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("'#'.join",):
            yield where
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield from [where] if re.fullmatch(r"[A-Z]+#\S*", node.value) else []


@pytest.mark.parametrize("path", [*MODULES, *FUNCTIONS], ids=_name)
def test_keys_are_built_by_key_alone(path: Path) -> None:
    if _name(path) != "layers/weconnect/weconnect/db/keys.py":
        assert list(_key_builders(path)) == []


def test_the_search_for_built_keys_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    source = tmp_path / "bad.py"
    for bad in (
        'f"ORG#{x}"',
        '"ORG#" + x',
        'x + "#" + y',
        '"#".join([x])',
        '"USERS#admin"',
        '"ORG#%s" % x',
        'f"{x}#{y}"',
    ):
        source.write_text(f"value = {bad}")
        assert list(_key_builders(source)), bad
    source.write_text('"""ORG#o"""\nx = key.partition("ORG#")[2]  # ORG#o')
    assert list(_key_builders(source)) == []


def _row_classes() -> list[type[Row]]:
    for path in MODULES:
        if "discriminator=" in path.read_text():
            importlib.import_module(".".join(path.relative_to(LAYER).with_suffix("").parts))
    classes: list[type[Row]] = []
    bases: list[type[Row]] = [Row]
    while bases:
        subclasses = bases.pop().__subclasses__()
        classes += subclasses
        bases += subclasses
    return sorted(
        (kind for kind in classes if kind.__module__ in registry_index.MODULES_BY_KIND.values()),
        key=lambda kind: kind.__name__,
    )


ORGANIZATION = UUID("01900000-0000-7000-8000-000000000001")
OTHER = UUID("01900000-0000-7000-8000-000000000002")
SAMPLES: dict[Any, Any] = {UUID: OTHER, str: "pending", bool: True, int: 1, object: str(OTHER)}


def _sample(name: str, annotation: Any) -> Any:
    if name == "organization_id":
        return ORGANIZATION
    for kind in [annotation, *typing.get_args(annotation)]:
        if kind in SAMPLES:
            return SAMPLES[kind]
    return next(iter(annotation))  # an enumeration


def _key_functions(kind: type[Row]) -> Iterator[tuple[str, Any]]:
    """Yield a row class's own functions of keys, each with its result for sample arguments."""
    for name, member in vars(kind).items():
        if not isinstance(member, staticmethod | classmethod) or name.startswith("_") or name == "of":
            continue
        function = getattr(kind, name)
        types = typing.get_type_hints(function)
        plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = [item.name for item in inspect.signature(function).parameters.values() if item.kind == plain]
        if any(inspect.isclass(types[item]) and issubclass(types[item], BaseModel) for item in names):
            continue  # takes an entity, and combines the results of the others
        yield name, function(*(_sample(item, types[item]) for item in names))


@pytest.mark.parametrize("kind", _row_classes(), ids=lambda kind: kind.__name__)
def test_partitions_belong_to_an_organization(kind: type[Row]) -> None:
    for name, result in _key_functions(kind):
        if name == "shard" or name.endswith("_order"):
            continue  # parts and sort keys
        if isinstance(result, dict):
            partitions = [value for key, value in result.items() if key.endswith("pk")]
        else:
            partitions = [result[0] if isinstance(result, tuple) else result]
        for partition in partitions:
            first = partition.split("#")[0]
            allowed = (
                ROWS_OVER_ORGANIZATIONS
                if name in ("at", "of", "in_trash") or name.startswith("at_")
                else set(INDEXES_OVER_ORGANIZATIONS)
            )
            assert partition.startswith(f"ORG#{ORGANIZATION}") or first in allowed, f"{name}: {partition}"


def test_partitions_of_written_rows_begin_with_their_organization(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for the rows themselves, after requests to many routes."""
    starter = Starter()
    monkeypatch.setattr(durable_client, "lambda_client", lambda: starter)
    me = register()
    path = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    assert me.client.post(f"{path}/tools", {"toolName": "calculator"}).status == 201
    memory = {"memoryType": "semantic", "content": "x", "key": "a#b"}
    assert me.client.post(f"{path}/memories", memory).status == 201
    key = me.client.post("/v1/api-keys", {"name": "k", "scopes": ["*"]}, headers={"Idempotency-Key": "1"})
    assert key.status == 201
    assert me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 2}).status == 200
    for text in ("what is 2 * 3?", "hello"):
        assert me.client.post(f"{path}/executions", {"input": text, "sessionId": "s"}).status == 202
    starter.run_pending()
    assert me.client.delete(path).status == 204
    rows = boto3.client("dynamodb").scan(TableName="weconnect")["Items"]
    kinds = {row["kind"]["S"] for row in rows}
    assert kinds >= {
        "AGENT",
        "AGENTTOOL",
        "AGENTMEMORY",
        "AGENTEXECUTION",
        "AGENTSTEP",
        "APIKEY",
        "LIMIT",
        "USAGE",
        "IDEMPOTENCY",
    }
    mine = f"ORG#{me.organization['id']}"
    for row in rows:
        for name, value in row.items():
            if re.fullmatch(r"(gsi\d)?pk", name):
                first = value["S"].split("#")[0]
                allowed = ROWS_OVER_ORGANIZATIONS if name == "pk" else set(INDEXES_OVER_ORGANIZATIONS)
                belongs = value["S"] == mine or value["S"].startswith(f"{mine}#")
                assert belongs or first in allowed, f"{row['kind']['S']}.{name} = {value['S']}"
