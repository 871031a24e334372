"""Payloads: texts and files that leave their row for the bucket."""

from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from weconnect.db import payloads
from weconnect.db.errors import PayloadExpired
from weconnect.db.payloads import INLINE_BYTES, Pointer, discard, load, store
from weconnect.errors import Invalid
from weconnect.settings import settings

pytestmark = pytest.mark.usefixtures("aws", "fresh")
ONE, OTHER = uuid4(), uuid4()
LONG = "ü" * (INLINE_BYTES // 2 + 1)


@pytest.fixture
def fresh() -> None:
    payloads.s3_client.cache_clear()


def objects() -> list[str]:
    return [
        item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket="weconnect").get("Contents", [])
    ]


@pytest.mark.parametrize("text", ["", "short", "x" * INLINE_BYTES, "ü" * (INLINE_BYTES // 2)])
def test_a_text_of_up_to_32_kilobytes_stays_in_its_row(text: str) -> None:
    assert store(ONE, "runs/1/input", text, 7) == text
    assert load(ONE, text) == text
    assert objects() == []


@pytest.mark.parametrize("text", [LONG, "x" * (INLINE_BYTES + 1), "\0\r\n☃" * 9000])
def test_a_longer_text_is_stored_in_the_bucket(text: str) -> None:
    pointer = store(ONE, "runs/1/input", text, 7)
    storage_key = f"organizations/{ONE}/runs/1/input"
    assert pointer == {"payload": storage_key, "bytes": len(text.encode()), "head": text[:500]}
    assert load(ONE, pointer) == load(str(ONE), pointer) == text


def test_the_longest_inline_text_can_be_chosen() -> None:
    assert isinstance(store(ONE, "a", "x" * 11, 7, 10), dict)
    assert store(ONE, "a", "x" * 10, 7, 10) == "x" * 10


@pytest.mark.parametrize(
    ("days", "tag"),
    [(1, "7"), (7, "7"), (8, "30"), (30, "30"), (31, "90"), (90, "90"), (91, "365"), (365, "365")],
)
def test_retention_is_rounded_up(days: int, tag: str) -> None:
    pointer = store(ONE, "a", LONG, days)
    assert isinstance(pointer, dict)
    tags = boto3.client("s3").get_object_tagging(Bucket=settings.bucket_name, Key=pointer["payload"])
    assert tags["TagSet"] == [{"Key": "retention", "Value": tag}]


def test_a_payload_without_retention_lives_until_it_is_discarded() -> None:
    pointer = store(ONE, "a", LONG)
    assert isinstance(pointer, dict)
    tags = boto3.client("s3").get_object_tagging(Bucket=settings.bucket_name, Key=pointer["payload"])
    assert tags["TagSet"] == []
    with pytest.raises(ValueError, match="does not belong"):
        discard(OTHER, pointer)
    discard(ONE, "a text in its row")
    assert objects() == [pointer["payload"]]
    discard(ONE, pointer)
    assert objects() == []


def test_a_retention_that_no_rule_of_the_bucket_has_is_refused() -> None:
    with pytest.raises(ValueError, match="1095"):
        store(ONE, "a", LONG, 1_096)


@pytest.mark.parametrize(
    "pointer",
    [
        {"payload": f"organizations/{OTHER}/a"},
        {"payload": f"organizations/{ONE}/../{OTHER}/a"},
        {"payload": f"organizations/{ONE}//a"},
        {"payload": f"organizations/{ONE}x/a"},
        {"payload": f"organizations/{ONE}"},
        {"payload": f"organizations/{ONE}/"},
        {"payload": f"/organizations/{ONE}/a"},
        {"payload": None},
        {},
    ],
)
def test_a_pointer_to_another_prefix_is_refused(pointer: Pointer) -> None:
    store(OTHER, "a", LONG, 7)
    with pytest.raises(ValueError, match="does not belong"):
        load(ONE, pointer)


@pytest.mark.parametrize("organization_id", ["a/b", "..", "a", ""])
def test_a_name_that_leaves_the_prefix_is_refused(organization_id: str) -> None:
    for name in ("../x", "a/../../x", "a//b", "", "/a", "."):
        with pytest.raises(ValueError, match="not a valid name"):
            store(organization_id, name, LONG, 7)
    assert objects() == []


def test_names_are_percent_encoded() -> None:
    pointer = store(ONE, "idempotency/IDEM#ab c?☃", LONG, 7)
    assert isinstance(pointer, dict)
    assert pointer["payload"] == f"organizations/{ONE}/idempotency/IDEM%23ab%20c%3F%E2%98%83"
    assert load(ONE, pointer) == LONG


def test_an_expired_payload_is_reported_as_expired() -> None:
    pointer = store(ONE, "a", LONG, 7)
    assert isinstance(pointer, dict)
    boto3.client("s3").delete_object(Bucket=settings.bucket_name, Key=pointer["payload"])
    with pytest.raises(PayloadExpired):
        load(ONE, pointer)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(Invalid):
        store(ONE, "a", "\ud800", 7)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NoSuchKey", 404, PayloadExpired),
        ("AccessDenied", 403, PayloadExpired),
        ("SlowDown", 503, ClientError),
    ],
)
def test_an_object_that_the_role_is_not_told_about_has_expired(
    code: str, status: int, expected: type[Exception]
) -> None:
    """S3 answers 403 for a missing key to a role without s3:ListBucket."""
    pointer = store(ONE, "a", LONG, 7)
    with Stubber(payloads.s3_client()) as stubbed:
        stubbed.add_client_error("get_object", code, http_status_code=status)
        with pytest.raises(expected):
            load(ONE, pointer)
