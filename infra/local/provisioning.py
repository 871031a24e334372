"""Creates the template's resources in MiniStack: tables, buckets, keys, secrets, parameters, queues.

Existing resources stay as they are.
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

from infra.local.request_checks import Credentials
from infra.local.sam_template import Template, load_template
from infra.local.settings import ACCOUNT, REGION, STACK

QUEUE_ATTRIBUTES = (
    "VisibilityTimeout", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
    "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds",
)  # fmt: skip
TABLE_PROPERTIES = (
    "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes",
    "VectorIndexes",
)  # fmt: skip


class AwsClients:
    """The boto3 clients of one endpoint, created at their first use."""

    def __init__(self, endpoint: str, credentials: Credentials) -> None:
        self.endpoint = endpoint
        self._session = boto3.Session(credentials.access_key, credentials.secret_key, region_name=REGION)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()  # many threads may use a client, but only one may create it

    def __call__(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                config = Config(retries={"max_attempts": 3}, max_pool_connections=20, read_timeout=30)
                self._clients[service] = self._session.client(
                    service, endpoint_url=self.endpoint, config=config
                )
            return self._clients[service]


def provision(template: Template, clients: AwsClients, parameter: Callable[[str], str | None]) -> None:
    """Create the resources of a template and its nested applications, and add their references to the scopes."""
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::Serverless::Application":
            _provision_application(template, name, resource["Properties"], clients, parameter)
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::Serverless::Function":
            function_name = template.scope.resolve(
                resource["Properties"].get("FunctionName", f"{STACK}-{name}")
            )
            template.scope.refs[name] = function_name
            template.scope.attributes[name, "Arn"] = (
                f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name}"
            )
    _name_queues(template, clients.endpoint)
    creations = [
        (_CREATORS[resource["Type"]], name, resource.get("Properties", {}))
        for name, resource in template.resources.items()
        if resource["Type"] in _CREATORS
    ]
    with ThreadPoolExecutor(4) as threads:  # most of the time is spent on loading the clients' service models
        for creation in [
            threads.submit(create, template, clients, name, template.scope.resolve(properties))
            for create, name, properties in creations
        ]:
            creation.result()
    _set_redrive_policies(template, clients)


def put_parameter(clients: AwsClients, name: str, value: str) -> None:
    clients("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def _provision_application(
    template: Template,
    name: str,
    properties: dict[str, Any],
    clients: AwsClients,
    parameter: Callable[[str], str | None],
) -> None:
    """Create the resources of a nested application, and add its outputs to the scope as attributes."""
    overrides: Mapping[str, str] = template.scope.resolve(properties.get("Parameters", {}))
    nested = load_template(
        template.path.parent / properties["Location"], lambda key: overrides.get(key) or parameter(key)
    )
    provision(nested, clients, parameter)
    for key, output in nested.body.get("Outputs", {}).items():
        template.scope.attributes[name, f"Outputs.{key}"] = nested.scope.resolve(output["Value"])


def _get_physical_name(name: str, properties: dict[str, Any], key: str) -> str:
    """Return a resource's name: the property `key`, or a name made of the stack and the logical ID."""
    return str(properties.get(key) or f"{STACK}-{name}".lower())


def _create_table(template: Template, clients: AwsClients, name: str, properties: dict[str, Any]) -> None:
    """Create a table or the indexes that it lacks, enable its TTL, and add its name and ARNs to the scope."""
    table, client = _get_physical_name(name, properties, "TableName"), clients("dynamodb")
    declared = {key: properties[key] for key in TABLE_PROPERTIES if key in properties}
    if table not in client.list_tables()["TableNames"]:
        client.create_table(TableName=table, **declared)
    else:
        description = client.describe_table(TableName=table)["Table"]
        for kind in ("GlobalSecondaryIndexes", "VectorIndexes"):
            existing = {index["IndexName"] for index in description.get(kind, [])}
            for index in declared.get(kind, []):
                if index["IndexName"] not in existing:
                    client.update_table(
                        TableName=table,
                        AttributeDefinitions=declared["AttributeDefinitions"],
                        **{kind.replace("Indexes", "IndexUpdates"): [{"Create": index}]},
                    )
    ttl = properties.get("TimeToLiveSpecification")
    existing_ttl = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if ttl and existing_ttl["TimeToLiveStatus"] != "ENABLED":
        client.update_time_to_live(TableName=table, TimeToLiveSpecification=ttl)
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
    template.scope.refs[name] = table
    template.scope.attributes[name, "Arn"] = arn
    template.scope.attributes[name, "StreamArn"] = f"{arn}/stream/local"


def _create_bucket(template: Template, clients: AwsClients, name: str, properties: dict[str, Any]) -> None:
    """Create a bucket unless it exists, and add its name and ARN to the scope."""
    bucket, client = _get_physical_name(name, properties, "BucketName"), clients("s3")
    if bucket not in {existing["Name"] for existing in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=bucket)
    template.scope.refs[name] = bucket
    template.scope.attributes[name, "Arn"] = f"arn:aws:s3:::{bucket}"


def _create_key(template: Template, clients: AwsClients, name: str, properties: dict[str, Any]) -> None:
    """Create a KMS key with an alias unless it exists, and add its ID and ARN to the scope."""
    alias, client = f"alias/{STACK}-{name}", clients("kms")
    try:
        key = client.describe_key(KeyId=alias)["KeyMetadata"]
    except client.exceptions.NotFoundException:
        key = client.create_key(Description=properties.get("Description", ""))["KeyMetadata"]
        client.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    template.scope.refs[name] = key["KeyId"]
    template.scope.attributes[name, "Arn"] = key["Arn"]


def _create_secret(template: Template, clients: AwsClients, name: str, properties: dict[str, Any]) -> None:
    """Create a secret unless it exists, and add its ARN to the scope."""
    secret, client = _get_physical_name(name, properties, "Name"), clients("secretsmanager")
    try:
        description = client.describe_secret(SecretId=secret)
    except client.exceptions.ResourceNotFoundException:
        description = client.create_secret(Name=secret, SecretString=_generate_secret_text(properties))
    template.scope.refs[name] = description["ARN"]


def _generate_secret_text(properties: dict[str, Any]) -> str:
    """Return a secret's value: the declared text, or a random password, within its JSON template if it has one."""
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


def _create_parameter(template: Template, clients: AwsClients, name: str, properties: dict[str, Any]) -> None:
    """Store an SSM parameter, and add its name to the scope."""
    put_parameter(clients, properties["Name"], str(properties["Value"]))
    template.scope.refs[name] = properties["Name"]


def _name_queues(template: Template, endpoint: str) -> None:
    """Add the URLs of all queues to the scope first, because other resources refer to them in any order."""
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::SQS::Queue":
            properties = template.scope.resolve(resource.get("Properties", {}))
            queue = _get_physical_name(name, properties, "QueueName")
            if properties.get("FifoQueue") and not queue.endswith(".fifo"):
                queue += ".fifo"
            template.scope.refs[name] = f"{endpoint}/{ACCOUNT}/{queue}"
            template.scope.attributes[name, "Arn"] = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"
            template.scope.attributes[name, "QueueName"] = queue


def _create_queue(template: Template, clients: AwsClients, name: str, properties: dict[str, Any]) -> None:
    """Create a queue unless it exists; `_name_queues` has added it to the scope."""
    queue, client = template.scope.attributes[name, "QueueName"], clients("sqs")
    attributes = {key: _to_attribute_text(properties[key]) for key in QUEUE_ATTRIBUTES if key in properties}
    try:
        client.get_queue_url(QueueName=queue)
    except client.exceptions.QueueDoesNotExist:
        client.create_queue(QueueName=queue, Attributes=attributes)


def _set_redrive_policies(template: Template, clients: AwsClients) -> None:
    """Set the redrive policies once all queues exist."""
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::SQS::Queue" and "RedrivePolicy" in resource.get("Properties", {}):
            policy = json.dumps(template.scope.resolve(resource["Properties"]["RedrivePolicy"]))
            clients("sqs").set_queue_attributes(
                QueueUrl=template.scope.refs[name], Attributes={"RedrivePolicy": policy}
            )


def _to_attribute_text(value: Any) -> str:
    """Return the text of a queue's attribute: booleans in lower case, as SQS takes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


_CREATORS: dict[str, Callable[[Template, AwsClients, str, dict[str, Any]], None]] = {
    "AWS::DynamoDB::Table": _create_table,
    "AWS::S3::Bucket": _create_bucket,
    "AWS::KMS::Key": _create_key,
    "AWS::SecretsManager::Secret": _create_secret,
    "AWS::SSM::Parameter": _create_parameter,
    "AWS::SQS::Queue": _create_queue,
}
