"""AWS clients for nodes, with the tenant's own keys for the tenant's own account.

Only `resolve_credentials` turns a node's parameters into credentials. A client has those and nothing of the deployment:
it reads no environment, no profile and no metadata service, so that a node without keys can do nothing rather than act
as us. It calls the endpoint of AWS in its region, or the operator's in `NODES_AWS_ENDPOINT_URL`, and tries once: the
node's own `retry` counts. botocore takes long to import, so only functions that send requests import it.
"""

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from weconnect.node_sdk.node_parameters import ExpressionRule, Parameters
from weconnect.node_sdk.node_type import NodeError, NodeRun
from weconnect.settings import settings

CONNECT_SECONDS = 5
READ_SECONDS = 20
ROLE_SECONDS = 900

_THROTTLES = frozenset(
    {
        *("BandwidthLimitExceeded", "DatabaseResumingException", "EC2ThrottledException"),
        *("PriorRequestNotComplete", "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
        *("RequestThrottled", "RequestThrottledException", "RequestTimeout", "RequestTimeoutException"),
        *("SlowDown", "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException"),
        *("TransactionConflictException", "TransactionInProgressException"),
    }
)
_client_lock = threading.Lock()


class AwsParameters(Parameters):
    """The region and the credentials of an AWS account."""

    REQUIRED_BY_OPERATION: ClassVar[dict[str, tuple[str, ...]]] = {}
    """The parameters that each operation requires."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$")]
    """AWS region, such as `eu-central-1`."""
    access_key_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{16,128}$"), ExpressionRule.MAY_USE_SECRETS]
    """Access key ID of the AWS account: a text or a variable."""
    secret_access_key: Annotated[str, Field(min_length=8, max_length=200), ExpressionRule.SECRET_VARIABLE]
    """Secret access key, as a secret variable: `{{ $vars.name }}`."""
    session_token: Annotated[
        Annotated[str, Field(min_length=8, max_length=8_000)] | None, ExpressionRule.SECRET_VARIABLE
    ] = None
    """Session token of temporary keys, as a secret variable."""
    role_arn: (
        Annotated[
            str, Field(max_length=600, pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$")
        ]
        | None
    ) = None
    """ARN of a role to assume with these keys. Default: none."""
    external_id: Annotated[
        Annotated[str, Field(min_length=2, max_length=1_224, pattern=r"^[A-Za-z0-9_+=,.@:/-]+$")] | None,
        ExpressionRule.MAY_USE_SECRETS,
    ] = None
    """External ID that the role's trust policy requires."""

    @model_validator(mode="after")
    def _has_required_parameters(self) -> Self:
        """Raise ValueError when the operation lacks a parameter that it requires."""
        operation = getattr(self, "operation", "")
        for name in self.REQUIRED_BY_OPERATION.get(operation, ()):
            if getattr(self, name) is None:
                raise ValueError(f"the operation {operation} requires /{to_camel(name)}")
        return self


@dataclass(frozen=True)
class AwsCredentials:
    """Credentials of an AWS account, and the region to use them in."""

    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None


class AwsClients:
    """The AWS clients of one node run, one for all items with the same account."""

    def __init__(self, node_run: NodeRun) -> None:
        self._node_run = node_run
        self._credentials: dict[tuple[str | None, ...], AwsCredentials] = {}
        self._clients: dict[tuple[Any, ...], Any] = {}

    def client(self, service: str, parameters: AwsParameters, read_seconds: float = READ_SECONDS) -> Any:
        """Return a client of a service. Raises NodeError for an unknown region, or a role that may not be assumed."""
        key, seconds = build_account_key(parameters), min(read_seconds, self._node_run.timeout_seconds)
        if key not in self._credentials:
            self._credentials[key] = resolve_credentials(self._node_run, parameters)
        if (service, seconds, *key) not in self._clients:
            self._clients[service, seconds, *key] = _create_client(service, self._credentials[key], seconds)
        return self._clients[service, seconds, *key]


def build_account_key(parameters: AwsParameters) -> tuple[str | None, ...]:
    """Return a key that is equal for items with the same account, region and role."""
    return tuple(getattr(parameters, name) for name in AwsParameters.model_fields)


def resolve_credentials(node_run: NodeRun, parameters: AwsParameters) -> AwsCredentials:
    """Return the credentials of a node: its keys, or those of the role that it assumes with them. Raises NodeError."""
    if parameters.region not in _list_regions():
        raise NodeError("invalid_parameters", f"/region: {parameters.region!r} is not an AWS region")
    own = AwsCredentials(
        parameters.region, parameters.access_key_id, parameters.secret_access_key, parameters.session_token
    )
    if parameters.role_arn is None:
        return own
    request = {"RoleArn": parameters.role_arn, "RoleSessionName": f"weconnect-{node_run.execution_id}"}
    if parameters.external_id is not None:
        request["ExternalId"] = parameters.external_id
    client = _create_client("sts", own, min(READ_SECONDS, node_run.timeout_seconds))
    with translate_errors():
        temporary = client.assume_role(**request, DurationSeconds=ROLE_SECONDS)["Credentials"]
    if node_run.secrets:  # the token alone grants nothing, and is in every URL that is signed with it
        node_run.secrets.add(temporary["SecretAccessKey"])
    return AwsCredentials(
        parameters.region, temporary["AccessKeyId"], temporary["SecretAccessKey"], temporary["SessionToken"]
    )


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise the errors of AWS and botocore as NodeErrors: with AWS's codes, `unreachable` without a response."""
    from botocore import exceptions  # cold start

    try:
        yield
    except exceptions.ClientError as error:
        details = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise to_node_error(details.get("Code"), details.get("Message"), status) from error
    except exceptions.ParamValidationError as error:
        raise NodeError("invalid_parameters", str(error)) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
        raise NodeError(
            "unreachable", f"AWS did not respond: {type(error).__name__}", retryable=True
        ) from error
    except exceptions.BotoCoreError as error:
        raise NodeError(
            "request_not_made", f"The request could not be sent: {type(error).__name__}"
        ) from error


def to_node_error(code: str | None, message: str | None, status: int = 0) -> NodeError:
    """Return the error of a request, or of one entry of a batch, with AWS's code."""
    retryable = status >= 500 or status == 429 or code in _THROTTLES
    return NodeError(
        code or "unknown_error", message or f"AWS responded with status {status}", retryable=retryable
    )


def _create_client(service: str, credentials: AwsCredentials, read_seconds: float) -> Any:
    """Create a client of a service that uses only these credentials, and never retries."""
    from botocore.config import Config  # cold start

    options: dict[str, Any] = {}
    # URLs are signed with version 4 everywhere; an emulator has no host names for buckets.
    if service == "s3":
        style = "path" if settings.nodes_aws_endpoint_url else "auto"
        options = {"signature_version": "s3v4", "s3": {"addressing_style": style}}
    config = Config(
        connect_timeout=min(CONNECT_SECONDS, read_seconds),
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
        ignore_configured_endpoint_urls=True,
        proxies={},
        **options,
    )
    with _client_lock:  # botocore's sessions are not thread-safe
        return _get_botocore().create_client(
            service,
            region_name=credentials.region,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            endpoint_url=settings.nodes_aws_endpoint_url,
            config=config,
        )


@functools.cache
def _get_botocore() -> Any:
    """Return a session without credentials that reads nothing of its environment: no variable, no file."""
    from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES as VARIABLES  # cold start
    from botocore.session import Session  # cold start

    variables = {name: (None, None, default, convert) for name, (_, _, default, convert) in VARIABLES.items()}
    variables |= dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return Session(session_vars=variables)


@functools.cache
def _list_regions() -> frozenset[str]:
    """Return the names of all AWS regions that botocore knows."""
    partitions = _get_botocore().get_component("data_loader").load_data("partitions")["partitions"]
    return frozenset(name for each in partitions for name in each["regions"] if not name.endswith("-global"))
