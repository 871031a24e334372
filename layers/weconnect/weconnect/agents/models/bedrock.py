"""Bedrock's client: botocore makes and signs the request, our guarded client sends it.

botocore's own way out would follow the machine's proxies, and bounds each read but not the whole answer.
"""

import functools
from types import SimpleNamespace
from typing import Any

from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.config import Config
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from weconnect.outbound import client as outbound
from weconnect.settings import settings


def client(api_key: str | None, timeout_seconds: float, sent: list[bytes], address: str | None) -> Any:
    """A client for one request, whose body it adds to `sent`.

    With a key it sends that as a bearer token, else it signs as the function's role.
    """

    def before_call(params: dict[str, Any], **_: Any) -> None:
        sent.append(params["body"])
        if api_key:
            params["headers"]["Authorization"] = f"Bearer {api_key}"

    def before_send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        names = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        answer = outbound.send(
            request.method, request.url, headers=names, content=request.body, timeout_seconds=timeout_seconds
        )
        body = SimpleNamespace(stream=lambda: [answer.body])
        return AWSResponse(request.url, answer.status, HeadersDict(answer.headers), body)

    config = Config(
        retries={"total_max_attempts": 1},
        signature_version=UNSIGNED if api_key else None,
        # An emulator that stands in for AWS has no models.
        ignore_configured_endpoint_urls=True,
    )
    session = Session()
    session.register_component("data_loader", _loader())
    made = session.create_client("bedrock-runtime", settings.region, config=config, endpoint_url=address)
    made.meta.events.register("before-call.bedrock-runtime", before_call)
    made.meta.events.register("before-send.bedrock-runtime", before_send)
    return made


@functools.cache
def _loader() -> Loader:
    """The descriptions of AWS's services, which take longer to read than a request to make."""
    return create_loader()
