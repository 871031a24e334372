"""Errors of agents' memories; one class for each code."""

from weconnect.errors import NotFound


class MemoryNotFound(NotFound):
    """The agent has no such memory, or it was not valid at the time in `asOf`."""

    code, title = "memory_not_found", "Memory not found"
