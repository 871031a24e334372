"""Errors of encryption."""

from weconnect.errors import Problem


class SecretUnreadable(Problem):
    """A stored secret cannot be decrypted: it was changed, or belongs to another record. Store it again."""

    code, title = "secret_unreadable", "Stored secret unreadable"
