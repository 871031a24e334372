"""Checks of a request to a service of this machine: its Host header, and AWS's Signature Version 4.

Anybody on this machine can connect to a loopback port, and so can a web page whose name resolves to 127.0.0.1. Uses the
standard library only, because MiniStack's environment has nothing else of ours.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qsl, quote

from infra.local.asgi import Request, Response

MAX_SKEW_SECONDS = 300
MAX_EXPIRY_SECONDS = 7 * 86400
HOST_NAMES = ("127.0.0.1", "localhost", "[::1]")
ALGORITHM = "AWS4-HMAC-SHA256"
TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{{64}})"
)


@dataclass(frozen=True)
class Credentials:
    """The credentials with which requests to the services of one host are signed."""

    access_key: str
    secret_key: str = field(repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables in which AWS clients look for credentials."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}


@dataclass(frozen=True)
class _Signature:
    """The signature of a request and its parameters; `scope` is `<date>/<region>/<service>/aws4_request`."""

    access_key: str
    scope: str
    header_names: list[str]
    digest: str
    moment: datetime
    valid_seconds: int
    query: list[tuple[str, str]]
    body_digest: str


def refuse_host(request: Request, port: int) -> Response | None:
    """Return the response to a request that was sent to another name than this machine's own, else None."""
    hosts = [value for name, value in request.headers if name == "host"]
    suffix = "" if port == 80 else f":{port}"  # clients leave out the default port
    allowed = [name + suffix for name in HOST_NAMES]
    if len(hosts) == 1 and hosts[0].lower() in allowed:
        return None
    names = " or ".join(f"http://{name}{suffix}" for name in HOST_NAMES[:2])
    return Response.message(421, f"Host {', '.join(hosts)!r} is not served here. Use {names}.")


def refuse_signature(request: Request, credentials: Credentials) -> Response | None:
    """Return the response to a request that is not signed with these credentials within five minutes, else None.

    A presigned URL is valid for as long as it says.
    """
    signature = _read_query(request) or _read_header(request)
    if signature is None:
        return Response.message(403, "Missing Authentication Token")
    if not hmac.compare_digest(signature.access_key.encode(), credentials.access_key.encode()):
        return Response.message(403, "The security token included in the request is invalid.")
    age = (datetime.now(UTC) - signature.moment).total_seconds()
    if not -MAX_SKEW_SECONDS <= age <= signature.valid_seconds:
        return Response.message(403, f"Signature expired or not yet valid: {signature.moment:{TIME_FORMAT}}")
    unsigned = {name for name, _ in request.headers if name.startswith("x-amz-")} - {*signature.header_names}
    if unsigned:  # such a header can make another operation of a request
        return Response.message(
            403, f"There were headers present in the request which were not signed: {unsigned}"
        )
    digest = _compute_digest(request, signature, credentials.secret_key)
    if not hmac.compare_digest(digest, signature.digest.encode()):
        text = "The request signature we calculated does not match the signature you provided."
        return Response.message(403, text)
    return None


def _read_header(request: Request) -> _Signature | None:
    """Return the signature in the headers, or None without a complete one."""
    match = _AUTHORIZATION.fullmatch(request.get_header("authorization") or "")
    moment = request.get_header("x-amz-date") or ""
    if match is None:
        return None
    query = parse_qsl(request.query, keep_blank_values=True)
    body_digest = hashlib.sha256(request.body).hexdigest()
    return _build_signature(match[1], match[2], match[3], moment, MAX_SKEW_SECONDS, query, body_digest)


def _read_query(request: Request) -> _Signature | None:
    """Return the signature of a presigned URL, or None without a complete one."""
    query = parse_qsl(request.query, keep_blank_values=True)
    values = dict(query)
    expires = values.get("X-Amz-Expires", "")
    is_read = request.method in ("GET", "HEAD") and not request.body
    if not is_read or values.get("X-Amz-Algorithm") != ALGORITHM or request.get_header("authorization"):
        return None
    if not re.fullmatch(r"\d{1,6}", expires, re.ASCII):
        return None
    signed = [pair for pair in query if pair[0] != "X-Amz-Signature"]
    names, digest = values.get("X-Amz-SignedHeaders", ""), values.get("X-Amz-Signature", "")
    credential, moment = values.get("X-Amz-Credential", ""), values.get("X-Amz-Date", "")
    seconds = min(int(expires), MAX_EXPIRY_SECONDS)
    return _build_signature(credential, names, digest, moment, seconds, signed, "UNSIGNED-PAYLOAD")


def _build_signature(
    credential: str, names: str, digest: str, moment: str, seconds: int, query: list[tuple[str, str]], body_digest: str
) -> _Signature | None:  # fmt: skip
    """Return a signature of its parts, or None when the credential or the moment has not the form of one."""
    access_key, _, scope = credential.partition("/")
    parts = scope.split("/")
    if len(parts) != 4 or parts[3] != "aws4_request" or parts[0] != moment[:8]:
        return None
    try:
        time = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    except ValueError:
        return None
    return _Signature(access_key, scope, names.split(";"), digest, time, seconds, query, body_digest)


def _compute_digest(request: Request, signature: _Signature, secret_key: str) -> bytes:
    """Return the signature that a request must have, in hexadecimal."""
    values_by_name: dict[str, list[str]] = {}
    for name, value in request.headers:
        values_by_name.setdefault(name, []).append(" ".join(value.split()))
    headers = [f"{name}:{','.join(values_by_name.get(name, []))}\n" for name in signature.header_names]
    # S3 signs the path as it is sent, every other service encodes it once more.
    is_s3 = signature.scope.split("/")[2] == "s3"
    path = request.path if is_s3 else quote(request.path, safe="/~")
    query = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in signature.query)
    canonical = "\n".join((
        request.method,
        path,
        "&".join(f"{name}={value}" for name, value in query),
        "".join(headers),
        ";".join(signature.header_names),
        signature.body_digest,
    ))  # fmt: skip
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{ALGORITHM}\n{signature.moment:{TIME_FORMAT}}\n{signature.scope}\n{digest}"
    key = _derive_key(secret_key, signature.scope)
    return hmac.digest(key, text.encode(), "sha256").hex().encode()


@lru_cache(256)
def _derive_key(secret_key: str, scope: str) -> bytes:
    """Return the signing key of a day, a region and a service."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
