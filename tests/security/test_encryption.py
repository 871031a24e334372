import base64
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from weconnect import clock
from weconnect.db import table
from weconnect.security import encryption
from weconnect.security.encryption import CannotOpen, DataKeyRow, decrypt, encrypt
from weconnect.settings import settings

pytestmark = pytest.mark.usefixtures("aws", "fresh")
ONE, OTHER = uuid4(), uuid4()
PLACE: dict[str, Any] = {"kind": "CREDENTIAL", "id": "c1", "field": "data"}


@pytest.fixture
def fresh() -> None:
    """A process that has seen no data key and made no client."""
    encryption._cache.clear()
    encryption.kms.cache_clear()


class Calls:
    """KMS, with its calls counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.client = boto3.client("kms")
        monkeypatch.setattr(encryption, "kms", lambda: self)

    def __getattr__(self, name: str) -> Any:
        self.names.append(name)
        return getattr(self.client, name)


@pytest.mark.parametrize("text", ["", "sk-secret", "ü☃\n" * 5000])
@pytest.mark.parametrize("organization_id", [ONE, "PLATFORM"])
def test_round_trip(organization_id: UUID | str, text: str) -> None:
    sealed = encrypt(organization_id, **PLACE, text=text)
    assert sealed.startswith("wc1.1.1.") and "=" not in sealed
    assert text == "" or text not in sealed
    assert decrypt(organization_id, **PLACE, sealed=sealed) == text
    encryption._cache.clear()
    assert decrypt(str(organization_id), **PLACE, sealed=sealed) == text


def test_the_same_text_is_never_sealed_alike() -> None:
    assert len({encrypt(ONE, **PLACE, text="same") for _ in range(20)}) == 20


def test_the_secrets_version_stands_beside_it() -> None:
    sealed = encrypt(ONE, **PLACE, text="x", secret_version=7)
    assert sealed.startswith("wc1.1.7.") and encryption.version_of(sealed) == 7
    assert decrypt(ONE, **PLACE, sealed=sealed) == "x"


places = st.tuples(
    st.sampled_from([ONE, OTHER, "PLATFORM"]),
    st.sampled_from(["CREDENTIAL", "TOOL", "CREDENTIAL#c1", ""]),
    st.sampled_from(["c1", "c2", "c1#data", ""]),
    st.sampled_from(["data", "apiKey", ""]),
    st.integers(1, 3),
)


@tries(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sealed_at=places, opened_at=places)
def test_nothing_opens_elsewhere(sealed_at: tuple[Any, ...], opened_at: tuple[Any, ...]) -> None:
    assume(sealed_at != opened_at)
    organization_id, kind, id, field, version = sealed_at
    sealed = encrypt(organization_id, kind=kind, id=id, field=field, text="secret", secret_version=version)
    organization_id, kind, id, field, version = opened_at
    encrypt(organization_id, kind=kind, id=id, field=field, text="own")  # that there has its own data key
    form, number, _, content = sealed.split(".")
    with pytest.raises(CannotOpen):
        decrypt(organization_id, kind=kind, id=id, field=field, sealed=f"{form}.{number}.{version}.{content}")


def test_no_two_places_look_alike() -> None:
    sealed = encrypt(ONE, kind="AB", id="C", field="D", text="x")
    for kind, id, field in (("A", "BC", "D"), ("AB", "CD", ""), ('AB", "C', "", "D")):
        with pytest.raises(CannotOpen):
            decrypt(ONE, kind=kind, id=id, field=field, sealed=sealed)


def test_any_changed_bit_is_seen() -> None:
    form, number, version, encoded = encrypt(ONE, **PLACE, text="secret").split(".")
    content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1
        text = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        with pytest.raises(CannotOpen):
            decrypt(ONE, **PLACE, sealed=f"{form}.{number}.{version}.{text}")


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        "plain",
        "wc1.1.1.",
        "wc1.1.1.QQ",
        "wc2.1.1." + "A" * 60,
        "wc1.x.1." + "A" * 60,
        "wc1.1.1." + "!" * 60,
    ],
)
def test_what_is_not_sealed(sealed: str) -> None:
    with pytest.raises(CannotOpen, match="not a sealed text"):
        decrypt(ONE, **PLACE, sealed=sealed)


def test_a_missing_data_key_is_not_made_by_reading() -> None:
    sealed = encrypt(ONE, **PLACE, text="x")
    with pytest.raises(CannotOpen, match="gone"):
        decrypt(OTHER, **PLACE, sealed=sealed)
    assert table.get(DataKeyRow, DataKeyRow.at(str(OTHER), 1)) is None


def test_one_data_key_for_an_organization_wrapped_under_its_name() -> None:
    encrypt(ONE, **PLACE, text="a")
    encryption._cache.clear()
    encrypt(ONE, kind="TOOL", id="t", field="apiKey", text="b")
    encrypt(OTHER, **PLACE, text="c")
    keys = boto3.client("dynamodb").scan(TableName=settings.table_name)["Items"]
    assert sorted((item["pk"]["S"], item["sk"]["S"]) for item in keys) == sorted(
        (f"ORG#{organization_id}", "DATAKEY#000001") for organization_id in (ONE, OTHER)
    )
    wrapped = keys[0]["wrapped"]["B"]
    owner = keys[0]["pk"]["S"].removeprefix("ORG#")
    kms = boto3.client("kms")
    assert (
        len(kms.decrypt(CiphertextBlob=wrapped, EncryptionContext={"organizationId": owner})["Plaintext"])
        == 32
    )
    with pytest.raises(kms.exceptions.ClientError):
        kms.decrypt(CiphertextBlob=wrapped, EncryptionContext={"organizationId": "another"})


def test_a_data_key_moved_to_another_organization_does_not_open() -> None:
    sealed = encrypt(ONE, **PLACE, text="x")
    wrapped = table.need(DataKeyRow, DataKeyRow.at(str(ONE), 1), "data key").wrapped
    pk, sk = DataKeyRow.at(str(OTHER), 1)
    table.create(DataKeyRow(pk=pk, sk=sk, number=1, wrapped=wrapped), {})
    with pytest.raises(CannotOpen, match="another organization"):
        decrypt(OTHER, **PLACE, sealed=sealed)


def test_the_loser_of_a_race_takes_the_winners_key(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed: list[str] = []
    genuine = encryption.create

    def late(row: Any, actor: dict[str, Any]) -> Any:
        monkeypatch.setattr(encryption, "create", genuine)
        sealed.append(encrypt(ONE, **PLACE, text="winner"))
        encryption._cache.clear()
        return genuine(row, actor)

    monkeypatch.setattr(encryption, "create", late)
    sealed.append(encrypt(ONE, **PLACE, text="loser"))
    encryption._cache.clear()
    assert [decrypt(ONE, **PLACE, sealed=text) for text in sealed] == ["winner", "loser"]


def test_data_keys_are_remembered_for_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    moment = [1_000_000]
    monkeypatch.setattr(clock, "epoch", lambda: moment[0])
    sealed = encrypt(ONE, **PLACE, text="x")
    moment[0] += 299
    decrypt(ONE, **PLACE, sealed=sealed)
    assert calls.names == ["generate_data_key"]
    moment[0] += 1
    decrypt(ONE, **PLACE, sealed=sealed)
    assert calls.names == ["generate_data_key", "decrypt"]
    moment[0] += 300
    encrypt(OTHER, **PLACE, text="y")
    assert [organization_id for organization_id, _ in encryption._cache] == [str(OTHER)]


def test_kms_refusing_is_no_unreadable_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = encrypt(ONE, **PLACE, text="x")
    encryption._cache.clear()

    class Refusing:
        def decrypt(self, **arguments: Any) -> Any:
            raise ClientError({"Error": {"Code": "DisabledException", "Message": "disabled"}}, "Decrypt")

    monkeypatch.setattr(encryption, "kms", Refusing)
    with pytest.raises(ClientError, match="disabled"):
        decrypt(ONE, **PLACE, sealed=sealed)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", "••••"), ("short", "••••"), ("12345678901", "••••"), ("sk-abcdefgh1234", "••••1234")],
)
def test_masked(text: str, shown: str) -> None:
    assert encryption.masked(text) == shown
