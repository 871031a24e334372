"""The journal of the local table. It runs in MiniStack's environment and uses the standard library only."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def replace_file(path: Path, text: str) -> None:
    """Replace a file atomically: a reader sees the old or the new text, never a part."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def _read(path: Path) -> str:
    """Return the text of a file, empty when it does not exist."""
    return path.read_text() if path.exists() else ""


class Journal:
    """Item images in numbered segments of JSON lines.

    A line is one request: {"n": sequence, "t": seconds, "a": [account, region], "w": [[table, old, new, expired]]}.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.covered = int(_read(directory / "covered") or 0)
        self.sequence = 0
        self.segment = max([int(path.stem) for path in directory.glob("*.jsonl")], default=self.covered)
        self.size = 0  # bytes since the last snapshot
        self._pending: list[tuple[str, Any, Any, bool]] = []
        self._file: Any = None

    def read_entries(self) -> Iterator[dict[str, Any]]:
        """Yield the entries that the snapshot may lack, oldest first.

        An incomplete last line was never acknowledged and is cut off.
        """
        for path in sorted(self.directory.glob("*.jsonl")):
            data = path.read_bytes()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.truncate(path, whole)
            for line in data[:whole].splitlines():
                entry = json.loads(line)
                self.sequence = max(self.sequence, entry["n"])
                if int(path.stem) > self.covered:
                    self.size += len(line)
                    yield entry

    def add(self, table: str, old: Any, new: Any, *, expired: bool = False) -> None:
        """Add an item's image to the pending ones; `old` is None for a new item, `new` for a deleted one."""
        self._pending.append((table, old, new, expired))

    def flush(self, account: str, region: str) -> None:
        """Write the pending images of one request as one line."""
        if not self._pending:
            return
        self.sequence += 1
        entry = {"n": self.sequence, "t": time.time(), "a": [account, region], "w": self._pending}
        data = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        self._pending = []
        self._file.write(data)
        self.size += len(data)

    def rotate(self) -> int:
        """Start a new segment and return the number of the one that is now complete."""
        if self._file:
            self._file.close()
        self.segment += 1
        path = self.directory / f"{self.segment:08d}.jsonl"
        self._file = path.open("ab", buffering=0)
        return self.segment - 1

    def cover(self, segment: int) -> None:
        """Record that the snapshot contains everything up to this segment."""
        self.covered = segment
        replace_file(self.directory / "covered", str(segment))
        self.size = 0
