"""Points at which a test may kill the process: `WECONNECT_KILL_AT=after:tool-1` ends it there, as `kill -9` does.

Nothing happens unless the setting is there, and it is only ever read on a local host.
"""

import os
import signal

from weconnect.settings import settings


def kill_point(name: str) -> None:
    """Kill the whole process group when the setting names this point."""
    if settings.kill_at and settings.is_local and name == settings.kill_at:
        os.killpg(0, signal.SIGKILL)
