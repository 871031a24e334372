"""The AWS account that a node works in: the tenant's own, by the tenant's own keys.

`session_of` is the one place that turns a node's parameters into credentials. A client has those and nothing of the
deployment: it reads no environment, no profile and no metadata service, so a node without keys can do nothing rather
than act as us. It calls AWS's endpoint of its region, or the operator's in `NODES_AWS_ENDPOINT_URL`, and tries once:
the node's own `retry` counts. botocore takes long to import, and is imported by those who ask something.
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

from weconnect.settings import settings
from weconnect.workflows.node_sdk.node_type import Call, NodeError, Parameters

CONNECT_SECONDS = 5
READ_SECONDS = 20
ROLE_SECONDS = 900
SECRETS = frozenset({"accessKeyId", "secretAccessKey", "sessionToken", "externalId"})
"""Parameters of all these nodes that secret variables may stand in."""

_THROTTLES = frozenset(
    {
        *("BandwidthLimitExceeded", "DatabaseResumingException", "EC2ThrottledException"),
        *("PriorRequestNotComplete", "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
        *("RequestThrottled", "RequestThrottledException", "RequestTimeout", "RequestTimeoutException"),
        *("SlowDown", "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException"),
        *("TransactionConflictException", "TransactionInProgressException"),
    }
)
_making = threading.Lock()


class AwsParameters(Parameters):
    """Whose account it is, and where: what all these nodes have in common."""

    SECRET: ClassVar[frozenset[str]] = frozenset({"secret_access_key", "session_token"})
    NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {}
    """What an operation cannot do without, by its name."""

    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}$")]
    """A region of AWS, such as eu-central-1."""
    access_key_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{16,128}$")]
    """Of the account that the node works in: text, or a variable."""
    secret_access_key: Annotated[str, Field(min_length=8, max_length=200)]
    """A secret variable: `{{ $vars.name }}`."""
    session_token: Annotated[str, Field(min_length=8, max_length=8_000)] | None = None
    """For keys that are temporary; a secret variable as well."""
    role_arn: (
        Annotated[
            str, Field(max_length=600, pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$")
        ]
        | None
    ) = None
    """A role to assume with these keys, for what the node does."""
    external_id: (
        Annotated[str, Field(min_length=2, max_length=1_224, pattern=r"^[A-Za-z0-9_+=,.@:/-]+$")] | None
    ) = None
    """What the role's owner asks for when it is assumed."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        operation = getattr(self, "operation", "")
        for name in self.NEEDS.get(operation, ()):
            if getattr(self, name) is None:
                raise ValueError(f"{operation} needs /{to_camel(name)}")
        return self


@dataclass(frozen=True)
class Session:
    """Credentials and their region."""

    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None


class Account:
    """The clients of one run of a node: one for all items that name the same keys."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._sessions: dict[tuple[str | None, ...], Session] = {}
        self._clients: dict[tuple[Any, ...], Any] = {}

    def client(self, service: str, given: AwsParameters, read_seconds: float = READ_SECONDS) -> Any:
        """A client of a service; raises NodeError for a region that there is not and a role that may not be assumed."""
        who, seconds = whose(given), min(read_seconds, self._call.timeout_seconds)
        if who not in self._sessions:
            self._sessions[who] = session_of(self._call, given)
        if (service, seconds, *who) not in self._clients:
            self._clients[service, seconds, *who] = _client(service, self._sessions[who], seconds)
        return self._clients[service, seconds, *who]


def whose(given: AwsParameters) -> tuple[str | None, ...]:
    """What two items have in common that are sent to the same account in the same place."""
    return tuple(getattr(given, name) for name in AwsParameters.model_fields)


def session_of(call: Call, given: AwsParameters) -> Session:
    """The credentials that a node works with: its keys, or those of the role that it assumes with them."""
    if given.region not in _regions():
        raise NodeError("invalid_parameters", f"/region: there is no region {given.region!r}")
    own = Session(given.region, given.access_key_id, given.secret_access_key, given.session_token)
    if given.role_arn is None:
        return own
    asked = {"RoleArn": given.role_arn, "RoleSessionName": f"weconnect-{call.run_id}"}
    if given.external_id is not None:
        asked["ExternalId"] = given.external_id
    client = _client("sts", own, min(READ_SECONDS, call.timeout_seconds))
    with errors():
        made = client.assume_role(**asked, DurationSeconds=ROLE_SECONDS)["Credentials"]
    if call.secrets:  # its token alone opens nothing, and stands in every address that it signs
        call.secrets.cover([made["SecretAccessKey"]])
    return Session(given.region, made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


@contextmanager
def errors() -> Iterator[None]:
    """Make NodeErrors of what AWS and botocore raise: AWS's own codes, `unreachable` when no answer came."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        said, told = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        raise failed(said.get("Code"), said.get("Message"), told.get("HTTPStatusCode", 0)) from error
    except exceptions.ParamValidationError as error:
        raise NodeError("invalid_parameters", str(error)) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
        raise NodeError(
            "unreachable", f"AWS did not answer: {type(error).__name__}", retryable=True
        ) from error
    except exceptions.BotoCoreError as error:
        raise NodeError("request_not_made", f"The request cannot be made: {type(error).__name__}") from error


def failed(code: str | None, message: str | None, status: int = 0) -> NodeError:
    """The error of a request, or of one entry of a batch, by AWS's code."""
    retryable = status >= 500 or status == 429 or code in _THROTTLES
    return NodeError(code or "unknown_error", message or f"AWS answered {status}", retryable=retryable)


def _client(service: str, session: Session, read_seconds: float) -> Any:
    from botocore.config import Config

    asked: dict[str, Any] = {}
    if (
        service == "s3"
    ):  # addresses are signed by the newer method everywhere; an emulator has no names for buckets
        style = "path" if settings.nodes_aws_endpoint_url else "auto"
        asked = {"signature_version": "s3v4", "s3": {"addressing_style": style}}
    config = Config(
        connect_timeout=min(CONNECT_SECONDS, read_seconds),
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
        ignore_configured_endpoint_urls=True,
        proxies={},
        **asked,
    )
    with _making:  # botocore's sessions are not for several threads
        return _botocore().create_client(
            service,
            region_name=session.region,
            aws_access_key_id=session.access_key_id,
            aws_secret_access_key=session.secret_access_key,
            aws_session_token=session.session_token,
            endpoint_url=settings.nodes_aws_endpoint_url,
            config=config,
        )


@functools.cache
def _botocore() -> Any:
    """A session that knows nothing of where it runs: no variable, no file. It holds no credentials either."""
    from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES as VARIABLES
    from botocore.session import Session

    known = {name: (None, None, default, convert) for name, (_, _, default, convert) in VARIABLES.items()}
    known |= dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return Session(session_vars=known)


@functools.cache
def _regions() -> frozenset[str]:
    partitions = _botocore().get_component("data_loader").load_data("partitions")["partitions"]
    return frozenset(name for each in partitions for name in each["regions"] if not name.endswith("-global"))
