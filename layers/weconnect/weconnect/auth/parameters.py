"""Parameter types of the auth routes."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.depends import Depends
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from weconnect.auth.entities import LimitType
from weconnect.caller import Caller, RequestInfo, SignedIn, request_info
from weconnect.errors import Forbidden
from weconnect.http import app, path_id


def _person(caller: SignedIn) -> Caller:
    if caller.api_key_id or not caller.session_id:
        raise Forbidden("Sign in as a person: API keys may not do this", code="api_key_not_allowed")
    return caller  # type: ignore[no-any-return]


def _request() -> RequestInfo:
    return request_info(app.current_event.raw_event)


Person = Annotated[Caller, Depends(_person)]
Requester = Annotated[RequestInfo, Depends(_request)]
LimitTypeOfPath = Annotated[LimitType, Path(alias="limitType")]
ApiKeyId = path_id("apiKeyId")
OfUser = Annotated[
    UUID | None, Query(alias="userId", description="Another member; needs organization:manage")
]
IsActive = Annotated[bool | None, Query(alias="isActive", description="Only active keys, or only others")]
