"""The manifests of the modules, and what `make api` writes from them."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from infra import manifests, route_resources, stream_filters
from infra.cloudformation import ROOT
from infra.manifests import LAYER, ManifestError
from tests.infra.stack import FUNCTIONS, LAYERS, OPERATIONS, ROLES
from weconnect import registry, registry_index
from weconnect.base_entity import ApiModel, with_fields
from weconnect.identity.permissions import ALL_PERMISSIONS
from weconnect.jobs.job_type import JobType
from weconnect.manifest import EventSource, Module
from weconnect.node_sdk.trigger_kind import TriggerKind
from weconnect.organizations.entities import PlanLimits
from weconnect.workflows import node_catalogue

MODULES = manifests.load_manifests()


def list_names() -> Iterator[str]:
    """Yield every `package.module:attribute` of every manifest."""
    for module in MODULES.values():
        yield from module.trash.values()
        yield from filter(None, [module.erase_organization, module.erase_member])
        yield from (part.function for part in module.export.values())
        yield from module.job_types.values()
        yield from (source.build for source in module.events.values())
        yield from module.triggers.values()
        yield from module.execution_kinds.values()
        yield from module.tool_offers.values()


@pytest.mark.parametrize("name", [*list_names()])
def test_every_name_in_a_manifest_resolves(name: str) -> None:
    assert registry.resolve(name) is not None


def test_job_types_and_trigger_kinds_are_what_they_are_registered_as() -> None:
    for name in registry_index.JOB_TYPES.values():
        assert isinstance(registry.resolve(name), JobType)
    for type, name in registry_index.TRIGGERS.items():
        assert isinstance(registry.resolve(name), TriggerKind)
        kind = node_catalogue.find_node_type(type)
        assert kind and kind.kind == "trigger"


def test_node_packages_share_no_type() -> None:
    packages = [importlib.import_module(package) for package in registry_index.NODE_PACKAGES]
    files = [path.stem for package in packages for path in Path(package.__path__[0]).glob("[!_]*.py")]
    assert len(files) == len(set(files)) == len(node_catalogue.list_node_type_names())


def test_quotas_are_limited_by_fields_of_the_plan() -> None:
    assert set(registry_index.QUOTA_LIMIT_FIELDS.values()) <= set(PlanLimits.model_fields)
    parts = list(registry_index.QUOTA_KEY_PARTS.values())
    assert len(parts) == len(set(parts)), "two resources would share a counter"


def test_every_permission_of_a_route_is_declared() -> None:
    required = {operation.permission for operation in OPERATIONS.values() if operation.permission}
    assert required - {"operator"} <= ALL_PERMISSIONS


def test_roles_and_memory_are_those_of_existing_routes_and_roles() -> None:
    routes = {operation.function.__name__ for operation in OPERATIONS.values()}
    for module in MODULES.values():
        assert {*module.roles_by_route, *module.memory_by_route, *module.layers_by_route} <= routes
        assert {module.role, *module.roles_by_route.values()} <= set(ROLES)
        assert {layer for layers in module.layers_by_route.values() for layer in layers} <= set(LAYERS)


def test_the_streams_filters_fit_and_are_those_of_the_manifests() -> None:
    properties = FUNCTIONS["OnTableChange"]["Events"]["Stream"]["Properties"]
    patterns = [json.loads(each["Pattern"]) for each in properties["FilterCriteria"]["Filters"]]
    assert patterns == stream_filters.build_patterns(MODULES.values())
    assert len(patterns) <= stream_filters.MAX_FILTERS


def test_a_manifest_and_the_index_import_nothing_of_their_modules() -> None:
    """The authorizer imports the index at each cold start."""
    program = (
        "import sys, weconnect.registry_index, weconnect.agents.module, weconnect.workflows.module\n"
        "print(*(name for name in sys.modules if name.startswith('weconnect')), 'pydantic' in sys.modules)"
    )
    environment = {"PYTHONPATH": str(LAYER), "PATH": "/usr/bin:/bin"}
    names = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True).split()
    assert {*names} == {
        *("weconnect", "weconnect.registry_index", "weconnect.manifest", "False"),
        *("weconnect.agents", "weconnect.agents.module", "weconnect.workflows", "weconnect.workflows.module"),
    }


def test_a_model_gets_the_fields_that_manifests_declare() -> None:
    class Report(ApiModel):
        """A report."""

        title: str

    assert with_fields({})(Report) is Report
    extended = with_fields({"note_list": (list[str], Field(description="Notes"))})(Report)
    schema = extended.model_json_schema(by_alias=True)
    assert (schema["title"], schema["description"]) == ("Report", "A report.")
    assert schema["properties"]["noteList"]["description"] == "Notes"
    report = extended.model_validate({"title": "x", "noteList": ["y"]})
    assert isinstance(report, Report) and report.to_json_dict() == {"title": "x", "noteList": ["y"]}
    with pytest.raises(ValidationError):
        extended.model_validate({"title": "x", "noteList": [], "other": 1})


# A directory with a module of its own


SAMPLES = """
from weconnect.manifest import EventSource, ExportPart, Module

MODULE = Module(
    permissions={"samples": ("read",)},
    rows=("weconnect.samples.rows",),
    erase_organization="weconnect.samples.purge:erase_organization",
    export={"samples": ExportPart(function="weconnect.samples.export:export_samples", description="Each sample")},
    events={
        "SAMPLE": EventSource(
            change={"eventName": ["INSERT"]},
            types={"sample.created": "A sample"},
            build="weconnect.samples.events:build",
        )
    },
    triggers={"sample": "weconnect.samples.trigger:TRIGGER"},
    tags={"Samples": "Samples."},
    role="SamplesRole",
)
"""
ROWS = 'class SampleRow(Row, discriminator="SAMPLE"):\n    pass\n'


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """Return a layer with one module, `samples`."""
    folder = tmp_path / "weconnect" / "samples"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text(SAMPLES)
    (folder / "rows.py").write_text(ROWS)
    return tmp_path


def test_the_index_is_rendered_from_the_manifests_of_a_directory(layer: Path) -> None:
    modules = manifests.load_manifests(layer)
    source = manifests.render_index(modules, layer)
    tables: dict[str, object] = {}
    exec(source, tables)
    assert tables["MODULES_BY_KIND"] == {"SAMPLE": "weconnect.samples.rows"}
    assert tables["PERMISSIONS"] == {"samples": ("read",)}
    assert tables["ORGANIZATION_PURGES"] == ("weconnect.samples.purge:erase_organization",)
    assert tables["EXPORT_DESCRIPTIONS"] == {"samples": "Each sample"}
    assert tables["EVENT_TYPES"] == {"sample.created": "A sample"}
    assert tables["TRIGGERS"] == {"sample": "weconnect.samples.trigger:TRIGGER"}
    assert (tables["MEMBER_PURGES"], tables["JOB_TYPES"]) == ((), {})
    assert set(tables) >= {name for name in vars(registry_index) if name.isupper()}


def test_the_index_is_formatted_as_the_linter_requires() -> None:
    command = [sys.executable, "-m", "ruff", "format", "--check", "--quiet", str(manifests.INDEX)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_events_with_the_same_change_share_a_filter(layer: Path) -> None:
    modules = [*MODULES.values(), *manifests.load_manifests(layer).values()]
    patterns = stream_filters.build_patterns(modules)
    (pattern,) = [each for each in patterns if each["eventName"] == ["INSERT"]]
    kinds = pattern["dynamodb"]["NewImage"]["kind"]["S"]
    assert {"APPROVAL", "SAMPLE"} <= set(kinds)
    assert len(patterns) == len(stream_filters.build_patterns(MODULES.values()))
    template = route_resources.TEMPLATE.read_text()
    assert json.dumps(pattern) in stream_filters.write_filters(template, modules)
    assert stream_filters.write_filters(template, MODULES.values()) == template


def test_more_filters_than_lambda_allows_are_refused() -> None:
    sources = {
        f"KIND{number}": EventSource(change={"eventName": [str(number)]}, types={}, build="x:y")
        for number in range(5)
    }
    with pytest.raises(ValueError, match="Lambda allows 5"):
        stream_filters.write_filters("", [Module(events=sources)])


def test_manifests_that_contradict_each_other_are_refused(layer: Path) -> None:
    (module,) = manifests.load_manifests(layer).values()
    other = Module(permissions=module.permissions)
    assert manifests.render_index({"samples": module, "other": other}, layer)
    for contradiction in (
        Module(permissions={"samples": ("read", "create")}),
        Module(triggers=module.triggers),
        Module(rows=module.rows),
    ):
        with pytest.raises(ManifestError, match="declared twice"):
            manifests.render_index({"samples": module, "other": contradiction}, layer)
    with pytest.raises(ManifestError, match=r"weconnect\.samples\.gone"):
        manifests.render_index({"samples": Module(rows=("weconnect.samples.gone",))}, layer)
