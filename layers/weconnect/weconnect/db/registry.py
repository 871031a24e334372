"""Imports every row class: reading rows of several kinds at once needs all of them registered."""

from weconnect.auth import rows as auth
from weconnect.organizations import rows as organizations

__all__ = ["auth", "organizations"]
