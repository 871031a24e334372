"""Secret variables within one attempt of an effect: decrypted only there, and hidden in everything that it returns.

Hidden are the secrets, and what expressions compute from them for the parameters. That prevents accidents in journal,
checkpoints, errors and logs. Anyone who can edit a workflow can exfiltrate its secrets nevertheless, because they
choose where a secret is sent.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from pydantic import BaseModel

from weconnect.hiding import Hiding


class SealedSecret(BaseModel):
    """The ID and the encrypted value of a secret variable."""

    id: UUID
    text: str


class Secrets(Hiding):
    """Decrypts secrets for the parameters of one node that may use them, and hides them from then on."""

    def __init__(
        self, organization_id: UUID, sealed: Mapping[str, SealedSecret], allowed_parameters: Iterable[str]
    ) -> None:
        super().__init__()
        self.allowed_parameters = frozenset(allowed_parameters)
        self._organization_id = organization_id
        self._sealed = sealed

    def open(self, names: Iterable[str]) -> dict[str, str]:
        """Decrypt the secrets with these names, and hide them from now on."""
        from weconnect.security import encryption  # cold start

        opened: dict[str, str] = {}
        for name in names:
            secret = self._sealed[name]
            aad = {"kind": "VARIABLE", "id": str(secret.id), "field": "value"}
            opened[name] = encryption.decrypt(self._organization_id, **aad, sealed=secret.text)
            self.add(opened[name])
        return opened
