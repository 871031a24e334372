"""The manifest of the events."""

from weconnect.manifest import Module

MODULE = Module(rows=("weconnect.events.rows",))
