"""Creates the template's data in MiniStack: tables, buckets, keys, secrets, parameters, queues.

What is there already stays as it is.
"""

import json
import secrets
import string
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from infra.local.options import ACCOUNT, CREDENTIALS, REGION, STACK
from infra.local.template import Template, load_template

QUEUE_ATTRIBUTES = (
    "VisibilityTimeout", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
    "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds",
)  # fmt: skip
TABLE_PROPERTIES = (
    "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes",
    "VectorIndexes",
)  # fmt: skip


class Clients:
    """boto3 clients for one endpoint, made when first used."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._session = boto3.Session(*CREDENTIALS.values(), region_name=REGION)
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()  # a client may be used by many threads, but not made by two

    def __call__(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                config = Config(retries={"max_attempts": 3}, max_pool_connections=20, read_timeout=30)
                self._made[service] = self._session.client(service, endpoint_url=self.endpoint, config=config)
            return self._made[service]


def provision(template: Template, clients: Clients, parameter: Callable[[str], str | None]) -> None:
    """Create what the template and its nested applications declare and enter their references into the scopes."""
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::Serverless::Application":
            _provision_application(template, name, resource["Properties"], clients, parameter)
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::Serverless::Function":
            given = template.scope.resolve(resource["Properties"].get("FunctionName", f"{STACK}-{name}"))
            template.scope.refs[name] = given
            template.scope.attributes[name, "Arn"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{given}"
    _name_queues(template, clients.endpoint)
    made = [
        (_CREATORS[resource["Type"]], name, resource.get("Properties", {}))
        for name, resource in template.resources.items()
        if resource["Type"] in _CREATORS
    ]
    with ThreadPoolExecutor(4) as threads:  # most of the time goes into the clients' service models
        for done in [
            threads.submit(create, template, clients, name, template.scope.resolve(properties))
            for create, name, properties in made
        ]:
            done.result()
    _join_dead_letters(template, clients)


def put_parameter(clients: Clients, name: str, value: str) -> None:
    clients("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def _provision_application(
    template: Template,
    name: str,
    properties: dict[str, Any],
    clients: Clients,
    parameter: Callable[[str], str | None],
) -> None:
    given: Mapping[str, str] = template.scope.resolve(properties.get("Parameters", {}))
    nested = load_template(
        template.path.parent / properties["Location"], lambda key: given.get(key) or parameter(key)
    )
    provision(nested, clients, parameter)
    for key, output in nested.body.get("Outputs", {}).items():
        template.scope.attributes[name, f"Outputs.{key}"] = nested.scope.resolve(output["Value"])


def _physical(name: str, properties: dict[str, Any], key: str) -> str:
    return str(properties.get(key) or f"{STACK}-{name}".lower())


def _create_table(template: Template, clients: Clients, name: str, properties: dict[str, Any]) -> None:
    table, client = _physical(name, properties, "TableName"), clients("dynamodb")
    wanted = {key: properties[key] for key in TABLE_PROPERTIES if key in properties}
    if table not in client.list_tables()["TableNames"]:
        client.create_table(TableName=table, **wanted)
    else:
        found = client.describe_table(TableName=table)["Table"]
        for kind in ("GlobalSecondaryIndexes", "VectorIndexes"):
            present = {index["IndexName"] for index in found.get(kind, [])}
            for index in wanted.get(kind, []):
                if index["IndexName"] not in present:
                    client.update_table(
                        TableName=table,
                        AttributeDefinitions=wanted["AttributeDefinitions"],
                        **{kind.replace("Indexes", "IndexUpdates"): [{"Create": index}]},
                    )
    ttl = properties.get("TimeToLiveSpecification")
    present_ttl = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if ttl and present_ttl["TimeToLiveStatus"] != "ENABLED":
        client.update_time_to_live(TableName=table, TimeToLiveSpecification=ttl)
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
    template.scope.refs[name] = table
    template.scope.attributes[name, "Arn"] = arn
    template.scope.attributes[name, "StreamArn"] = f"{arn}/stream/local"


def _create_bucket(template: Template, clients: Clients, name: str, properties: dict[str, Any]) -> None:
    bucket, client = _physical(name, properties, "BucketName"), clients("s3")
    if bucket not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=bucket)
    template.scope.refs[name] = bucket
    template.scope.attributes[name, "Arn"] = f"arn:aws:s3:::{bucket}"


def _create_key(template: Template, clients: Clients, name: str, properties: dict[str, Any]) -> None:
    alias, client = f"alias/{STACK}-{name}", clients("kms")
    try:
        key = client.describe_key(KeyId=alias)["KeyMetadata"]
    except client.exceptions.NotFoundException:
        key = client.create_key(Description=properties.get("Description", ""))["KeyMetadata"]
        client.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    template.scope.refs[name] = key["KeyId"]
    template.scope.attributes[name, "Arn"] = key["Arn"]


def _create_secret(template: Template, clients: Clients, name: str, properties: dict[str, Any]) -> None:
    secret, client = _physical(name, properties, "Name"), clients("secretsmanager")
    try:
        found = client.describe_secret(SecretId=secret)
    except client.exceptions.ResourceNotFoundException:
        found = client.create_secret(Name=secret, SecretString=_secret_text(properties))
    template.scope.refs[name] = found["ARN"]


def _secret_text(properties: dict[str, Any]) -> str:
    generate = properties.get("GenerateSecretString")
    if generate is None:
        return str(properties.get("SecretString", ""))
    alphabet = string.ascii_letters + string.digits
    password = "".join(secrets.choice(alphabet) for _ in range(generate.get("PasswordLength", 32)))
    if "GenerateStringKey" in generate:
        return json.dumps(
            {**json.loads(generate["SecretStringTemplate"]), generate["GenerateStringKey"]: password}
        )
    return password


def _create_parameter(template: Template, clients: Clients, name: str, properties: dict[str, Any]) -> None:
    put_parameter(clients, properties["Name"], str(properties["Value"]))
    template.scope.refs[name] = properties["Name"]


def _name_queues(template: Template, endpoint: str) -> None:
    """Enter every queue's address first: redrive policies and functions refer to queues in any order."""
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::SQS::Queue":
            properties = template.scope.resolve(resource.get("Properties", {}))
            queue = _physical(name, properties, "QueueName")
            if properties.get("FifoQueue") and not queue.endswith(".fifo"):
                queue += ".fifo"
            template.scope.refs[name] = f"{endpoint}/{ACCOUNT}/{queue}"
            template.scope.attributes[name, "Arn"] = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"
            template.scope.attributes[name, "QueueName"] = queue


def _create_queue(template: Template, clients: Clients, name: str, properties: dict[str, Any]) -> None:
    queue, client = template.scope.attributes[name, "QueueName"], clients("sqs")
    attributes = {key: _text(properties[key]) for key in QUEUE_ATTRIBUTES if key in properties}
    try:
        client.get_queue_url(QueueName=queue)
    except client.exceptions.QueueDoesNotExist:
        client.create_queue(QueueName=queue, Attributes=attributes)


def _join_dead_letters(template: Template, clients: Clients) -> None:
    """Set redrive policies once every queue is there."""
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::SQS::Queue" and "RedrivePolicy" in resource.get("Properties", {}):
            policy = json.dumps(template.scope.resolve(resource["Properties"]["RedrivePolicy"]))
            clients("sqs").set_queue_attributes(
                QueueUrl=template.scope.refs[name], Attributes={"RedrivePolicy": policy}
            )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_CREATORS: dict[str, Callable[[Template, Clients, str, dict[str, Any]], None]] = {
    "AWS::DynamoDB::Table": _create_table,
    "AWS::S3::Bucket": _create_bucket,
    "AWS::KMS::Key": _create_key,
    "AWS::SecretsManager::Secret": _create_secret,
    "AWS::SSM::Parameter": _create_parameter,
    "AWS::SQS::Queue": _create_queue,
}
