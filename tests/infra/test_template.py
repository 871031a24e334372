"""template.yaml, infra/api.yaml and the OpenAPI document against the code, and against what AWS takes."""

import ast
import copy
import importlib
import json
import re
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from infra import cloudformation, make_api, routes
from infra.cloudformation import ROOT
from weconnect.workflows.nodes import code

ROUTES_IN_ALL = 260
RESOURCES_ALLOWED = 450
TEMPLATE_BYTES = 1_000_000  # what CloudFormation takes after the transform

# Each wildcard in a role's resources, by its end, with what it is for. Nothing else may have one.
WILDCARDS = {
    "${Data.Outputs.TableArn}/index/*": "the indexes of the one table",
    "${Data.Outputs.BucketArn}/organizations/*": "payloads of all organizations",
    "${Data.Outputs.BucketArn}/failed-records/*": "stream records that no function could take",
    ":function:${AWS::StackName}-run-agent:*": "the alias, and the versions of runs under way",
    ":function:${AWS::StackName}-run-workflow:*": "as above",
    ":function:${AWS::StackName}-*": "the gateway calls every route of this stack and nothing of others",
}
# Actions that cannot name a resource here.
ANY_RESOURCE = {
    "ses:SendEmail": "the identity is a parameter's domain or address; the sender is a condition",
    "bedrock:InvokeModel": "models and inference profiles are chosen by agents",
    **dict.fromkeys(
        [
            "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
        ],
        "Lambda makes interfaces that have no name before; the function's code is denied the same",
    ),
}  # fmt: skip
# Read by weconnect.settings and not set by the template.
NOT_IN_TEMPLATE = {
    "AWS_REGION": "Lambda sets it",
    "AWS_DEFAULT_REGION": "Lambda sets it",
    "AWS_ACCESS_KEY_ID": "Lambda sets it",
    "AWS_SECRET_ACCESS_KEY": "Lambda sets it",
    "AWS_SESSION_TOKEN": "Lambda sets it",
    "AWS_ENDPOINT_URL": "the emulator of a local host",
    "NODES_AWS_ENDPOINT_URL": "an emulator in place of the AWS that nodes of workflows reach, on a local host",
    "OLLAMA_URL": "models on the developer's own machine",
    "WECONNECT_KILL_AT": "fault injection on a local host",
    "LD_LIBRARY_PATH": "Lambda sets it",
}
# Set by the template and read by a library.
NOT_IN_SETTINGS = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}

TEMPLATE = cloudformation.load(ROOT / "template.yaml")
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
DATA = cloudformation.load(ROOT / "infra" / "data.yaml")
API = cloudformation.load(make_api.API)
OPENAPI = json.loads(make_api.OPENAPI.read_text())
OPERATIONS = routes.load()
FUNCTIONS = {
    name: found["Properties"]
    for name, found in RESOURCES.items()
    if found["Type"] == "AWS::Serverless::Function"
}
LAYERS = [name for name, found in RESOURCES.items() if found["Type"] == "AWS::Serverless::LayerVersion"]
ROLES = {name: found["Properties"] for name, found in RESOURCES.items() if found["Type"] == "AWS::IAM::Role"}


# The files that `make api` writes, and the routes


@pytest.mark.parametrize("path", make_api.texts(), ids=lambda path: path.name)
def test_what_make_api_writes_is_fresh(path) -> None:
    assert path.read_text() == make_api.texts()[path], f"{path.name} is old: run `make api`"


def test_every_file_has_its_function_and_every_function_its_file() -> None:
    expected = {routes.logical_id(file): f"{file.parent.name}.{file.stem}.handler" for file in routes.files()}
    assert {name: found["Handler"] for name, found in FUNCTIONS.items()} == expected


def test_every_handler_can_be_called() -> None:
    for found in FUNCTIONS.values():
        module, _, name = found["Handler"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_route_is_in_the_gateway_and_calls_its_function() -> None:
    called = {}
    for path, methods in API["paths"].items():
        for method, entry in methods.items():
            uri = entry["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            called[f"{method.upper()} {path}"] = re.findall(r"\$\{(\w+)\.Arn\}", uri)
    expected = {key: [routes.logical_id(_file_of(found.function))] for key, found in OPERATIONS.items()}
    assert called == expected
    assert {name for names in called.values() for name in names} <= set(FUNCTIONS)


def _file_of(function: Any) -> Any:
    return next(file for file in routes.files() if file.stem == function.__module__.rpartition(".")[2])


def test_functions_that_are_no_route_have_an_event_or_a_caller() -> None:
    routed = {routes.logical_id(_file_of(found.function)) for found in OPERATIONS.values()}
    for name in set(FUNCTIONS) - routed:
        has_event = bool(FUNCTIONS[name].get("Events"))
        assert has_event or name in ("Authorize", "RunAgent", "RunWorkflow", "RunCode"), (
            f"nothing calls {name}"
        )


def test_operation_ids_are_unique_and_named_as_their_file() -> None:
    ids = [entry["operationId"] for methods in API["paths"].values() for entry in methods.values()]
    assert len(ids) == len(set(ids)) == len(OPERATIONS)
    for found in OPERATIONS.values():
        assert found.function.__name__ == found.function.__module__.rpartition(".")[2]


def test_the_public_word_says_the_same_everywhere() -> None:
    for key, found in OPERATIONS.items():
        entry = API["paths"][found.path][found.method.lower()]
        assert entry.get("security") == (None if found.public else [{"authorizer": []}]), key
        documented = OPENAPI["paths"].get(found.path, {}).get(found.method.lower())
        if documented is not None:
            assert documented["security"] == ([] if found.public else [{"bearer": []}, {"apiKey": []}]), key
        if found.public:
            assert found.permission is None, f"{key} is public and asks for a permission"


def test_every_reference_of_the_gateway_resolves() -> None:
    names = set(RESOURCES) | set(TEMPLATE["Parameters"])
    pseudo = {"AWS::Partition", "AWS::Region", "AWS::AccountId", "AWS::StackName", "AWS::URLSuffix"}
    found = list(_references(API))
    assert len(found) > len(OPERATIONS)
    assert {name for name in found if name not in names | pseudo} == set()
    assert "!Ref" not in make_api.API.read_text() and "!Sub" not in make_api.API.read_text(), (
        "AWS::Include takes long forms only"
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
            yield from (found.split(".")[0] for found in re.findall(r"\$\{([^!}][^}]*)\}", text))
        else:
            yield from _references(item)


# The template as CloudFormation gets it


def packaged(changed: str = "", without: str = "") -> dict[str, Any]:
    """The template as `sam package` uploads it, its code by content hash; `changed` is a layer with other content."""
    template = copy.deepcopy(TEMPLATE)
    template["Globals"]["Function"]["CodeUri"] = "s3://artifacts/functions"
    template["Resources"]["RunCode"]["Properties"]["CodeUri"] = "s3://artifacts/run-code"
    for name in LAYERS:
        template["Resources"][name]["Properties"]["ContentUri"] = (
            f"s3://artifacts/{name}{2 if name == changed else 1}"
        )
    template["Resources"]["Data"]["Properties"]["Location"] = "https://artifacts.example/data.yaml"
    template["Resources"].pop(without, None)
    return template


@pytest.fixture(scope="session")
def transformed() -> dict[str, dict[str, Any]]:
    """What the transform makes of the template, of it without one route, and of it with each layer changed."""
    python = ROOT / ".venv-sam" / "bin" / "python"
    if not python.exists():
        pytest.fail("The SAM translator is not there: `make .venv-sam/stamp`")
    templates = {
        "": packaged(),
        "GetAgent": packaged(without="GetAgent"),
        **{name: packaged(name) for name in LAYERS},
    }
    found = subprocess.run(
        [python, ROOT / "tests" / "sam_transform.py"],
        input=json.dumps(list(templates.values())),
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return dict(zip(templates, json.loads(found.stdout), strict=True))


def test_all_routes_will_fit_into_one_stack(transformed, capsys) -> None:
    resources = transformed[""]["Resources"]
    each = len(resources) - len(transformed["GetAgent"]["Resources"])
    other = len(resources) - each * len(OPERATIONS)
    in_all = other + each * ROUTES_IN_ALL
    size = len(json.dumps(transformed[""])) + len(json.dumps(API))
    of_one = len(json.dumps(resources["GetAgent"])) + len(
        json.dumps(API["paths"]["/v1/agents/{agentId}"]["get"])
    )
    size_in_all = size + of_one * (ROUTES_IN_ALL - len(OPERATIONS))
    with capsys.disabled():
        print(
            f"\n{len(resources)} resources after transform: {len(OPERATIONS)} routes at {each}, {other} others; with"
            f" {ROUTES_IN_ALL} routes {in_all} of {RESOURCES_ALLOWED} ({RESOURCES_ALLOWED - in_all} left for others);"
            f" {size / 1000:.0f} kB, with all routes {size_in_all / 1000:.0f} of {TEMPLATE_BYTES / 1000:.0f}"
        )
    assert in_all <= RESOURCES_ALLOWED
    assert size_in_all <= TEMPLATE_BYTES


def test_the_transform_makes_nothing_that_costs_one_resource_a_route(transformed) -> None:
    kinds = Counter(found["Type"] for found in transformed[""]["Resources"].values())
    assert kinds["AWS::IAM::Role"] == len(ROLES), "a function without a Role gets one of its own"
    assert kinds["AWS::Logs::LogGroup"] == 1
    assert kinds["AWS::Lambda::Permission"] == sum(
        event["Type"] in ("EventBridgeRule", "Schedule")
        for found in FUNCTIONS.values()
        for event in found.get("Events", {}).values()
    )


DURABLE = [name for name, found in FUNCTIONS.items() if "DurableConfig" in found]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("function", DURABLE)
def test_a_change_in_a_layer_publishes_a_version_of_each_durable_function(
    transformed, function: str, layer: str
) -> None:
    before, after = (_version(transformed[key], function) for key in ("", layer))
    assert before != after, f"runs would go on with the old {layer}"
    assert (
        transformed[layer]["Resources"][f"{function}Aliaslive"]["Properties"]["FunctionVersion"][
            "Fn::GetAtt"
        ][0]
        == after
    )


def _version(template: dict[str, Any], function: str) -> str:
    found = [
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Version"
        and resource["Properties"]["FunctionName"] == {"Ref": function}
    ]
    assert len(found) == 1
    assert template["Resources"][found[0]]["DeletionPolicy"] == "Retain", (
        "runs under way stay on their version"
    )
    return found[0]


def test_layers_of_old_versions_stay() -> None:
    assert all(RESOURCES[name]["Properties"]["RetentionPolicy"] == "Retain" for name in LAYERS)


def test_durable_functions_are_called_by_their_alias() -> None:
    assert DURABLE == ["RunAgent", "RunWorkflow"]
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    for function, variable in zip(DURABLE, ("RUN_AGENT_FUNCTION", "RUN_WORKFLOW_FUNCTION"), strict=True):
        name, alias = (FUNCTIONS[function][field] for field in ("FunctionName", "AutoPublishAlias"))
        assert variables[variable]["Fn::Sub"] == f"{name['Fn::Sub']}:{alias}"


# Who may do what


STATEMENTS = [
    (role, statement)
    for role, properties in ROLES.items()
    for policy in properties["Policies"]
    for statement in policy["PolicyDocument"]["Statement"]
]


DENIED = [found for role, found in STATEMENTS if role == "RunCodeRole" and found["Effect"] == "Deny"]


def _texts(value: Any) -> list[str]:
    """The strings of a statement's Resource or Action; what refers to another resource names exactly one."""
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    if isinstance(value, dict):
        return _texts(value["Fn::Sub"]) if "Fn::Sub" in value else []
    return [value]


@pytest.mark.parametrize(
    ("role", "statement"), STATEMENTS, ids=lambda found: found if isinstance(found, str) else ""
)
def test_roles_name_their_actions_and_resources(role: str, statement: dict[str, Any]) -> None:
    actions = _texts(statement["Action"])
    assert statement["Effect"] == ("Deny" if statement in DENIED else "Allow") and actions
    assert [action for action in actions if "*" in action or ":" not in action] == []
    for resource in _texts(statement["Resource"]):
        if resource == "*":
            assert set(actions) <= set(ANY_RESOURCE), f"{role}: {actions} on everything"
        elif "*" in resource:
            assert any(resource.endswith(end) for end in WILDCARDS), f"{role}: {resource}"


def test_mail_goes_out_under_one_name_only() -> None:
    sending = [statement for _, statement in STATEMENTS if "ses:SendEmail" in _texts(statement["Action"])]
    assert sending
    for statement in sending:
        assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}}


WAKES = "lambda:SendDurableExecutionCallbackSuccess"


def test_every_role_is_used_and_only_by_its_own_service() -> None:
    used = {found["Role"]["Fn::GetAtt"][0] for found in FUNCTIONS.values()}
    assert used | {"InvokeRole"} == set(ROLES)
    for name, properties in ROLES.items():
        (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
        service = "apigateway" if name == "InvokeRole" else "lambda"
        assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}


def test_only_the_gateway_and_the_starters_may_call_functions() -> None:
    """A route trusts the authorizer's context, so nobody but the gateway may call one."""
    callers = {
        role for role, statement in STATEMENTS if "lambda:InvokeFunction" in _texts(statement["Action"])
    }
    may_call = {
        "AgentsRole": {"run-agent:*", "run-workflow:*"},
        "RunWorkflowRole": {"run-workflow:*", "run-code"},
    }
    may_call |= {"WorkflowsRole": {"run-workflow:*", "run-code"}}
    may_call |= {
        role: {"run-workflow:*"} for role in ("ExecutionsRole", "JobsRole", "RunAgentRole", "EventsRole")
    }
    assert callers == {"InvokeRole", *may_call}
    called: dict[str, set[str]] = {role: set() for role in may_call}
    for role, found in STATEMENTS:
        if role in may_call and "lambda:InvokeFunction" in _texts(found["Action"]):
            called[role] |= {text.rpartition("${AWS::StackName}-")[2] for text in _texts(found["Resource"])}
    assert called == may_call


def test_whoever_ends_a_wait_may_wake_the_run() -> None:
    """People decide, agents' routes and jobs cancel, a run finds an answer that came before it waited, and a start may
    stop the runs that it is to replace, be it an event's. Runs of agents and of workflows wait for each other.
    """
    woken: dict[str, set[str]] = {}
    for role, found in STATEMENTS:
        if WAKES in _texts(found["Action"]):
            names = {text.rpartition("${AWS::StackName}-")[2] for text in _texts(found["Resource"])}
            woken[role] = woken.get(role, set()) | names - {"run-code"}
    starters = {"EventsRole", "JobsRole", "RunAgentRole", "RunWorkflowRole", "WorkflowsRole"}
    assert woken == {
        role: {"run-agent:*", "run-workflow:*"} for role in ("AgentsRole", "ExecutionsRole", *starters)
    }


def test_whoever_starts_runs_of_workflows_may_take_them_out_of_a_queue() -> None:
    """And who deletes them finds their objects."""
    may = {role: set[str]() for role, _ in STATEMENTS}
    for role, found in STATEMENTS:
        may[role] |= set(_texts(found["Action"]))
    starters = [role for role in may if "lambda:InvokeFunction" in may[role] and role != "InvokeRole"]
    assert len(starters) == 7 and all("dynamodb:DeleteItem" in may[role] for role in starters)
    assert all("s3:ListBucket" in may[role] for role in ("ExecutionsRole", "JobsRole", "PurgeRole"))


def test_the_authorizer_writes_nothing_but_stamps() -> None:
    actions = {
        action for role, found in STATEMENTS if role == "AuthorizerRole" for action in _texts(found["Action"])
    }
    assert actions == {
        "logs:CreateLogStream", "logs:PutLogEvents", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem",
        "secretsmanager:GetSecretValue",
    }  # fmt: skip


# People's code


def test_code_has_a_function_only_where_there_is_a_network_for_it() -> None:
    made = {name for name, found in RESOURCES.items() if "Condition" in found}
    assert made == {"RunCode", "RunCodeRole", "CodeSecurityGroup"}
    assert {RESOURCES[name]["Condition"] for name in made} == {"HasCode"}
    named = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["RUN_CODE_FUNCTION"]
    assert named["Fn::If"] == ["HasCode", FUNCTIONS["RunCode"]["FunctionName"], ""]
    for name in ("CodeVpcId", "CodeSubnetIds"):
        assert TEMPLATE["Parameters"][name]["Default"] == ""


def test_code_has_nothing_of_ours_and_a_machine_for_each_tenant(transformed) -> None:
    found = transformed[""]["Resources"]["RunCode"]["Properties"]
    assert not {"Layers", "Environment", "DurableConfig"} & set(found)
    assert found["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    assert found["VpcConfig"] == {
        "SubnetIds": {"Ref": "CodeSubnetIds"},
        "SecurityGroupIds": [{"Ref": "CodeSecurityGroup"}],
    }
    assert found["Timeout"] > code.MAX_SECONDS and found["Timeout"] < code.MAX_SECONDS + code.START_SECONDS
    group = RESOURCES["CodeSecurityGroup"]["Properties"]
    assert [rule["CidrIp"] for rule in group["SecurityGroupEgress"]] == ["127.0.0.1/32"]
    assert "SecurityGroupIngress" not in group


def test_code_may_not_use_what_lambda_needs_for_it() -> None:
    mine = [found for role, found in STATEMENTS if role == "RunCodeRole"]
    allowed = {action for found in mine if found["Effect"] == "Allow" for action in found["Action"]}
    (denied,) = DENIED
    assert allowed - {"logs:CreateLogStream", "logs:PutLogEvents"} == set(denied["Action"])
    (function,) = denied["Condition"]["ArnEquals"].values()
    assert function["Fn::Sub"].endswith(f":function:{FUNCTIONS['RunCode']['FunctionName']['Fn::Sub']}")


def test_code_is_deployed_with_its_file_alone(tmp_path: Path) -> None:
    build = ["make", "-C", ROOT / "functions", "build-RunCode", f"ARTIFACTS_DIR={tmp_path}"]
    subprocess.run(build, check=True, capture_output=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "code_runner/run_code.py"]
    tree = ast.parse((tmp_path / "code_runner/run_code.py").read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


# The environment


def _read_by_settings() -> set[str]:
    tree = ast.parse((ROOT / "layers/weconnect/weconnect/settings.py").read_text())
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    named = [node.args[0] for node in calls if node.func.id in ("_env", "_list")]  # type: ignore[attr-defined]
    return {node.value for node in named if isinstance(node, ast.Constant)}


def test_the_template_sets_what_settings_read_and_nothing_else() -> None:
    given = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    read = _read_by_settings()
    assert len(read) > 20
    assert read - set(NOT_IN_TEMPLATE) == given - NOT_IN_SETTINGS
    assert set(NOT_IN_TEMPLATE) <= read and given >= NOT_IN_SETTINGS
    assert [name for name, found in FUNCTIONS.items() if "Environment" in found] == []


def test_no_value_of_the_template_is_a_secret() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    literal = {name for name, value in variables.items() if not isinstance(value, dict)}
    assert literal == NOT_IN_SETTINGS


# The OpenAPI document


def test_the_document_is_openapi_3_1() -> None:
    assert OPENAPI["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(OPENAPI).validate()


def _documented() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", entry)
        for path, methods in OPENAPI["paths"].items()
        for method, entry in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]


def test_the_document_has_every_route_but_itself() -> None:
    assert set(OPERATIONS) - {key for key, _ in _documented()} == {"GET /docs", "GET /openapi.json"}


@pytest.mark.parametrize(("key", "entry"), _documented(), ids=[key for key, _ in _documented()])
def test_every_operation_says_what_a_reader_needs(key: str, entry: dict[str, Any]) -> None:
    assert entry["summary"] and entry["tags"]
    assert entry["operationId"] == OPERATIONS[key].function.__name__
    problem = entry["responses"]["default"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/Problem"}
    assert any(status.startswith("2") for status in entry["responses"])
    if permission := OPERATIONS[key].permission:
        assert permission in entry["description"]


# What outlives deployments


STORES = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret")


def test_nothing_that_holds_data_is_deleted_with_its_stack() -> None:
    assert {found["Type"] for found in DATA["Resources"].values()} == set(STORES)
    for name, found in DATA["Resources"].items():
        kept = (found["DeletionPolicy"], found["UpdateReplacePolicy"])
        assert kept == ("RetainExceptOnCreate", "Retain"), name
    assert (RESOURCES["Data"]["DeletionPolicy"], RESOURCES["Data"]["UpdateReplacePolicy"]) == (
        "Retain",
        "Retain",
    )


def test_data_can_be_recovered_and_is_encrypted() -> None:
    table, bucket, key = (DATA["Resources"][name]["Properties"] for name in ("Table", "Bucket", "Key"))
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert "DeletionProtectionEnabled" in table
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert key["EnableKeyRotation"] is True
    for queue in ("PurgeQueue", "JobsQueue", "EventQueue", "DeadLetters"):
        assert RESOURCES[queue]["Properties"]["SqsManagedSseEnabled"] is True


def test_objects_leave_the_bucket_by_every_retention_that_payloads_know() -> None:
    from weconnect.db.payloads import RETENTIONS

    rules = DATA["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    tagged = {
        int(rule["TagFilters"][0]["Value"]): rule["ExpirationInDays"]
        for rule in rules
        if "TagFilters" in rule
    }
    assert tagged == {days: days for days in RETENTIONS}


def test_what_the_stack_takes_from_the_data_stack_is_there() -> None:
    text = (ROOT / "template.yaml").read_text()
    taken = set(re.findall(r"Data\.Outputs\.(\w+)", text))
    assert taken == set(DATA["Outputs"])
    assert set(RESOURCES["Data"]["Properties"]["Parameters"]) == set(DATA["Parameters"])


def test_queues_wait_longer_than_their_function_works() -> None:
    for name, found in FUNCTIONS.items():
        for event in found.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = event["Properties"]["Queue"]["Fn::GetAtt"][0]
                assert RESOURCES[queue]["Properties"]["VisibilityTimeout"] >= found["Timeout"], name
                assert "RedrivePolicy" in RESOURCES[queue]["Properties"]


def test_routes_end_before_the_gateway_gives_up() -> None:
    base = TEMPLATE["Globals"]["Function"]["Timeout"]
    for found in OPERATIONS.values():
        assert FUNCTIONS[routes.logical_id(_file_of(found.function))].get("Timeout", base) < 30


# What `sam build` puts into the layers


def test_botocore_keeps_the_services_that_are_called() -> None:
    kept = runpy.run_path(str(ROOT / "layers/deps/trim_botocore.py"))["SERVICES"]
    called = {"dynamodb", "lambda"}  # PynamoDB's and the durable SDK's
    for path in (ROOT / "layers/weconnect/weconnect").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and node.args
                and ast.unparse(node.func).endswith(("client", "resource"))
            ):
                called |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()  # type: ignore[arg-type]
    assert len(called) > 5
    assert called <= set(kept), "layers/deps/trim_botocore.py would take away what the code calls"


def test_what_the_layer_of_models_leaves_out_stands_in_the_other() -> None:
    found = re.search(r"^SHARED = (.+)$", (ROOT / "layers/models/Makefile").read_text(), re.MULTILINE)
    assert found
    deps, models = (_pins(ROOT / "layers" / name / "requirements.txt") for name in ("deps", "models"))
    for name in found[1].replace("_", "-").split():
        assert deps[name] == models[name]


def _pins(path: Any) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_has_its_recipe(layer: str) -> None:
    folder = ROOT / RESOURCES[layer]["Properties"]["ContentUri"]
    assert RESOURCES[layer]["Metadata"] == {"BuildMethod": "makefile", "BuildArchitecture": "arm64"}
    assert f"build-{layer}:" in (folder / "Makefile").read_text()
