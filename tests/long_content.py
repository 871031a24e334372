"""Content outside of rows: whatever can be a payload is one, however short it is."""

from typing import Any

import pytest

from tests.conftest import client
from weconnect.db import compression, payloads
from weconnect.organizations import export


def store_all_outside(patch: pytest.MonkeyPatch) -> None:
    """Store as a payload whatever can be one, so that functions use the rights that long content takes."""

    def store(
        organization_id: Any, name: str, text: str, retention_days: int | None = None, inline_bytes: int = 0
    ) -> payloads.StoredText:
        return payloads.store_text(organization_id, name, text, retention_days)

    patch.setattr(payloads, "store", store)
    patch.setattr(compression, "MAX_INLINE_BYTES", 0)
    patch.setattr(export, "INLINE_BYTES", 0)


class BucketSnapshot:
    """The objects of moto's bucket at one moment; `restore` puts back those that were deleted or overwritten."""

    def __init__(self) -> None:
        self._contents = {name: bytes(stored.value) for name, stored in _read_objects().items()}
        self._objects = _read_objects()

    def restore(self) -> None:
        """Put back what was deleted or overwritten since."""
        present = _read_objects()
        for name, content in self._contents.items():
            if present.get(name) is not self._objects[name]:
                client("s3").put_object(Bucket="weconnect", Key=name, Body=content)
        self._objects |= {name: stored for name, stored in _read_objects().items() if name in self._contents}


def _read_objects() -> dict[str, Any]:
    """Return moto's own object of each storage key; it is another one when the content was written again."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    keys = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets["weconnect"].keys
    return {name: keys[name] for name in keys}
