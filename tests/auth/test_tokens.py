"""Access and refresh tokens, and what is refused."""

import base64
import json
from datetime import timedelta
from uuid import UUID, uuid4

import jwt
import pytest

from tests.gateway import Client
from weconnect import clock
from weconnect.auth.sessions import tokens
from weconnect.auth.sessions.tokens import Access
from weconnect.errors import Unauthenticated
from weconnect.security import signing

ACCESS = Access(
    str(uuid4()), str(uuid4()), str(uuid4()), "member", ("agents:create", "agents:read"), mfa=True
)


def claims(**more: object) -> dict[str, object]:
    moment = clock.epoch()
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


def signed(
    found: dict[str, object], *, algorithm: str = "HS256", key: bytes | None = None, **header: object
) -> str:
    secret = signing.current()
    return jwt.encode(found, key or secret.key("access"), algorithm, headers={"kid": secret.id, **header})


def refused(token: str) -> str:
    answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/v1/users/me")
    assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"
    return str(answer.json["code"])


def test_a_token_says_what_was_signed() -> None:
    assert tokens.read_access(tokens.sign_access(ACCESS)) == ACCESS
    header = jwt.get_unverified_header(tokens.sign_access(ACCESS))
    assert header == {"alg": "HS256", "typ": "JWT", "kid": "test-version"}


def test_the_claims_are_the_agreed_ones() -> None:
    token = tokens.sign_access(ACCESS)
    found = jwt.decode(token, signing.current().key("access"), ["HS256"])
    assert set(found) == {"sub", "sid", "org", "role", "perms", "mfa", "iat", "exp"}
    assert found["exp"] - found["iat"] == 900


def test_no_token_and_no_scheme_of_ours() -> None:
    assert Client().get("/v1/users/me").json["code"] == "unauthenticated"
    basic = Client(headers={"Authorization": "Basic YTpi"}).get("/v1/users/me")
    assert (basic.status, basic.json["code"]) == (401, "invalid_token")


def test_alg_none_is_refused() -> None:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "test-version"}).encode()).decode()
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).decode()
    assert refused(f"{head.rstrip('=')}.{body.rstrip('=')}.") == "invalid_token"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    assert refused(signed(claims(), algorithm=algorithm)) == "invalid_token"


@pytest.mark.parametrize("header", [{"kid": "unknown"}, {"kid": None}, {"kid": 7}, {"kid": ["test-version"]}])
def test_an_unknown_key_is_refused(header: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_read_at", clock.epoch())
    part, body, mac = signed(claims()).split(".")
    head = json.loads(base64.urlsafe_b64decode(part + "==")) | header
    forged = base64.urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("=")
    assert refused(f"{forged}.{body}.{mac}") == "invalid_token"


def test_an_unknown_key_makes_us_look_at_most_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(signing, "_version", lambda stage: looks.append(stage) or signing._current)
    monkeypatch.setattr(signing, "_read_at", clock.epoch() - 60)
    for _ in range(5):
        assert refused(signed(claims(), kid=str(uuid4()))) == "invalid_token"
    assert looks == ["AWSCURRENT", "AWSPREVIOUS"]


def test_the_key_of_another_purpose_is_refused() -> None:
    assert refused(signed(claims(), key=signing.current().key("refresh"))) == "invalid_token"


def test_a_changed_token_is_refused() -> None:
    head, _, mac = signed(claims(perms=["agents:read"])).split(".")
    forged = base64.urlsafe_b64encode(json.dumps(claims()).encode()).decode().rstrip("=")
    assert refused(f"{head}.{forged}.{mac}") == "invalid_token"


@pytest.mark.parametrize("missing", tokens.REQUIRED)
def test_a_token_without_a_claim_is_refused(missing: str) -> None:
    assert (
        refused(signed({name: value for name, value in claims().items() if name != missing}))
        == "invalid_token"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("sub", "x"), ("sub", None), ("org", 7), ("perms", None), ("exp", "soon"), ("iat", [1]), ("sid", {})],
)
def test_a_claim_of_the_wrong_form_is_refused(field: str, value: object) -> None:
    assert refused(signed(claims(**{field: value}))) == "invalid_token"


def test_expired_and_future_tokens_are_refused() -> None:
    moment = clock.epoch()
    assert refused(signed(claims(iat=moment - 1000, exp=moment - 1))) == "token_expired"
    assert refused(signed(claims(iat=moment + 300, exp=moment + 900))) == "invalid_token"


def test_a_token_lasts_a_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    token, start = tokens.sign_access(ACCESS), clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=898))
    assert tokens.read_access(token) == ACCESS
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=901))
    with pytest.raises(Unauthenticated):
        tokens.read_access(token)


@pytest.mark.parametrize("token", ["", ".", "a.b", "a.b.c", "é.é.é", "eyJ.eyJ.x", "." * 5000])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(token) == "invalid_token"


def test_a_refresh_token_names_its_generation_and_nothing_else_does() -> None:
    user, session = uuid4(), uuid4()
    token = tokens.sign_refresh(user, session, 7)
    assert token == tokens.sign_refresh(user, session, 7)
    assert tokens.read_refresh(token) == (user, session, 7)
    text, _, kid = token.partition(".")
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for place in (0, 16, 35, 36, 67):
        raw[place] ^= 1
        forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
        with pytest.raises(Unauthenticated):
            tokens.read_refresh(f"{forged}.{kid}")
        raw[place] ^= 1


@pytest.mark.parametrize(
    "token", ["", ".", "test-version", "é.test-version", "AAAA.test-version", "A" * 91 + "."]
)
def test_what_is_no_refresh_token_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_read_at", clock.epoch())
    with pytest.raises(Unauthenticated):
        tokens.read_refresh(token)


def test_a_refresh_token_of_the_previous_secret_still_works(monkeypatch: pytest.MonkeyPatch) -> None:
    user, session = UUID(int=1), UUID(int=2)
    token = tokens.sign_refresh(user, session, 1)
    before, after = signing.current(), signing.SigningKey("next", b"t" * 64)
    monkeypatch.setattr(signing, "_current", after)
    monkeypatch.setattr(signing, "_known", {before.id: before, after.id: after})
    assert tokens.read_refresh(token) == (user, session, 1)
    assert tokens.sign_refresh(user, session, 1).endswith(".next")
