"""Local HTTP server that speaks the formats of the model providers, chosen by the request's path.

It responds from a script, one entry for each request, and records the requests:

    with FakeModels([Say("hello")]) as models:
        ...  # POST {models.url}/v1/chat/completions
        models.requests[0].json["messages"]
"""

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Call:
    """A tool call as a model makes it; `raw` replaces the arguments' JSON text (OpenAI only)."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    id: str = "call_1"
    raw: str | None = None


@dataclass
class Say:
    """A reply. `finish` is one of stop, length, tool_calls, refusal, filter; `service_tier` is sent by OpenAI only."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    input_tokens: int = 100
    output_tokens: int = 20
    cached_tokens: int = 0
    finish: str = "stop"
    service_tier: str = "default"


@dataclass
class Fail:
    """An error by its meaning; FAILURES has the response of each provider."""

    meaning: str
    retry_after: int | str | None = None


@dataclass
class Raw:
    """A response with exactly this status and body."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Slow:
    """No response until the server is closed."""


@dataclass
class Drip:
    """A response that sends one piece every 50 ms until the client disconnects or the server is closed."""

    content_type: str = "application/json"
    piece: bytes = b" "


class Reset:
    """A connection that is reset after the request was read."""


@dataclass
class Cut:
    """A connection that is closed after half of the response."""

    say: Say


Script = Say | Fail | Raw | Slow | Drip | Reset | Cut


@dataclass
class RecordedRequest:
    """A request that the server received; `format` is the provider's, by its path."""

    format: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeModels:
    """The server. When its script has no more entries, it responds with HTTP 418."""

    def __init__(self, script: list[Script]) -> None:
        self.script = list(script)
        self.requests: list[RecordedRequest] = []
        self.closing = threading.Event()
        self.hung_up = threading.Event()  # a client disconnected from a dripping response
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                fake.respond(self)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.closing.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        format = find_format(handler.path)
        with self._lock:
            self.requests.append(
                RecordedRequest(
                    format, handler.path, {k.lower(): v for k, v in handler.headers.items()}, body
                )
            )
            entry = self.script.pop(0) if self.script else Raw(418, b'{"error": "the script has run out"}')
        if isinstance(entry, Slow):
            self.closing.wait()
            handler.close_connection = True
            return
        if isinstance(entry, Drip):
            self._drip(handler, entry)
            return
        if isinstance(entry, Reset):
            # Without lingering, closing the connection resets it.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.close_connection = True
            return
        status, headers, payload = render(format, entry.say if isinstance(entry, Cut) else entry)
        handler.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(payload)))
        handler.end_headers()
        if isinstance(entry, Cut):
            handler.close_connection = True
            payload = payload[: len(payload) // 2]
        handler.wfile.write(payload)

    def _drip(self, handler: BaseHTTPRequestHandler, drip: Drip) -> None:
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("content-type", drip.content_type)
        handler.send_header("content-length", "1000000")
        handler.end_headers()
        try:
            while not self.closing.wait(0.05):
                handler.wfile.write(drip.piece)
        except OSError:
            self.hung_up.set()


def find_format(path: str) -> str:
    if path.endswith("/chat/completions"):
        return "openai"
    if path.startswith("/v1/messages"):
        return "anthropic"
    if ":generateContent" in path:
        return "google"
    if path.endswith("/converse"):
        return "bedrock"
    return "other"


def render(format: str, entry: Say | Fail | Raw) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of a scripted entry in a provider's format."""
    if isinstance(entry, Raw):
        return entry.status, {"content-type": entry.content_type, **entry.headers}, entry.body
    if isinstance(entry, Fail):
        status, headers, body = FAILURES[format][entry.meaning]
        if entry.retry_after is not None:
            headers = {**headers, "retry-after": str(entry.retry_after)}
        return status, headers, json.dumps(body).encode()
    return 200, {}, json.dumps(RENDERERS[format](entry)).encode()


def _openai(say: Say) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": say.text or None}
    if say.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.raw or json.dumps(call.arguments)},
            }
            for call in say.calls
        ]
    if say.finish == "refusal":
        message["refusal"] = "I cannot help with that."
    finish = {"refusal": "stop", "filter": "content_filter"}.get(say.finish, say.finish)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": say.service_tier,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if say.calls else finish}],
        "usage": {
            "prompt_tokens": say.input_tokens,
            "completion_tokens": say.output_tokens,
            "total_tokens": say.input_tokens + say.output_tokens,
            "prompt_tokens_details": {"cached_tokens": say.cached_tokens},
        },
    }


def _anthropic(say: Say) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": say.text}] if say.text else []
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments} for call in say.calls
    ]
    reasons = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "filter": "refusal"}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": content,
        "stop_reason": "tool_use" if say.calls else reasons[say.finish],
        "stop_sequence": None,
        "usage": {
            # Anthropic does not include cached tokens in the input tokens.
            "input_tokens": say.input_tokens - say.cached_tokens,
            "cache_read_input_tokens": say.cached_tokens,
            "cache_creation_input_tokens": 0,
            "output_tokens": say.output_tokens,
        },
    }


def _google(say: Say) -> dict[str, Any]:
    usage = {
        "promptTokenCount": say.input_tokens,
        "candidatesTokenCount": say.output_tokens,
        "totalTokenCount": say.input_tokens + say.output_tokens,
        "cachedContentTokenCount": say.cached_tokens,
    }
    response: dict[str, Any] = {
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
    }
    if say.finish == "refusal":
        return response | {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    parts: list[dict[str, Any]] = [{"text": say.text}] if say.text else []
    parts += [{"functionCall": {"name": call.name, "args": call.arguments}} for call in say.calls]
    finish = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}[say.finish]
    return response | {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}]
    }


def _bedrock(say: Say) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"text": say.text}] if say.text else []
    content += [
        {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}} for call in say.calls
    ]
    reasons = {
        "stop": "end_turn",
        "length": "max_tokens",
        "refusal": "guardrail_intervened",
        "filter": "content_filtered",
    }
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "tool_use" if say.calls else reasons[say.finish],
        "usage": {
            "inputTokens": say.input_tokens - say.cached_tokens,
            "outputTokens": say.output_tokens,
            "totalTokens": say.input_tokens + say.output_tokens,
            "cacheReadInputTokens": say.cached_tokens,
        },
        "metrics": {"latencyMs": 12},
    }


RENDERERS = {"openai": _openai, "anthropic": _anthropic, "google": _google, "bedrock": _bedrock}


def _openai_error(status: int, code: str | None, kind: str, message: str) -> tuple[int, dict[str, str], Any]:
    return status, {}, {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _anthropic_error(status: int, kind: str, message: str) -> tuple[int, dict[str, str], Any]:
    return status, {}, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def _google_error(status: int, kind: str, message: str) -> tuple[int, dict[str, str], Any]:
    return status, {}, {"error": {"code": status, "message": message, "status": kind}}


def _bedrock_error(status: int, kind: str, message: str) -> tuple[int, dict[str, str], Any]:
    return status, {"x-amzn-errortype": kind}, {"message": message}


# Google distinguishes an exhausted daily quota from a rate limit only in the details.
GOOGLE_DAY = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
            }
        ],
    }
}

# An invalid key is reported as an invalid argument; only the details name the key.
GOOGLE_BAD_KEY = {
    "error": {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
    }
}
# Google puts the time to wait into the details, not into a header.
GOOGLE_WAIT = {
    "error": {
        "code": 429,
        "message": "Resource has been exhausted",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "14.5s"}],
    }
}

# The message quotes the key where a provider is known to do so.
FAILURES: dict[str, dict[str, tuple[int, dict[str, str], Any]]] = {
    "openai": {
        "rate_limited": _openai_error(429, "rate_limit_exceeded", "requests", "Rate limit reached"),
        "quota": _openai_error(429, "insufficient_quota", "insufficient_quota", "You exceeded your quota"),
        "unauthorized": _openai_error(
            401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided: sk-test-secret"
        ),
        "context_too_long": _openai_error(
            400,
            "context_length_exceeded",
            "invalid_request_error",
            "This model's maximum context length is 8",
        ),
        "unavailable": _openai_error(503, None, "server_error", "The server is overloaded"),
        "invalid_request": _openai_error(
            400, "invalid_value", "invalid_request_error", "Bad tool for sk-test-secret"
        ),
        "no_such_model": _openai_error(
            404, "model_not_found", "invalid_request_error", "The model does not exist"
        ),
        "content_filtered": _openai_error(
            400, "content_policy_violation", "invalid_request_error", "Rejected by our safety system"
        ),
        "server_error": _openai_error(500, None, "server_error", "The server had an error"),
        "not_allowed": _openai_error(403, None, "insufficient_permissions", "You may not use this model"),
        "azure_filtered": _openai_error(400, "content_filter", "", "The prompt triggered a content policy"),
    },
    "anthropic": {
        "rate_limited": _anthropic_error(429, "rate_limit_error", "Number of requests exceeded"),
        "quota": _anthropic_error(400, "billing_error", "Your credit balance is too low"),
        "unauthorized": _anthropic_error(401, "authentication_error", "invalid x-api-key sk-test-secret"),
        "context_too_long": _anthropic_error(
            400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"
        ),
        "unavailable": _anthropic_error(529, "overloaded_error", "Overloaded"),
        "invalid_request": _anthropic_error(400, "invalid_request_error", "Bad tool for sk-test-secret"),
        "no_such_model": _anthropic_error(404, "not_found_error", "model: claude-9"),
        "too_large": _anthropic_error(413, "request_too_large", "Request exceeds the maximum size"),
        "server_error": _anthropic_error(500, "api_error", "Internal server error"),
        "upstream_timeout": _anthropic_error(504, "timeout_error", "Request timed out"),
        "not_allowed": _anthropic_error(403, "permission_error", "Your key may not use this model"),
        "no_credit": _anthropic_error(402, "billing_error", "There is an issue with your billing"),
    },
    "google": {
        "rate_limited": _google_error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted"),
        "quota": (429, {}, GOOGLE_DAY),
        "unauthorized": _google_error(403, "PERMISSION_DENIED", "API key sk-test-secret not valid"),
        "context_too_long": _google_error(
            400,
            "INVALID_ARGUMENT",
            "The input token count (2097152) exceeds the maximum number of tokens allowed (1048576).",
        ),
        "unavailable": _google_error(503, "UNAVAILABLE", "The model is overloaded"),
        "invalid_request": _google_error(400, "INVALID_ARGUMENT", "Bad tool for sk-test-secret"),
        "no_such_model": _google_error(404, "NOT_FOUND", "models/gemini-9 is not found"),
        "bad_key": (400, {}, GOOGLE_BAD_KEY),
        "wait": (429, {}, GOOGLE_WAIT),
        "server_error": _google_error(500, "INTERNAL", "An internal error has occurred"),
        "upstream_timeout": _google_error(504, "DEADLINE_EXCEEDED", "Deadline expired"),
        "no_billing": _google_error(400, "FAILED_PRECONDITION", "Please enable billing on your project"),
    },
    "bedrock": {
        "rate_limited": _bedrock_error(429, "ThrottlingException", "Too many requests"),
        "quota": _bedrock_error(400, "ServiceQuotaExceededException", "Quota exceeded"),
        "unauthorized": _bedrock_error(403, "AccessDeniedException", "Bearer sk-test-secret is not allowed"),
        "context_too_long": _bedrock_error(
            400, "ValidationException", "Input is too long for requested model."
        ),
        "unavailable": _bedrock_error(503, "ServiceUnavailableException", "Bedrock is unavailable"),
        "invalid_request": _bedrock_error(400, "ValidationException", "Bad tool for sk-test-secret"),
        "no_such_model": _bedrock_error(404, "ResourceNotFoundException", "Could not resolve the model"),
        "server_error": _bedrock_error(500, "InternalServerException", "Internal server error"),
        "upstream_timeout": _bedrock_error(408, "ModelTimeoutException", "The model took too long"),
        "not_ready": _bedrock_error(429, "ModelNotReadyException", "The model is not ready"),
        "model_failed": _bedrock_error(424, "ModelErrorException", "The model failed"),
        "expired": _bedrock_error(403, "ExpiredTokenException", "The security token has expired"),
        "unknown_client": _bedrock_error(403, "UnrecognizedClientException", "The token is invalid"),
    },
}
