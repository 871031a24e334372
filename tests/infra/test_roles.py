"""The permissions of the functions' roles, and the isolation of the code runner."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.cloudformation import ROOT
from infra.local.sam_template import Scope
from infra.routes import logical_id_of
from tests.infra.stack import (
    FUNCTIONS,
    OPERATIONS,
    RESOURCES,
    ROLES,
    STATEMENTS,
    TEMPLATE,
)
from weconnect.workflows.nodes import code

# The wildcards that resources of roles may end with, and their purpose.
WILDCARDS = {
    "${Data.Outputs.TableArn}/index/*": "the indexes of the one table",
    "${Data.Outputs.BucketArn}/organizations/*": "payloads of all organizations",
    "${Data.Outputs.FailedRecordsArn}/*": "Lambda chooses the keys of stream records that could not be processed",
    ":function:${AWS::StackName}-run-agent:*": "the alias, and the versions of executions in progress",
    ":function:${AWS::StackName}-run-workflow:*": "as above",
    ":bedrock:*::foundation-model/*": "models are chosen by agents, inference profiles work across regions",
    ":inference-profile/*": "as above",
    ":function:${AWS::StackName}-*": "the gateway invokes all routes of this stack",
}
# Actions that cannot name their resource.
ANY_RESOURCE = {
    "ses:SendEmail": "the identity is the domain or address of a parameter; a condition names the sender",
    **dict.fromkeys(
        [
            "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
        ],
        "Lambda creates interfaces whose names are not known before; the function's code is denied these actions",
    ),
}  # fmt: skip

# Permissions of roles


DENIED = [
    statement for role, statement in STATEMENTS if role == "RunCodeRole" and statement["Effect"] == "Deny"
]


def _texts(value: Any) -> list[str]:
    """Return the strings of a statement's Resource or Action, without references, which need no check."""
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    if isinstance(value, dict):
        return _texts(value["Fn::Sub"]) if "Fn::Sub" in value else []
    return [value]


@pytest.mark.parametrize(
    ("role", "statement"), STATEMENTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_roles_name_their_actions_and_resources(role: str, statement: dict[str, Any]) -> None:
    actions = _texts(statement["Action"])
    assert statement["Effect"] == ("Deny" if statement in DENIED else "Allow") and actions
    assert [action for action in actions if "*" in action or ":" not in action] == []
    for resource in _texts(statement["Resource"]):
        if resource == "*":
            assert set(actions) <= set(ANY_RESOURCE), f"{role}: {actions} on all resources"
        elif "*" in resource:
            assert any(resource.endswith(end) for end in WILDCARDS), f"{role}: {resource}"


def test_mail_is_sent_from_one_address_only() -> None:
    sending = [statement for _, statement in STATEMENTS if "ses:SendEmail" in _texts(statement["Action"])]
    assert sending
    for statement in sending:
        assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}}


def test_bedrock_is_allowed_only_where_the_operator_pays_for_it() -> None:
    conditions = [
        statement["Fn::If"][0]
        for properties in ROLES.values()
        for policy in properties["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "Fn::If" in statement
    ]
    invoking = [
        role for role, statement in STATEMENTS if "bedrock:InvokeModel" in _texts(statement["Action"])
    ]
    assert sorted(conditions) == ["EmbedsWithBedrock"] * 5 + ["PaysForBedrock"] * 2 and len(invoking) == 7
    values = {"": False, "openai:*": False, "openai:pro,bedrock:*": True, "bedrock:pro": True}
    for value, is_paid in values.items():
        scope = Scope({"OperatorModels": value, "Embedder": "none"}, TEMPLATE["Conditions"])
        assert scope.evaluate_condition("PaysForBedrock") is is_paid, value
        assert scope.evaluate_condition("EmbedsWithBedrock") is False
    parameters = TEMPLATE["Parameters"]
    assert (parameters["OperatorModels"]["Default"], parameters["Embedder"]["Default"]) == ("", "none")
    pattern = re.compile(parameters["OperatorModels"]["AllowedPattern"])
    assert all(pattern.fullmatch(value) for value in values) and not pattern.fullmatch("bedrok:pro")


COMPLETE_CALLBACK = "lambda:SendDurableExecutionCallbackSuccess"
DURABLE = {"run-agent:*", "run-workflow:*"}  # both: a freed slot is for an execution of whichever kind
STARTERS = {
    "AgentExecutionsRole", "ToolTestRole", "ExecutionsRole", "SweeperRole", "JobsRole", "EventsRole", "RunAgentRole",
    "RunWorkflowRole", "ExpressRole",
}  # fmt: skip


def test_every_role_is_used_and_trusts_its_own_service_alone() -> None:
    used = {properties["Role"]["Fn::GetAtt"][0] for properties in FUNCTIONS.values()}
    assert used | {"InvokeRole"} == set(ROLES)
    for name, properties in ROLES.items():
        (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
        service = "apigateway" if name == "InvokeRole" else "lambda"
        assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}


def test_only_the_gateway_and_roles_that_start_executions_may_invoke_functions() -> None:
    """A route trusts the authorizer's context, so the gateway alone may invoke one."""
    callers = {
        role for role, statement in STATEMENTS if "lambda:InvokeFunction" in _texts(statement["Action"])
    }
    may_call: dict[str, set[str]] = {role: set(DURABLE) for role in STARTERS}
    for role in ("RunWorkflowRole", "ExpressRole"):
        may_call[role].add("run-code")
    assert callers == {"InvokeRole", *may_call}
    invoked: dict[str, set[str]] = {role: set() for role in may_call}
    for role, statement in STATEMENTS:
        if role in may_call and "lambda:InvokeFunction" in _texts(statement["Action"]):
            invoked[role] |= {_function_name(text) for text in _texts(statement["Resource"])}
    assert invoked == may_call


def _function_name(arn: str) -> str:
    return arn.rpartition("${AWS::StackName}-")[2]


def test_every_role_that_can_end_a_wait_may_resume_executions() -> None:
    """People decide, routes and jobs cancel, an execution may find a result that came before it waited, and a start may
    cancel the executions that it replaces, also a start by an event. Executions of agents and workflows wait for each
    other. To close a workflow or an account cancels, and starts nothing: a slot that it frees is left to the sweeper.
    """
    resumed: dict[str, set[str]] = {}
    for role, statement in STATEMENTS:
        if COMPLETE_CALLBACK in _texts(statement["Action"]):
            names = {_function_name(text) for text in _texts(statement["Resource"])}
            resumed[role] = resumed.get(role, set()) | names - {"run-code"}
    closers = {"TakeoverRole", "WorkflowClosingRole"}
    assert resumed == dict.fromkeys(STARTERS | closers, DURABLE)


READING = {
    "logs:CreateLogStream", "logs:PutLogEvents", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query",
    "s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:DescribeKey", "secretsmanager:GetSecretValue",
    "ssm:GetParameter", "sqs:GetQueueAttributes",
}  # fmt: skip


def test_routes_that_change_nothing_have_roles_that_only_read() -> None:
    """But for those that sign in, count what has ended or who waits, and store what they return the address of."""
    roles = {
        operation.function.__name__: FUNCTIONS[logical_id_of(operation)]["Role"]["Fn::GetAtt"][0]
        for operation in OPERATIONS.values()
        if not (operation.writes or operation.replays)
    }
    actions: dict[str, set[str]] = {}
    for role, statement in STATEMENTS:
        actions.setdefault(role, set()).update(_texts(statement["Action"]))
    assert {route: role for route, role in roles.items() if not actions[role] <= READING} == {
        "finish_sso": "AuthRole",
        "get_agent_stats": "AgentsRole",
        "wait_for_execution_events": "WaitingRole",
        "get_node_execution": "NodeExecutionRole",
    }


def test_the_authorizer_may_write_nothing_but_updates() -> None:
    actions = {
        action
        for role, statement in STATEMENTS
        if role == "AuthorizerRole"
        for action in _texts(statement["Action"])
    }
    assert actions == {
        "logs:CreateLogStream", "logs:PutLogEvents", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem",
        "secretsmanager:GetSecretValue",
    }  # fmt: skip


# The code runner


def test_the_code_runner_exists_only_where_its_network_is_configured() -> None:
    conditional = {name for name, resource in RESOURCES.items() if resource.get("Condition") == "HasCode"}
    assert conditional == {"RunCode", "RunCodeRole", "CodeSecurityGroup"}
    variable = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["RUN_CODE_FUNCTION"]
    assert variable["Fn::If"] == ["HasCode", FUNCTIONS["RunCode"]["FunctionName"], ""]
    for name in ("CodeVpcId", "CodeSubnetIds"):
        assert TEMPLATE["Parameters"][name]["Default"] == ""


def test_the_code_runner_has_no_layer_or_variable_and_isolates_tenants(
    transformed: dict[str, dict[str, Any]],
) -> None:
    properties = transformed[""]["Resources"]["RunCode"]["Properties"]
    assert not {"Layers", "Environment", "DurableConfig"} & set(properties)
    assert properties["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
    assert properties["VpcConfig"] == {
        "SubnetIds": {"Ref": "CodeSubnetIds"},
        "SecurityGroupIds": [{"Ref": "CodeSecurityGroup"}],
    }
    assert code.MAX_SECONDS < properties["Timeout"] < code.MAX_SECONDS + code.START_SECONDS
    group = RESOURCES["CodeSecurityGroup"]["Properties"]
    assert [rule["CidrIp"] for rule in group["SecurityGroupEgress"]] == ["127.0.0.1/32"]
    assert "SecurityGroupIngress" not in group


def test_user_code_is_denied_the_actions_that_lambda_needs_for_it() -> None:
    statements = [statement for role, statement in STATEMENTS if role == "RunCodeRole"]
    allowed = {
        action for statement in statements if statement["Effect"] == "Allow" for action in statement["Action"]
    }
    (denied,) = DENIED
    assert allowed - {"logs:CreateLogStream", "logs:PutLogEvents"} == set(denied["Action"])
    (function,) = denied["Condition"]["ArnEquals"].values()
    assert function["Fn::Sub"].endswith(f":function:{FUNCTIONS['RunCode']['FunctionName']['Fn::Sub']}")


def test_the_code_runner_is_deployed_alone_with_the_standard_library(tmp_path: Path) -> None:
    build = ["make", "-C", str(ROOT / "functions"), "build-RunCode", f"ARTIFACTS_DIR={tmp_path}"]
    subprocess.run(build, check=True, capture_output=True)
    names = ["child_process", "isolation", "process_tree", "result_format", "run_code", "system_calls"]
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert files == [tmp_path / "code_runner" / f"{name}.py" for name in names]
    imported = {
        name.split(".")[0]
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names | {"code_runner"}
