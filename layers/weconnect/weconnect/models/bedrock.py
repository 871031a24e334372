"""Client of Bedrock: botocore builds and signs the request, our guarded client sends it.

botocore's own HTTP client would follow the machine's proxies, and bounds each read but not the whole response.
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


def create_client(
    api_key: str | None, timeout_seconds: float, sent_bodies: list[bytes], endpoint_url: str | None
) -> Any:
    """Return a client for one request, whose body it appends to `sent_bodies`.

    With a key it sends that as a bearer token, else it signs as the function's role.
    """

    def before_call(params: dict[str, Any], **_: Any) -> None:
        """Record the body, and replace the signature by the bearer token if there is a key."""
        sent_bodies.append(params["body"])
        if api_key:
            params["headers"]["Authorization"] = f"Bearer {api_key}"

    def before_send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Send a prepared request through our own outbound client, instead of botocore's."""
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        response = outbound.send(
            request.method,
            request.url,
            headers=headers,
            content=request.body,
            timeout_seconds=timeout_seconds,
        )
        body = SimpleNamespace(stream=lambda: [response.body])
        return AWSResponse(request.url, response.status, HeadersDict(response.headers), body)

    config = Config(
        retries={"total_max_attempts": 1},
        signature_version=UNSIGNED if api_key else None,
        # An emulator of AWS has no models.
        ignore_configured_endpoint_urls=True,
    )
    session = Session()
    session.register_component("data_loader", _loader())
    client = session.create_client(
        "bedrock-runtime", settings.region, config=config, endpoint_url=endpoint_url
    )
    client.meta.events.register("before-call.bedrock-runtime", before_call)
    client.meta.events.register("before-send.bedrock-runtime", before_send)
    return client


@functools.cache
def _loader() -> Loader:
    """Return the loader of AWS's service descriptions, which take longer to read than a request takes to build."""
    return create_loader()
