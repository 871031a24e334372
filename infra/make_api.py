"""`make api`: write the gateway's definition and the OpenAPI document from the routes' code.

infra/api.yaml              paths, integrations, authorizer and CORS, included by template.yaml
weconnect/api/openapi.json  the documentation, served at /openapi.json
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from infra import routes
from infra.cloudformation import ROOT
from weconnect.api.resolver import Operation, app

API = ROOT / "infra" / "api.yaml"
EXAMPLES = ROOT / "infra" / "examples.yaml"
OPENAPI = ROOT / "layers" / "weconnect" / "weconnect" / "api" / "openapi.json"
TITLE, VERSION = "WeConnect", "0.1.0"
DESCRIPTION = (
    "A multi-tenant backend for AI agents and workflow automation. Sign in with `Authorization: Bearer …` or "
    "`X-API-Key: wc_…`. Errors are RFC 9457 problems; lists take `limit` and `cursor`; entities have an `ETag`."
)
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body within 24 hours have one effect and one answer",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `errors` names places by JSON pointer.",
    "required": ["type", "title", "status", "detail", "code", "errors", "requestId"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": ["string", "null"]},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string"},
                    "detail": {"type": "string"},
                    "type": {"type": "string"},
                },
            },
        },
        "requestId": {"type": "string"},
    },
}


def gateway(operations: dict[str, Operation]) -> dict[str, Any]:
    """The HTTP API's body: long-form intrinsics only, because AWS::Include takes no others."""
    paths: dict[str, Any] = {}
    for operation in sorted(operations.values(), key=lambda found: (found.path, found.method)):
        entry: dict[str, Any] = {"operationId": operation.function.__name__}
        if not operation.public:
            entry["security"] = [{"authorizer": []}]
        entry["x-amazon-apigateway-integration"] = {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "payloadFormatVersion": "2.0",
            "credentials": {"Fn::GetAtt": ["InvokeRole", "Arn"]},
            "uri": _invocation(routes.logical_id(Path(operation.function.__name__))),
        }
        paths.setdefault(operation.path, {})[operation.method.lower()] = entry
    return {
        "openapi": "3.0.1",
        "info": {"title": TITLE, "version": VERSION},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "authorizer": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "x-amazon-apigateway-authorizer": {
                        "type": "request",
                        "authorizerPayloadFormatVersion": "2.0",
                        "enableSimpleResponses": True,
                        "authorizerResultTtlInSeconds": 0,
                        "authorizerCredentials": {"Fn::GetAtt": ["InvokeRole", "Arn"]},
                        "authorizerUri": _invocation("Authorize"),
                    },
                }
            }
        },
        "x-amazon-apigateway-cors": {
            "allowOrigins": {"Ref": "CorsOrigins"},
            "allowMethods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
            "allowHeaders": [
                "authorization", "content-type", "idempotency-key", "if-match", "prefer", "x-api-key",
                "x-organization-id", "mcp-protocol-version", "mcp-method", "mcp-name",
            ],
            "exposeHeaders": [
                "etag", "location", "retry-after", "x-request-id", "idempotent-replayed", "ratelimit-limit",
                "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy",
            ],
            "maxAge": 600,
        },
    }  # fmt: skip


def _invocation(logical_id: str) -> dict[str, str]:
    return {
        "Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
        f"${{{logical_id}.Arn}}/invocations"
    }


def documentation(operations: dict[str, Operation]) -> dict[str, Any]:
    """OpenAPI 3.1, with problems in the place of Powertools' own error schemas."""
    document = json.loads(
        app.get_openapi_json_schema(
            title=TITLE, version=VERSION, description=DESCRIPTION, openapi_version="3.1.0"
        )
    )
    document["paths"] = dict(sorted(document["paths"].items()))
    document["servers"] = [{"url": "/"}]
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    answer = {
        "description": "A problem",
        "content": {"application/problem+json": {"schema": _ref("Problem")}},
    }
    examples = yaml.safe_load(EXAMPLES.read_text())
    for operation in operations.values():
        entry = document["paths"].get(operation.path, {}).get(operation.method.lower())
        if entry is None:
            continue
        if (example := examples.get(operation.function.__name__)) is not None:
            entry["requestBody"]["content"]["application/json"]["example"] = example
        for status in ("422", "500"):
            entry["responses"].pop(status, None)
        entry["responses"]["default"] = answer
        entry["security"] = [] if operation.public else [{"bearer": []}, {"apiKey": []}]
        if operation.may_replay and not operation.public:
            entry.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
        if operation.permission:
            entry["description"] = f"{entry['description']}\n\nNeeds `{operation.permission}`."
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    return document  # type: ignore[no-any-return]


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def texts() -> dict[Path, str]:
    """What the two files must say."""
    operations = routes.load()
    comment = "# Written by `make api` from functions/*/*.py. Change the routes, not this file.\n"
    return {
        API: comment + yaml.safe_dump(gateway(operations), sort_keys=False, width=1_000),
        OPENAPI: json.dumps(documentation(operations), indent=1, ensure_ascii=False) + "\n",
    }


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text)
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
