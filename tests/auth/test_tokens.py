"""Access and refresh tokens: signing, verification, and every kind of token that is refused."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import jwt
import pytest

from tests.gateway import Client
from weconnect import clock
from weconnect.auth.errors import InvalidAccessToken
from weconnect.auth.sessions import tokens
from weconnect.auth.sessions.tokens import AccessClaims
from weconnect.errors import Unauthenticated
from weconnect.security import signing

ACCESS = AccessClaims(
    str(uuid4()),
    str(uuid4()),
    str(uuid4()),
    "member",
    ("agents:create", "agents:read"),
    has_second_factor=True,
)


def make_claims(**more: object) -> dict[str, object]:
    moment = clock.epoch_seconds()
    return {
        "sub": ACCESS.user_id,
        "sid": ACCESS.session_id,
        "org": ACCESS.organization_id,
        "role": "owner",
        "perms": ["*"],
        "mfa": False,
        "iat": moment,
        "exp": moment + 900,
        **more,
    }


def sign(
    payload: dict[str, object], *, algorithm: str = "HS256", key: bytes | None = None, **header: object
) -> str:
    secret = signing.current_key()
    return jwt.encode(
        payload, key or secret.derive_key("access"), algorithm, headers={"kid": secret.id, **header}
    )


def refusal_of(token: str) -> str:
    response = Client(headers={"Authorization": f"Bearer {token}"}).get("/v1/users/me")
    assert response.status == 401 and response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Content-Type"] == "application/problem+json"
    return str(response.json["code"])


def test_a_verified_token_has_the_content_that_was_signed() -> None:
    assert tokens.verify_access_token(tokens.sign_access_token(ACCESS)) == ACCESS
    header = jwt.get_unverified_header(tokens.sign_access_token(ACCESS))
    assert header == {"alg": "HS256", "typ": "JWT", "kid": "test-version"}


def test_a_token_is_a_standard_jwt_with_the_agreed_claims() -> None:
    token = tokens.sign_access_token(ACCESS)
    payload = jwt.decode(token, signing.current_key().derive_key("access"), ["HS256"])
    assert set(payload) == {"sub", "sid", "org", "role", "perms", "mfa", "iat", "exp"}
    assert payload["exp"] - payload["iat"] == 900


def test_a_request_without_a_token_or_with_another_scheme_is_refused() -> None:
    assert Client().get("/v1/users/me").json["code"] == "unauthenticated"
    basic = Client(headers={"Authorization": "Basic YTpi"}).get("/v1/users/me")
    assert (basic.status, basic.json["code"]) == (401, "invalid_token")


def test_alg_none_is_refused() -> None:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "test-version"}).encode()).decode()
    body = base64.urlsafe_b64encode(json.dumps(make_claims()).encode()).decode()
    assert refusal_of(f"{head.rstrip('=')}.{body.rstrip('=')}.") == "invalid_token"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    assert refusal_of(sign(make_claims(), algorithm=algorithm)) == "invalid_token"


@pytest.mark.parametrize("header", [{"kid": "unknown"}, {"kid": None}, {"kid": 7}, {"kid": ["test-version"]}])
def test_an_unknown_key_is_refused(header: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_read_at", clock.epoch_seconds())
    part, body, mac = sign(make_claims()).split(".")
    head = json.loads(base64.urlsafe_b64decode(part + "==")) | header
    forged = base64.urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("=")
    assert refusal_of(f"{forged}.{body}.{mac}") == "invalid_token"


def test_unknown_keys_cause_at_most_one_read_of_the_secret_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    stages_read: list[str] = []

    def read_version(stage: str) -> signing.SigningKey | None:
        stages_read.append(stage)
        return signing._current

    monkeypatch.setattr(signing, "_read_version", read_version)
    monkeypatch.setattr(signing, "_read_at", clock.epoch_seconds() - 60)
    for _ in range(5):
        assert refusal_of(sign(make_claims(), kid=str(uuid4()))) == "invalid_token"
    assert stages_read == ["AWSCURRENT", "AWSPREVIOUS"]


def test_a_token_signed_with_the_key_of_another_purpose_is_refused() -> None:
    assert refusal_of(sign(make_claims(), key=signing.current_key().derive_key("refresh"))) == "invalid_token"


def test_a_changed_token_is_refused() -> None:
    head, _, mac = sign(make_claims(perms=["agents:read"])).split(".")
    forged = base64.urlsafe_b64encode(json.dumps(make_claims()).encode()).decode().rstrip("=")
    assert refusal_of(f"{head}.{forged}.{mac}") == "invalid_token"


@pytest.mark.parametrize("missing", ["sub", "sid", "org", "role", "perms", "iat", "exp"])
def test_a_token_without_a_claim_is_refused(missing: str) -> None:
    assert (
        refusal_of(sign({name: value for name, value in make_claims().items() if name != missing}))
        == "invalid_token"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("sub", "x"),
            ("sub", None),
            ("org", 7),
            ("perms", None),
            ("exp", "soon"),
            ("iat", [1]),
            ("sid", {}),
        ),
        *(
            ("exp", True),
            ("iat", True),
            ("exp", "9999999999"),
            ("exp", 9e12),
            ("exp", None),
            ("exp", "\u0669" * 10),
        ),
    ],
)
def test_a_claim_of_the_wrong_type_is_refused(field: str, value: object) -> None:
    assert refusal_of(sign(make_claims(**{field: value}))) == "invalid_token"


def test_expired_and_future_tokens_are_refused() -> None:
    moment = clock.epoch_seconds()
    assert refusal_of(sign(make_claims(iat=moment - 1000, exp=moment - 1))) == "token_expired"
    assert refusal_of(sign(make_claims(iat=moment + 300, exp=moment + 900))) == "invalid_token"


def test_a_token_is_valid_for_fifteen_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    token, start = tokens.sign_access_token(ACCESS), clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=898))
    assert tokens.verify_access_token(token) == ACCESS
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=901))
    with pytest.raises(Unauthenticated):
        tokens.verify_access_token(token)


@pytest.mark.parametrize("token", ["", ".", "a.b", "a.b.c", "é.é.é", "eyJ.eyJ.x", "." * 5000])
def test_a_malformed_access_token_is_refused(token: str) -> None:
    assert refusal_of(token) == "invalid_token"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda head, body, mac: f"{head}==.{body}.{mac}",
        lambda head, body, mac: f"{head}.{body}==.{mac}",
        lambda head, body, mac: f"{head}.{body}.{mac}=",
        lambda head, body, mac: f"{head}.{body}.{mac}A",
        lambda head, body, mac: f"{head}.{body}.{mac[:-1]}",
        lambda head, body, mac: f"{head}.{body}.{mac}\n",
        lambda head, body, mac: f"{head}.{body}.{mac}.",
        lambda head, body, mac: f".{head}.{body}.{mac}",
        lambda head, body, mac: f"{head}..{body}.{mac}",
        lambda head, body, mac: f"{head}.{body}.{mac}.{mac}",
        lambda head, body, mac: f"{head}.{body}",
        lambda head, body, mac: f"{head}.{body}.",
        lambda head, body, mac: f"{head}.{body}.{mac}".replace("1", "\u0661"),
        lambda head, body, mac: f"{head}.{body}.{'A' * 1_000_000}",
        lambda head, body, mac: f"{'A' * 1_000_000}.{body}.{mac}",
        lambda head, body, mac: f"{head}.{body}.{_other_last_letter(mac)}",
    ],
)
def test_another_spelling_of_a_valid_token_is_refused(spoil: Callable[[str, str, str], str]) -> None:
    token = spoil(*sign(make_claims()).split("."))
    with pytest.raises(InvalidAccessToken) as refused:
        tokens.verify_access_token(token)
    assert (refused.value.code, refused.value.detail) == ("invalid_token", "The access token is not valid")


def _other_last_letter(mac: str) -> str:
    """Return another base64url text that decodes to the same bytes: 43 letters have two bits more than 32 bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = mac[:-1] + alphabet[alphabet.index(mac[-1]) ^ 1]
    assert base64.urlsafe_b64decode(other + "=") == base64.urlsafe_b64decode(mac + "=")
    return other


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"null", b"[]", b'"text"', b"7", b"\xff\xfe", b"not JSON", b"[" * 4_000),
        b'{"exp": 1' + b"0" * 5_000 + b"}",
    ],
)
def test_a_token_whose_signed_content_is_not_a_json_object_is_refused(content: bytes) -> None:
    secret = signing.current_key()
    head = sign(make_claims()).split(".")[0]
    body = base64.urlsafe_b64encode(content).decode().rstrip("=")
    mac = hmac.digest(secret.derive_key("access"), f"{head}.{body}".encode(), "sha256")
    with pytest.raises(InvalidAccessToken):
        tokens.verify_access_token(f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


@pytest.mark.parametrize(
    "header",
    [
        *({"typ": "JWS"}, {"typ": None}, {"alg": "hs256"}, {"alg": ["HS256"]}, {"crit": ["exp"]}),
        *({"jwk": {"kty": "oct", "k": "AA"}}, {"cty": "JWT"}, {"b64": False}),
    ],
)
def test_a_token_with_another_header_is_refused(header: dict[str, object]) -> None:
    secret = signing.current_key()
    fields = {"alg": "HS256", "kid": secret.id, "typ": "JWT", **header}
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (fields, make_claims())
    )
    mac = hmac.digest(secret.derive_key("access"), f"{head}.{body}".encode(), "sha256")
    with pytest.raises(InvalidAccessToken):
        tokens.verify_access_token(f"{head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def test_a_refresh_token_has_its_generation_and_no_byte_of_it_can_be_changed() -> None:
    user, session = uuid4(), uuid4()
    token = tokens.sign_refresh_token(user, session, 7)
    assert token == tokens.sign_refresh_token(user, session, 7)
    assert tokens.verify_refresh_token(token) == (user, session, 7)
    text, _, kid = token.partition(".")
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for index in (0, 16, 35, 36, 67):
        raw[index] ^= 1
        forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
        with pytest.raises(Unauthenticated):
            tokens.verify_refresh_token(f"{forged}.{kid}")
        raw[index] ^= 1


@pytest.mark.parametrize(
    "token", ["", ".", "test-version", "é.test-version", "AAAA.test-version", "A" * 91 + "."]
)
def test_a_malformed_refresh_token_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_read_at", clock.epoch_seconds())
    with pytest.raises(Unauthenticated):
        tokens.verify_refresh_token(token)


def test_a_refresh_token_of_the_previous_secret_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    user, session = UUID(int=1), UUID(int=2)
    token = tokens.sign_refresh_token(user, session, 1)
    before, after = signing.current_key(), signing.SigningKey("next", b"t" * 64)
    monkeypatch.setattr(signing, "_current", after)
    monkeypatch.setattr(signing, "_keys_by_id", {before.id: before, after.id: after})
    assert tokens.verify_refresh_token(token) == (user, session, 1)
    assert tokens.sign_refresh_token(user, session, 1).endswith(".next")
