"""The metadata of a route: everything that the handler, the gateway's definition and the documentation know of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

from aws_lambda_powertools.event_handler.depends import Depends
from aws_lambda_powertools.event_handler.openapi.params import Param

from weconnect.api.caller import accepts_share, permission_of

MAX_PUBLIC_BYTES = 64 * 1024
MAX_BYTES = 256 * 1024
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Operation:
    """One route.

    - `public`: it takes no caller.
    - `self_service`: it touches nothing but what is the caller's own (profile, password, sessions, second factor), so
      every signed-in user may call it, whatever their role.
    - `beyond_organization`: it acts outside of the caller's current organization, so it is open to somebody who may not
      act there any more; the service requires the membership where the operation concerns that one after all.
    - `returns_secret`: its response shows a secret, so a copy that is stored for replays is encrypted.
    - `replays`: `Idempotency-Key` counts; the same request gets the same response for 24 hours.
    - `reads_only`: it changes nothing although its method is not GET, such as a search by POST.
    - `takes_document`: its body carries a definition, an input or a file, so it may be as long as 4 MB.
    - `location`: the path of the resource that a 201 or 202 response describes, such as `/v1/agents/{id}`; `{id}` is
      the `id` of the body, other names are path parameters.
    """

    method: str
    path: str
    function: Callable[..., Any]
    public: bool = False
    self_service: bool = False
    beyond_organization: bool = False
    returns_secret: bool = False
    replays: bool = False
    reads_only: bool = False
    takes_document: bool = False
    location: str | None = None

    @property
    def route_key(self) -> str:
        """Return the gateway's key of the route, such as `POST /v1/agents`."""
        return f"{self.method} {self.path}"

    @property
    def permission(self) -> str | None:
        """Return the permission that the caller must hold; None when any signed-in caller will do."""
        return permission_of(self.function)

    @property
    def accepts_share(self) -> bool:
        """Return whether a share can replace the permission; the module's service checks the share."""
        return accepts_share(self.function)

    @cached_property
    def takes_body(self) -> bool:
        """Return whether the function has a parameter for the JSON body: one that no marker declares otherwise."""
        declared = {name: kind for name, kind in self.function.__annotations__.items() if name != "return"}
        return not all(_is_declared(annotation) for annotation in declared.values())

    @property
    def max_body_bytes(self) -> int:
        """Return how many bytes the body of a request may have."""
        if self.takes_document:
            return MAX_DOCUMENT_BYTES
        return MAX_PUBLIC_BYTES if self.public else MAX_BYTES

    @property
    def writes(self) -> bool:
        """Return whether the operation may change something."""
        return self.method != "GET" and not self.reads_only

    def location_of(self, resource_id: str, path_parameters: Mapping[str, str]) -> str | None:
        """Return the path of the resource with this id; None when the operation has no `location`."""
        if self.location is None:
            return None
        return self.location.format_map({**path_parameters, "id": resource_id})


def _is_declared(annotation: Any) -> bool:
    """Return whether a parameter's type marks it as part of the path, query or headers, or as a dependency."""
    return any(isinstance(marker, Param | Depends) for marker in get_args(annotation)[1:])
