"""The answers of a process, and what it remembers, while it cannot look something up about credentials."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from pynamodb.exceptions import GetError

from tests.auth.test_authorizer import context
from tests.factories import RegisteredUser
from tests.gateway import Client
from weconnect import aws, clock, mail
from weconnect.auth.errors import InvalidAccessToken
from weconnect.auth.sessions import tokens
from weconnect.auth.sso import identity_providers
from weconnect.db import table
from weconnect.errors import Unavailable
from weconnect.models import deployment_keys
from weconnect.organizations.billing import billing
from weconnect.security import encryption, signing
from weconnect.security.errors import SecretUnreadable
from weconnect.settings import settings

OUTAGE = aws.AwsError("ConnectionFailed", "secretsmanager: TimeoutError", 0)


class SecretStore:
    """Secrets Manager with two versions of the signing secret; the next calls raise `failures`, None of them passes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failures: list[Exception | None] = []
        self.stages_read: list[str] = []
        monkeypatch.setattr(aws, "call", self)

    def __call__(self, service: str, operation: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.stages_read.append(body["VersionStage"])
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        version = "test-version" if body["VersionStage"] == "AWSCURRENT" else "previous-version"
        return {"VersionId": version, "SecretString": "s" * 64}


def forget_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process be one that has read no version of the signing secret."""
    state: dict[str, Any] = {"_current": None, "_keys_by_id": {}, "_read_at": 0, "_failed_reads": 0}
    for name, value in state.items():
        monkeypatch.setattr(signing, name, value)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> SecretStore:
    """Return a store of secrets to a process that has read nothing yet."""
    forget_keys(monkeypatch)
    return SecretStore(monkeypatch)


def build_access() -> tokens.AccessClaims:
    """Return the claims of an owner."""
    return tokens.AccessClaims(str(uuid4()), str(uuid4()), str(uuid4()), "owner", ("*",))


def sign_with(kid: str) -> str:
    """Return an access token of the version of the secret with this ID; the versions have the same bytes."""
    before = signing._current
    signing._current = signing.SigningKey(kid, b"s" * 64)
    try:
        return tokens.sign_access_token(build_access())
    finally:
        signing._current = before


def status_of(token: str) -> int:
    """Return the status with which the authorizer refuses a token, 200 when it accepts it."""
    context_values = context(Client(headers={"Authorization": f"Bearer {token}"}))
    return int(json.loads(context_values["problem"])["status"]) if "problem" in context_values else 200


@pytest.mark.parametrize("failure", [OUTAGE, TimeoutError("timed out")])
def test_a_failed_read_of_the_signing_secret_is_a_503_and_the_next_request_reads_again(
    secrets: SecretStore, failure: Exception
) -> None:
    token = sign_with("test-version")
    secrets.failures = [failure, failure]
    assert [status_of(token) for _ in range(4)] == [503, 503, 200, 200]
    assert secrets.stages_read == ["AWSCURRENT"] * 3 + ["AWSPREVIOUS"]


def test_signing_in_is_a_503_while_the_signing_secret_cannot_be_read(
    me: RegisteredUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh = {"refreshToken": me.tokens["refreshToken"]}
    forget_keys(monkeypatch)

    def fail(stage: str) -> None:
        raise OUTAGE

    monkeypatch.setattr(signing, "_read_version", fail)
    response = Client().post("/v1/auth/refresh", refresh)
    assert (response.status, response.json["code"]) == (503, "unavailable")


def test_known_versions_are_accepted_while_the_previous_one_cannot_be_read(secrets: SecretStore) -> None:
    current, previous, stranger = (
        sign_with(kid) for kid in ("test-version", "previous-version", str(uuid4()))
    )
    assert status_of(previous) == 200
    signing._read_at -= signing.REREAD_SECONDS
    secrets.failures = [None, OUTAGE]
    assert status_of(stranger) == 503, "it may be signed with a version that could not be read"
    assert [status_of(token) for token in (current, previous)] == [200, 200]
    assert status_of(stranger) == 401, "the secret was read, and has no such version"


def test_unknown_versions_cause_few_reads_whether_these_succeed_or_fail(
    secrets: SecretStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "epoch_seconds", lambda: 1_800_000_000)
    secrets.failures = [OUTAGE] * 100
    assert {status_of(sign_with(str(uuid4()))) for _ in range(40)} == {503}
    assert len(secrets.stages_read) == signing.MAX_RETRIES_AT_ONCE
    monkeypatch.setattr(clock, "epoch_seconds", lambda: 1_800_000_001)
    secrets.failures, secrets.stages_read = [], []
    assert {status_of(sign_with(str(uuid4()))) for _ in range(40)} == {401}
    assert secrets.stages_read == ["AWSCURRENT", "AWSPREVIOUS"]


def test_requests_at_the_same_time_share_one_read_of_the_signing_secret(
    secrets: SecretStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, barrier = signing._read_version, threading.Barrier(8)

    def read_slowly(stage: str) -> signing.SigningKey | None:
        time.sleep(0.02)
        return read(stage)

    monkeypatch.setattr(signing, "_read_version", read_slowly)
    kids = ["test-version", "previous-version", "unknown", "unknown too"] * 2
    results: dict[str, signing.SigningKey | None] = {}

    def find(kid: str) -> None:
        barrier.wait()
        results[kid] = signing.find_key(kid)

    threads = [threading.Thread(target=find, args=(kid,)) for kid in kids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert secrets.stages_read == ["AWSCURRENT", "AWSPREVIOUS"]
    assert {kid: key is not None for kid, key in results.items()} == {
        "test-version": True,
        "previous-version": True,
        "unknown": False,
        "unknown too": False,
    }


# Other look-ups that a process caches


def load_model_key() -> object:
    return deployment_keys.load_key("openai")


def load_stripe_key() -> object:
    return billing.load_stripe_keys().get("openai")


@pytest.mark.parametrize(
    ("setting", "secret", "load"),
    [
        ("model_keys_arn", deployment_keys._secret, load_model_key),
        ("stripe_keys_arn", billing._secret, load_stripe_key),
    ],
)
def test_a_secret_that_cannot_be_read_again_keeps_its_last_value(
    setting: str, secret: Any, load: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    values: list[object] = []

    def call(service: str, operation: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        value = values.pop(0)
        if isinstance(value, Exception):
            raise value
        return {"SecretString": value}

    monkeypatch.setattr(aws, "call", call)
    monkeypatch.setitem(settings.__dict__, setting, "arn")
    monkeypatch.setattr(secret, "_value", None)
    monkeypatch.setattr(secret, "_read_at", float("-inf"))
    values += [OUTAGE, '{"openai": "first"}']
    with pytest.raises(Unavailable):
        load()
    assert load() == load() == "first"
    secret._read_at -= 301
    values += [OUTAGE, "{", '{"openai": "second"}']
    assert [load(), load(), load(), load()] == ["first", "first", "second", "second"]
    assert values == []


def test_a_data_key_is_used_on_while_kms_does_not_respond_but_not_when_it_refuses(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization_id, unwrap = uuid4(), encryption._unwrap
    sealed = encryption.encrypt(organization_id, kind="TOOL", id="1", field="key", text="secret")

    def decrypt() -> str:
        return encryption.decrypt(organization_id, kind="TOOL", id="1", field="key", sealed=sealed)

    def fail_with(error: Exception) -> None:
        def fail(organization_id: str, wrapped: bytes) -> bytes:
            raise error

        monkeypatch.setattr(encryption, "_unwrap", fail)

    def age(seconds: int) -> None:
        for cache_key, (until, data_key) in encryption._cache.items():
            encryption._cache[cache_key] = until - seconds, data_key

    age(encryption.CACHE_SECONDS)
    fail_with(ConnectTimeoutError(endpoint_url="https://kms"))
    assert decrypt() == decrypt() == "secret"
    fail_with(SecretUnreadable("The data key belongs to another organization"))
    with pytest.raises(SecretUnreadable):
        decrypt()
    fail_with(ConnectTimeoutError(endpoint_url="https://kms"))
    age(encryption.MAX_STALE_SECONDS)
    with pytest.raises(Unavailable):
        decrypt()
    monkeypatch.setattr(encryption, "_unwrap", unwrap)
    assert decrypt() == "secret"


def test_an_address_that_cannot_be_read_is_a_503_and_is_read_again(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail._read_url.cache_clear()
    monkeypatch.setitem(settings.__dict__, "url_parameter", "/weconnect/url")
    answers: list[Any] = [ConnectTimeoutError(endpoint_url="https://ssm")] * 2
    answers.append({"Parameter": {"Value": "https://api.example.com/"}})

    class ParameterStore:
        def get_parameter(self, **_: Any) -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(mail, "_create_client", lambda service: ParameterStore())
    assert mail.find_base_url() == "", "a mail is sent without it"
    with pytest.raises(Unavailable):
        identity_providers.redirect_uri()
    assert identity_providers.redirect_uri() == "https://api.example.com/v1/auth/sso/callback"
    mail._read_url.cache_clear()


@pytest.mark.parametrize(
    "cause",
    [
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
        ClientError({"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "GetItem"),
        ClientError({"Error": {"Code": "InternalServerError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "GetItem"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_respond_is_a_503(
    me: RegisteredUser, cause: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise GetError("Failed to get item", cause)

    monkeypatch.setattr(table, "get", fail)
    monkeypatch.setattr(table, "require", fail)
    response = Client().post("/v1/auth/refresh", {"refreshToken": me.tokens["refreshToken"]})
    assert (response.status, response.json["code"]) == (503, "unavailable")
    with pytest.raises(InvalidAccessToken):
        tokens.verify_access_token("not a token")
