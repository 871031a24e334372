"""Envelope encryption: round trips, associated data, data keys and their cache."""

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
from weconnect.actor import Actor
from weconnect.db import table
from weconnect.errors import NotFound
from weconnect.security import encryption
from weconnect.security.encryption import DataKeyRow, decrypt, encrypt
from weconnect.security.errors import SecretUnreadable
from weconnect.settings import settings

pytestmark = pytest.mark.usefixtures("aws", "fresh")
ONE, OTHER = uuid4(), uuid4()
FIELD: dict[str, Any] = {"kind": "CREDENTIAL", "id": "c1", "field": "data"}


@pytest.fixture
def fresh() -> None:
    """A process without a cached data key or client."""
    encryption._cache.clear()
    encryption.kms_client.cache_clear()


class RecordingKms:
    """The KMS client, with the names of its calls recorded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.client = boto3.client("kms")
        monkeypatch.setattr(encryption, "kms_client", lambda: self)

    def __getattr__(self, name: str) -> Any:
        self.names.append(name)
        return getattr(self.client, name)


@pytest.mark.parametrize("text", ["", "sk-secret", "ü☃\n" * 5000])
@pytest.mark.parametrize("organization_id", [ONE, "PLATFORM"])
def test_a_sealed_text_is_decrypted_to_itself(organization_id: UUID | str, text: str) -> None:
    sealed = encrypt(organization_id, **FIELD, text=text)
    assert sealed.startswith("wc1.1.1.") and "=" not in sealed
    assert text == "" or text not in sealed
    assert decrypt(organization_id, **FIELD, sealed=sealed) == text
    encryption._cache.clear()
    assert decrypt(str(organization_id), **FIELD, sealed=sealed) == text


def test_the_same_text_is_never_sealed_the_same_way_twice() -> None:
    assert len({encrypt(ONE, **FIELD, text="same") for _ in range(20)}) == 20


def test_a_sealed_text_names_the_secrets_own_version() -> None:
    sealed = encrypt(ONE, **FIELD, text="x", secret_version=7)
    assert sealed.startswith("wc1.1.7.") and encryption.secret_version_of(sealed) == 7
    assert decrypt(ONE, **FIELD, sealed=sealed) == "x"


fields = st.tuples(
    st.sampled_from([ONE, OTHER, "PLATFORM"]),
    st.sampled_from(["CREDENTIAL", "TOOL", "CREDENTIAL#c1", ""]),
    st.sampled_from(["c1", "c2", "c1#data", ""]),
    st.sampled_from(["data", "apiKey", ""]),
    st.integers(1, 3),
)


@tries(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sealed_for=fields, opened_for=fields)
def test_a_sealed_text_cannot_be_decrypted_for_another_field(
    sealed_for: tuple[Any, ...], opened_for: tuple[Any, ...]
) -> None:
    assume(sealed_for != opened_for)
    organization_id, kind, id, field, version = sealed_for
    sealed = encrypt(organization_id, kind=kind, id=id, field=field, text="secret", secret_version=version)
    organization_id, kind, id, field, version = opened_for
    encrypt(
        organization_id, kind=kind, id=id, field=field, text="own"
    )  # so that the other field has its own data key
    form, number, _, content = sealed.split(".")
    with pytest.raises(SecretUnreadable):
        decrypt(organization_id, kind=kind, id=id, field=field, sealed=f"{form}.{number}.{version}.{content}")


def test_no_two_fields_have_the_same_associated_data() -> None:
    sealed = encrypt(ONE, kind="AB", id="C", field="D", text="x")
    for kind, id, field in (("A", "BC", "D"), ("AB", "CD", ""), ('AB", "C', "", "D")):
        with pytest.raises(SecretUnreadable):
            decrypt(ONE, kind=kind, id=id, field=field, sealed=sealed)


def test_any_changed_byte_is_noticed() -> None:
    form, number, version, encoded = encrypt(ONE, **FIELD, text="secret").split(".")
    content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1
        text = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        with pytest.raises(SecretUnreadable):
            decrypt(ONE, **FIELD, sealed=f"{form}.{number}.{version}.{text}")


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
def test_a_text_that_was_not_sealed_is_refused(sealed: str) -> None:
    with pytest.raises(SecretUnreadable, match="not a sealed text"):
        decrypt(ONE, **FIELD, sealed=sealed)


def test_a_missing_data_key_is_not_created_by_decryption() -> None:
    sealed = encrypt(ONE, **FIELD, text="x")
    with pytest.raises(SecretUnreadable, match="gone"):
        decrypt(OTHER, **FIELD, sealed=sealed)
    assert table.get(DataKeyRow, DataKeyRow.at(str(OTHER), 1)) is None


def test_an_organization_has_one_data_key_wrapped_under_its_id() -> None:
    encrypt(ONE, **FIELD, text="a")
    encryption._cache.clear()
    encrypt(ONE, kind="TOOL", id="t", field="apiKey", text="b")
    encrypt(OTHER, **FIELD, text="c")
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


def test_a_data_key_that_was_copied_to_another_organization_is_unusable() -> None:
    sealed = encrypt(ONE, **FIELD, text="x")
    wrapped = table.require(DataKeyRow, DataKeyRow.at(str(ONE), 1), NotFound).wrapped
    pk, sk = DataKeyRow.at(str(OTHER), 1)
    table.create(DataKeyRow(pk=pk, sk=sk, number=1, wrapped=wrapped), {})
    with pytest.raises(SecretUnreadable, match="another organization"):
        decrypt(OTHER, **FIELD, sealed=sealed)


def test_a_process_that_loses_the_race_for_a_data_key_uses_the_winners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sealed: list[str] = []

    def late(row: DataKeyRow, actor: Actor) -> DataKeyRow:
        monkeypatch.setattr(encryption, "create", table.create)
        sealed.append(encrypt(ONE, **FIELD, text="winner"))
        encryption._cache.clear()
        return table.create(row, actor)

    monkeypatch.setattr(encryption, "create", late)
    sealed.append(encrypt(ONE, **FIELD, text="loser"))
    encryption._cache.clear()
    assert [decrypt(ONE, **FIELD, sealed=text) for text in sealed] == ["winner", "loser"]


def test_data_keys_are_cached_for_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = RecordingKms(monkeypatch)
    moment = [1_000_000]
    monkeypatch.setattr(clock, "epoch_seconds", lambda: moment[0])
    sealed = encrypt(ONE, **FIELD, text="x")
    moment[0] += 299
    decrypt(ONE, **FIELD, sealed=sealed)
    assert calls.names == ["generate_data_key"]
    moment[0] += 1
    decrypt(ONE, **FIELD, sealed=sealed)
    assert calls.names == ["generate_data_key", "decrypt"]
    moment[0] += 300
    encrypt(OTHER, **FIELD, text="y")
    assert [organization_id for organization_id, _ in encryption._cache] == [str(OTHER)]


def test_a_refusal_of_kms_is_not_an_unreadable_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = encrypt(ONE, **FIELD, text="x")
    encryption._cache.clear()

    class RefusingKms:
        def decrypt(self, **arguments: Any) -> Any:
            raise ClientError({"Error": {"Code": "DisabledException", "Message": "disabled"}}, "Decrypt")

    monkeypatch.setattr(encryption, "kms_client", RefusingKms)
    with pytest.raises(ClientError, match="disabled"):
        decrypt(ONE, **FIELD, sealed=sealed)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", "••••"), ("short", "••••"), ("12345678901", "••••"), ("sk-abcdefgh1234", "••••1234")],
)
def test_a_masked_secret_shows_at_most_its_last_four_characters(text: str, shown: str) -> None:
    assert encryption.mask(text) == shown
