"""The first deployment, and what an operator needs later: alarms, logs, a domain, a restore."""

import fnmatch
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import make_api
from infra.cloudformation import ROOT
from infra.local.event_patterns import matches_pattern
from infra.local.sam_template import Template, load_template
from tests.infra.conftest import package_template
from tests.infra.stack import API, DATA, FUNCTIONS, RESOURCES, STATEMENTS, TEMPLATE
from tests.infra.test_sample_events import load_event


def load(name: str, **parameters: str) -> Template:
    """Return a template with these parameters."""
    return load_template(ROOT / name, parameters.get)


def resolve_gateway(**parameters: str) -> dict[str, Any]:
    """Return the gateway's definition as CloudFormation resolves it with these parameters."""
    definition: dict[str, Any] = load("template.yaml", **parameters).scope.resolve(API)
    return definition


# Stream records that were discarded


def test_lambda_may_write_discarded_records_under_the_keys_that_it_chooses() -> None:
    """The keys are documented by AWS: `aws/lambda/<ESM-UUID>/<shard>/YYYY/MM/DD/…`. No prefix can be set."""
    mapping = FUNCTIONS["OnTableChange"]["Events"]["Stream"]["Properties"]
    assert mapping["DestinationConfig"]["OnFailure"] == {
        "Type": "S3",
        "Destination": {"Fn::GetAtt": ["Data", "Outputs.FailedRecordsArn"]},
    }
    key = "aws/lambda/4f1c0a8e-5d52-4a3c-8a77-3a5a4cf3a111/shardId-000000016/2026/12/01/2026-12-01T02.00.00-x"
    granted = [
        statement["Resource"]["Fn::Sub"]
        for role, statement in STATEMENTS
        if role == "StreamRole" and statement["Action"] == "s3:PutObject"
    ]
    assert any(
        fnmatch.fnmatchcase("${Data.Outputs.FailedRecordsArn}/" + key, resource) for resource in granted
    )
    assert {"Fn::GetAtt": ["Data", "Outputs.FailedRecordsArn"]} in [
        statement["Resource"]
        for role, statement in STATEMENTS
        if role == "StreamRole" and statement["Action"] == "s3:ListBucket"
    ]


BUCKETS = [name for name, resource in DATA["Resources"].items() if resource["Type"] == "AWS::S3::Bucket"]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_private_encrypted_and_takes_encrypted_connections_alone(bucket: str) -> None:
    properties = DATA["Resources"][bucket]["Properties"]
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert all(properties["PublicAccessBlockConfiguration"].values())
    (policy,) = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in DATA["Resources"].values()
        if resource["Type"] == "AWS::S3::BucketPolicy" and resource["Properties"]["Bucket"] == {"Ref": bucket}
    ]
    (statement,) = policy
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    arn = {"Fn::GetAtt": [bucket, "Arn"]}
    assert statement["Resource"] == [arn, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]


def test_a_deleted_payload_can_be_brought_back_for_seven_days() -> None:
    bucket = DATA["Resources"]["Bucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    days = [
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if "NoncurrentVersionExpiration" in rule
    ]
    assert days == [7]
    failed = DATA["Resources"]["FailedRecords"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [rule["ExpirationInDays"] for rule in failed] == [90]


# The gateway


@pytest.mark.parametrize(("origins", "cors"), [("", None), ("https://a.example,https://b.example", True)])
def test_the_gateway_has_no_cors_without_an_origin(origins: str, cors: bool | None) -> None:
    """API Gateway refuses an origin that is empty, so the parameter's default would refuse the whole stack."""
    definition = resolve_gateway(CorsOrigins=origins)
    configured = definition.get("x-amazon-apigateway-cors")
    assert (configured is not None) is bool(cors)
    if configured:
        assert configured["allowOrigins"] == origins
        assert "authorization" in configured["allowHeaders"]


def test_the_gateways_definition_survives_the_transform_as_it_is() -> None:
    """CloudFormation inlines infra/api.yaml before it transforms the template."""
    template = package_template()
    template["Resources"]["Api"]["Properties"]["DefinitionBody"] = API
    completed = subprocess.run(
        [ROOT / ".venv-sam/bin/python", Path(__file__).with_name("sam_transform.py")],
        input=json.dumps([template]),
        env={"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    (inlined,) = json.loads(completed.stdout)
    body = inlined["Resources"]["Api"]["Properties"]["Body"]
    assert body["x-amazon-apigateway-cors"]["Fn::If"] == ["HasCors", make_api.CORS, {"Ref": "AWS::NoValue"}]
    assert body["servers"] == API["servers"]
    assert {"HasCors", "HasDomain"} <= set(inlined["Conditions"])


def test_the_gateway_gives_up_its_own_address_where_it_has_a_domain() -> None:
    def is_disabled(**parameters: str) -> Any:
        (server,) = resolve_gateway(**parameters)["servers"]
        return server["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"]

    assert is_disabled() is False
    assert is_disabled(PublicUrl="https://api.example.com") is False, "the only way in"
    assert is_disabled(DomainName="api.example.com", CertificateArn="arn:x") is True


def test_the_public_url_is_the_address_that_functions_read() -> None:
    def read_url(**parameters: str) -> Any:
        template = load("template.yaml", **parameters)
        return template.scope.resolve(template.resources["Url"]["Properties"]["Value"])

    assert ".execute-api.us-east-1." in read_url()
    assert read_url(DomainName="origin.example.com") == "https://origin.example.com"
    public = "https://api.example.com"
    assert read_url(PublicUrl=public, DomainName="origin.example.com") == read_url(PublicUrl=public) == public
    pattern = TEMPLATE["Parameters"]["PublicUrl"]["AllowedPattern"]
    assert re.fullmatch(pattern, "") and re.fullmatch(pattern, "https://api.example.com")
    for wrong in ("http://api.example.com", "api.example.com", "https://api.example.com/", "https://"):
        assert not re.fullmatch(pattern, wrong)


def test_a_domain_is_made_with_its_certificate() -> None:
    assert "Domain" not in load("template.yaml", PublicUrl="https://api.example.com").resources
    template = load("template.yaml", DomainName="api.example.com", CertificateArn="arn:x")
    assert {"Domain", "DomainMapping"} <= set(template.resources)
    domain = template.scope.resolve(template.resources["Domain"]["Properties"])
    (configuration,) = domain["DomainNameConfigurations"]
    assert (domain["DomainName"], configuration["CertificateArn"]) == ("api.example.com", "arn:x")
    (assertion,) = TEMPLATE["Rules"]["CertificateOfDomain"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "CertificateArn"}, ""]}]}


def test_the_gateways_log_has_no_path_or_query() -> None:
    """Tokens of callbacks and links are in paths, those of mails in queries."""
    settings = RESOURCES["Api"]["Properties"]["AccessLogSettings"]
    assert settings["DestinationArn"] == {"Fn::GetAtt": ["GatewayLogGroup", "Arn"]}
    fields = json.loads(settings["Format"])
    variables = set(fields.values())
    assert {"$context.routeKey", "$context.requestId", "$context.status"} <= variables
    assert [name for name in variables if re.search(r"path|query|authorizer\.(?!error)", name, re.I)] == []


# Events of the platform


@pytest.mark.parametrize(
    ("function", "status", "expected"),
    [
        ("weconnect-run-agent", "TIMED_OUT", True),
        ("weconnect-run-workflow", "STOPPED", True),
        ("weconnect-run-agent", "SUCCEEDED", False),
        ("weconnect-prod-run-agent", "FAILED", False),
        ("orders", "FAILED", False),
    ],
)
def test_only_durable_executions_of_this_stack_that_did_not_succeed_are_closed(
    function: str, status: str, expected: bool
) -> None:
    rule = FUNCTIONS["OnExecutionEnded"]["Events"]["Ended"]["Properties"]["Pattern"]
    pattern = load("template.yaml").scope.resolve(rule)
    event = load_event("on_execution_ended")
    event["detail"] |= {
        "status": status,
        "functionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{function}:7",
    }
    assert matches_pattern(pattern, event) is expected


QUEUES = [name for name, resource in RESOURCES.items() if resource["Type"] == "AWS::SQS::Queue"]


def test_each_queue_has_dead_letters_of_its_own_and_keeps_messages_for_fourteen_days() -> None:
    assert len(QUEUES) == 6
    assert {RESOURCES[name]["Properties"]["MessageRetentionPeriod"] for name in QUEUES} == {14 * 86_400}
    targets = [
        RESOURCES[name]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for name in QUEUES
        if "RedrivePolicy" in RESOURCES[name]["Properties"]
    ]
    assert len(targets) == len(set(targets)) == 3


# Alarms


ALARMS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
# What a dimension's value must refer to, and the attribute by which.
DIMENSIONS = {
    "FunctionName": ("AWS::Lambda::Function", ""),
    "QueueName": ("AWS::SQS::Queue", "QueueName"),
    "ApiId": ("AWS::ApiGatewayV2::Api", ""),
    "EventSourceMappingUUID": ("AWS::Lambda::EventSourceMapping", ""),
}


@pytest.mark.parametrize("alarm", ALARMS)
def test_the_dimensions_of_an_alarm_refer_to_resources_that_exist(
    transformed: dict[str, dict[str, Any]], alarm: str
) -> None:
    resources = transformed[""]["Resources"]
    for dimension in ALARMS[alarm].get("Dimensions", []):
        kind, attribute = DIMENSIONS[dimension["Name"]]
        name = dimension["Value"]["Ref"] if not attribute else dimension["Value"]["Fn::GetAtt"][0]
        assert resources[name]["Type"] == kind
        if attribute:
            assert dimension["Value"]["Fn::GetAtt"][1] == attribute


def test_an_alarm_without_a_dimension_is_about_the_whole_account() -> None:
    assert [name for name, alarm in ALARMS.items() if not alarm.get("Dimensions")] == ["ThrottleAlarm"]


def test_what_can_be_lost_or_stand_still_has_an_alarm() -> None:
    watched = {
        (alarm["MetricName"], json.dumps(dimension["Value"]))
        for alarm in ALARMS.values()
        for dimension in alarm.get("Dimensions", [])
    }
    for name in QUEUES:
        is_dead = "RedrivePolicy" not in RESOURCES[name]["Properties"]
        metric = "ApproximateNumberOfMessagesVisible" if is_dead else "ApproximateAgeOfOldestMessage"
        assert (metric, json.dumps({"Fn::GetAtt": [name, "QueueName"]})) in watched
    for name in ("RunAgent", "RunWorkflow"):
        for metric in ("DurableExecutionFailed", "DurableExecutionTimedOut"):
            assert (metric, json.dumps({"Ref": name})) in watched
    for metric, name in [
        ("IteratorAge", "OnTableChange"),
        ("OnFailureDestinationDeliveredEventCount", "OnTableChangeStream"),
        ("Throttles", "Authorize"),
        ("5xx", "Api"),
    ]:
        assert (metric, json.dumps({"Ref": name})) in watched
    stream = FUNCTIONS["OnTableChange"]["Events"]["Stream"]["Properties"]
    assert stream["MetricsConfig"] == {"Metrics": ["EventCount"]}, (
        "else the metric of discarded records is empty"
    )


def test_alarms_are_mailed_where_there_is_an_address() -> None:
    template = load("template.yaml", AlarmEmail="ops@example.com")
    topic = template.scope.resolve(template.resources["AlarmTopic"]["Properties"])
    assert topic["Subscription"] == [{"Protocol": "email", "Endpoint": "ops@example.com"}]
    silent = load("template.yaml")
    assert "AlarmTopic" not in silent.resources
    for alarm in ALARMS.values():
        assert len(template.scope.resolve(alarm["AlarmActions"])) == 1
        assert silent.scope.resolve(alarm["AlarmActions"]) == []


def test_the_dashboard_is_json_about_resources_that_exist() -> None:
    text = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert len(json.loads(text)["widgets"]) == 7
    names = {name.split(".")[0] for name in re.findall(r"\$\{([\w.]+)\}", text)}
    assert names - {"AWS"} <= set(RESOURCES)


# Stores that exist already


def test_a_table_bucket_and_key_that_exist_are_used_and_not_made() -> None:
    existing = {
        "TableName": "restored",
        "TableStreamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/restored/stream/x",
        "BucketName": "payloads",
        "KeyArn": "arn:aws:kms:us-east-1:000000000000:key/k",
    }
    made = load("infra/data.yaml")
    used = load("infra/data.yaml", **existing)
    assert set(made.resources) - set(used.resources) == {"Table", "Bucket", "BucketPolicy", "Key"}
    outputs = {name: used.scope.resolve(output["Value"]) for name, output in used.body["Outputs"].items()}
    assert {
        "TableName": "restored",
        "TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/restored",
        "StreamArn": existing["TableStreamArn"],
        "BucketName": "payloads",
        "BucketArn": "arn:aws:s3:::payloads",
        "KeyArn": existing["KeyArn"],
    }.items() <= outputs.items()
    for name, resource in used.resources.items():
        for reference in _list_references(used.scope.resolve(resource)):
            raise AssertionError(f"{name} refers to {reference}")
    encryption = used.scope.resolve(used.resources["FailedRecords"]["Properties"]["BucketEncryption"])
    (rule,) = encryption["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == existing["KeyArn"]


def test_the_stack_passes_what_is_given_to_the_data_stack() -> None:
    passed = RESOURCES["Data"]["Properties"]["Parameters"]
    assert passed == {name: {"Ref": name} for name in DATA["Parameters"]}
    assert {
        name: TEMPLATE["Parameters"][name]["Default"] for name in set(passed) - {"Stage"}
    } == dict.fromkeys(["TableName", "TableStreamArn", "BucketName", "KeyArn"], "")


def _list_references(node: Any) -> Iterator[str]:
    """Yield the plausible names that the local host gives to what a condition has left out."""
    text = json.dumps(node)
    for name in ("Table", "Bucket", "Key"):
        yield from re.findall(rf'"weconnect-{name}(?:\.\w+)?"', text)


def test_every_condition_is_used() -> None:
    for template, others in ((TEMPLATE, API), (DATA, {})):
        text = json.dumps({**template, "Conditions": {}}) + json.dumps(others)
        for name in template["Conditions"]:
            assert f'"{name}"' in text, name
