"""template.yaml and infra/data.yaml, compared with the code and with the limits of AWS."""

import ast
import json
import re
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from infra import routes
from infra.cloudformation import ROOT
from tests.infra.stack import API, DATA, FUNCTIONS, LAYERS, OPERATIONS, RESOURCES, ROLES, TEMPLATE
from weconnect.db.payloads import RETENTIONS

PLANNED_ROUTES = 260
RESOURCES_ALLOWED = 450
TEMPLATE_BYTES = 1_000_000  # CloudFormation's limit after the transform

# Read by weconnect.settings and not set by the template.
NOT_IN_TEMPLATE = {
    "AWS_REGION": "Lambda sets it",
    "AWS_DEFAULT_REGION": "Lambda sets it",
    "AWS_ACCESS_KEY_ID": "Lambda sets it",
    "AWS_SECRET_ACCESS_KEY": "Lambda sets it",
    "AWS_SESSION_TOKEN": "Lambda sets it",
    "AWS_ENDPOINT_URL": "the emulator of a local host",
    "NODES_AWS_ENDPOINT_URL": "an emulator of the AWS that workflow nodes reach, on a local host",
    "OLLAMA_URL": "models on the developer's own machine",
    "WECONNECT_KILL_AT": "fault injection on a local host",
    "LD_LIBRARY_PATH": "Lambda sets it",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "Lambda sets it",
}
# Set by the template and read by a library.
NOT_IN_SETTINGS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}


# The template as CloudFormation receives it


def test_all_planned_routes_fit_into_one_stack(
    transformed: dict[str, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    resources = transformed[""]["Resources"]
    resources_per_route = len(resources) - len(transformed["GetAgent"]["Resources"])
    others = len(resources) - resources_per_route * len(OPERATIONS)
    planned = others + resources_per_route * PLANNED_ROUTES
    size = len(json.dumps(transformed[""])) + len(json.dumps(API))
    size_per_route = len(json.dumps(resources["GetAgent"])) + len(
        json.dumps(API["paths"]["/v1/agents/{agentId}"]["get"])
    )
    planned_size = size + size_per_route * (PLANNED_ROUTES - len(OPERATIONS))
    with capsys.disabled():
        print(
            f"\n{len(resources)} resources after transform: {len(OPERATIONS)} routes at {resources_per_route}, "
            f"{others} others; with {PLANNED_ROUTES} routes {planned} of {RESOURCES_ALLOWED} "
            f"({RESOURCES_ALLOWED - planned} left for others); {size / 1000:.0f} kB, with all routes "
            f"{planned_size / 1000:.0f} of {TEMPLATE_BYTES / 1000:.0f}"
        )
    assert planned <= RESOURCES_ALLOWED
    assert planned_size <= TEMPLATE_BYTES


def test_the_transform_adds_no_further_resource_for_each_route(
    transformed: dict[str, dict[str, Any]],
) -> None:
    kinds = Counter(resource["Type"] for resource in transformed[""]["Resources"].values())
    assert kinds["AWS::IAM::Role"] == len(ROLES), "a function without a Role gets one of its own"
    assert kinds["AWS::Logs::LogGroup"] == 2, "one of the functions, one of the gateway"
    assert kinds["AWS::Lambda::Permission"] == sum(
        event["Type"] in ("EventBridgeRule", "Schedule")
        for properties in FUNCTIONS.values()
        for event in properties.get("Events", {}).values()
    )


DURABLE = [name for name, properties in FUNCTIONS.items() if "DurableConfig" in properties]


@pytest.mark.parametrize("layer", ["DepsLayer", "ModelsLayer", "WeconnectLayer"])
@pytest.mark.parametrize("function", DURABLE)
def test_a_change_in_a_layer_publishes_a_version_of_each_durable_function(
    transformed: dict[str, dict[str, Any]], function: str, layer: str
) -> None:
    before, after = (_version_of(transformed[key], function) for key in ("", layer))
    assert before != after, f"executions would continue with the old {layer}"
    alias = transformed[layer]["Resources"][f"{function}Aliaslive"]
    assert alias["Properties"]["FunctionVersion"]["Fn::GetAtt"][0] == after


def _version_of(template: dict[str, Any], function: str) -> str:
    """Return the logical id of a function's only version, which must outlive its stack's updates."""
    (version,) = [
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Version"
        and resource["Properties"]["FunctionName"] == {"Ref": function}
    ]
    assert template["Resources"][version]["DeletionPolicy"] == "Retain", (
        "executions in progress stay on their version"
    )
    return str(version)


def test_old_versions_of_layers_are_retained() -> None:
    assert all(RESOURCES[name]["Properties"]["RetentionPolicy"] == "Retain" for name in LAYERS)


def test_durable_functions_are_invoked_by_their_alias() -> None:
    assert DURABLE == ["RunAgent", "RunWorkflow"]
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    for function, variable in zip(DURABLE, ("RUN_AGENT_FUNCTION", "RUN_WORKFLOW_FUNCTION"), strict=True):
        name, alias = (FUNCTIONS[function][field] for field in ("FunctionName", "AutoPublishAlias"))
        assert variables[variable]["Fn::Sub"] == f"{name['Fn::Sub']}:{alias}"


# The environment


def _variables_in_settings() -> set[str]:
    """Return the names of all environment variables that weconnect.settings reads."""
    tree = ast.parse((ROOT / "layers/weconnect/weconnect/settings.py").read_text())
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("_env", "_list")
    ]
    names = [call.args[0] for call in calls if call.args]
    return {str(name.value) for name in names if isinstance(name, ast.Constant)}


def test_the_template_sets_exactly_the_variables_that_settings_read() -> None:
    variables = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    read = _variables_in_settings()
    assert len(read) > 20
    assert read - set(NOT_IN_TEMPLATE) == variables - NOT_IN_SETTINGS
    assert set(NOT_IN_TEMPLATE) <= read and variables >= NOT_IN_SETTINGS
    assert [name for name, properties in FUNCTIONS.items() if "Environment" in properties] == []


def test_no_value_of_the_template_is_a_secret() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    literal = {name for name, value in variables.items() if not isinstance(value, dict)}
    assert literal == NOT_IN_SETTINGS


# Data outlives deployments


STORES = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret")


def test_no_store_of_data_is_deleted_with_its_stack() -> None:
    types = {resource["Type"] for resource in DATA["Resources"].values()}
    assert types - {"AWS::S3::BucketPolicy"} == set(STORES)
    for name, resource in DATA["Resources"].items():
        policies = (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        assert policies == ("RetainExceptOnCreate", "Retain"), name
    stack = RESOURCES["Data"]
    assert (stack["DeletionPolicy"], stack["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_data_is_recoverable_and_encrypted() -> None:
    table, key = (DATA["Resources"][name]["Properties"] for name in ("Table", "Key"))
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert "DeletionProtectionEnabled" in table
    assert key["EnableKeyRotation"] is True
    queues = [resource for resource in RESOURCES.values() if resource["Type"] == "AWS::SQS::Queue"]
    assert queues and all(queue["Properties"]["SqsManagedSseEnabled"] is True for queue in queues)


def test_the_bucket_expires_objects_after_each_retention_of_payloads() -> None:
    rules = DATA["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    tagged = {
        int(rule["TagFilters"][0]["Value"]): rule["ExpirationInDays"]
        for rule in rules
        if "TagFilters" in rule
    }
    assert tagged == {days: days for days in RETENTIONS}


def test_the_stack_uses_exactly_the_outputs_of_the_data_stack() -> None:
    text = (ROOT / "template.yaml").read_text()
    used = set(re.findall(r"Data\.Outputs\.(\w+)", text))
    assert used == set(DATA["Outputs"])


def test_the_visibility_timeout_of_a_queue_exceeds_its_functions_timeout() -> None:
    for name, properties in FUNCTIONS.items():
        for event in properties.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = event["Properties"]["Queue"]["Fn::GetAtt"][0]
                assert RESOURCES[queue]["Properties"]["VisibilityTimeout"] >= properties["Timeout"], name
                assert "RedrivePolicy" in RESOURCES[queue]["Properties"]


# The content of the layers


def test_botocore_keeps_the_services_that_are_called() -> None:
    kept_services = set(runpy.run_path(str(ROOT / "layers/deps/trim_botocore.py"))["SERVICES"])
    called = {"dynamodb", "lambda"}  # by PynamoDB and the durable SDK
    for path in (ROOT / "layers/weconnect/weconnect").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("client", "resource")):
                called |= {
                    argument.value
                    for argument in node.args[:1]
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                }
    assert len(called) > 5
    assert called <= kept_services, "layers/deps/trim_botocore.py would remove services that the code calls"


@pytest.mark.parametrize("layer", ["models", "stripe"])
def test_packages_that_a_layer_leaves_out_are_in_the_common_one(layer: str) -> None:
    shared = re.search(r"^SHARED = (.+)$", (ROOT / "layers" / layer / "Makefile").read_text(), re.MULTILINE)
    assert shared
    common, own = (_pins(ROOT / "layers" / name / "requirements.txt") for name in ("deps", layer))
    for name in shared[1].replace("_", "-").split():
        assert common[name] == own[name]


def test_functions_have_the_layers_of_what_they_import(transformed: dict[str, dict[str, Any]]) -> None:
    resources = transformed[""]["Resources"]
    common = ["DepsLayer", "WeconnectLayer"]
    more = {
        "Authorize": ["WeconnectLayer"],
        "RunCode": [],
        **{key: [*common, "ModelsLayer"] for key in DURABLE},
        **{key: [*common, "StripeLayer"] for key in _list_billing_functions()},
    }
    logical_ids = {name: re.sub(r"[0-9a-f]{10}$", "", name) for name in resources}
    for name in FUNCTIONS:
        layers = [logical_ids[layer["Ref"]] for layer in resources[name]["Properties"].get("Layers", [])]
        assert layers == more.get(name, common), name


def _list_billing_functions() -> list[str]:
    """Return the functions whose file imports a module that calls Stripe."""
    files = [
        file
        for file in routes.list_function_files()
        if re.search(r"import .*\b(billing|stripe_events)$", file.read_text(), re.MULTILINE)
    ]
    assert len(files) == 3
    callers = {
        path.stem
        for path in (ROOT / "layers/weconnect/weconnect").rglob("*.py")
        if re.search(r"import stripe\b", path.read_text())
    }
    assert callers == {"billing", "stripe_events"}
    return [routes.to_logical_id(file) for file in files]


def _pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_has_a_build_target(layer: str) -> None:
    folder = ROOT / RESOURCES[layer]["Properties"]["ContentUri"]
    assert RESOURCES[layer]["Metadata"] == {"BuildMethod": "makefile", "BuildArchitecture": "arm64"}
    assert f"build-{layer}:" in (folder / "Makefile").read_text()
