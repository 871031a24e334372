"""The manifest of encryption and signing."""

from weconnect.manifest import Module

MODULE = Module(rows=("weconnect.security.encryption",))
