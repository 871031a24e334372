"""`make api`: write what is generated from the manifests, from the code of routes and errors, and from pyproject.toml.

weconnect/registry_index.py what the manifests declare, for the layer
infra/api.yaml              paths, integrations, authorizer and CORS, included by template.yaml
weconnect/api/openapi.json  the OpenAPI document, served at /openapi.json
weconnect/version.py        the version of pyproject.toml, for the layer
docs/errors.md              the codes of all problems
template.yaml               the routes' functions and the stream's filters, each between two markers
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from infra import error_docs, manifests, route_resources, routes, stream_filters
from infra.cloudformation import ROOT
from weconnect.api import request_body
from weconnect.api.operation import Operation
from weconnect.api.resolver import app

API = ROOT / "infra" / "api.yaml"
OPENAPI = ROOT / "layers" / "weconnect" / "weconnect" / "api" / "openapi.json"
PYPROJECT = ROOT / "pyproject.toml"
VERSION_MODULE = ROOT / "layers" / "weconnect" / "weconnect" / "version.py"
VERSION_TEXT = '''"""The version of WeConnect. Written by `make api` from pyproject.toml."""

VERSION = "{version}"
'''
TITLE = "WeConnect"
DESCRIPTION = (
    "A multi-tenant backend for AI agents and workflow automation. Authenticate with `Authorization: Bearer …` or "
    "`X-API-Key: wc_…`. Errors are RFC 9457 problems. Lists take `limit` and `cursor`. Entities have an `ETag`, which "
    "changes take as `If-Match`."
)
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Requests with the same key and body within 24 hours have one effect and one response",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
PROBLEM = {
    "type": "object",
    "description": "An RFC 9457 problem. `code` is stable; `errors` names invalid values by JSON pointer.",
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

CORS = {
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
}  # fmt: skip


def build_gateway_definition(operations: dict[str, Operation]) -> dict[str, Any]:
    """Return the HTTP API's definition: with long-form intrinsics only, because AWS::Include supports no others."""
    paths: dict[str, Any] = {}
    for operation in sorted(operations.values(), key=lambda operation: (operation.path, operation.method)):
        entry: dict[str, Any] = {"operationId": operation.function.__name__}
        if not operation.public:
            entry["security"] = [{"authorizer": []}]
        entry["x-amazon-apigateway-integration"] = {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "payloadFormatVersion": "2.0",
            "credentials": {"Fn::GetAtt": ["InvokeRole", "Arn"]},
            "uri": _build_invocation_uri(routes.to_logical_id(Path(operation.function.__name__))),
        }
        paths.setdefault(operation.path, {})[operation.method.lower()] = entry
    return {
        "openapi": "3.0.1",
        "info": {"title": TITLE, "version": read_version()},
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
                        "authorizerUri": _build_invocation_uri("Authorize"),
                    },
                }
            }
        },
        # Beside a domain, the gateway's own address would be a way around what is in front of that.
        "servers": [
            {
                "url": "/",
                "x-amazon-apigateway-endpoint-configuration": {
                    "disableExecuteApiEndpoint": {"Fn::If": ["HasDomain", True, False]}
                },
            }
        ],
        # The gateway refuses an empty origin, so without origins there is no CORS.
        "x-amazon-apigateway-cors": {"Fn::If": ["HasCors", CORS, {"Ref": "AWS::NoValue"}]},
    }


def _build_invocation_uri(logical_id: str) -> dict[str, str]:
    """Return the URI by which API Gateway invokes the function of a logical ID."""
    return {
        "Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
        f"${{{logical_id}.Arn}}/invocations"
    }


def build_openapi_document(operations: dict[str, Operation]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document, with problems in place of Powertools' own error schemas."""
    text = app.get_openapi_json_schema(
        title=TITLE, version=read_version(), description=DESCRIPTION, openapi_version="3.1.0"
    )
    document: dict[str, Any] = json.loads(re.sub(r"\bPage_(\w+)_(?=\")", r"\1Page", text))
    document["paths"] = dict(sorted(document["paths"].items()))
    document["servers"] = [{"url": "/"}]
    document["tags"] = [{"name": name, "description": text} for name, text in list_tags().items()]
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(name, None)
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = _replace_field_names(schema["description"], schema.get("properties", {}))
    schemas["Problem"] = PROBLEM
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    examples = read_examples()
    for operation in operations.values():
        entry = document["paths"].get(operation.path, {}).get(operation.method.lower())
        if entry is not None:
            _complete_entry(entry, operation, examples.get(operation.function.__name__))
    return document


def list_tags() -> dict[str, str]:
    """Return the tags of the document in its order, with their descriptions, from the manifests."""
    modules = sorted(manifests.load_manifests().values(), key=lambda module: module.tags_rank)
    return {name: text for module in modules for name, text in module.tags.items()}


def _replace_field_names(text: str, properties: Iterable[str]) -> str:
    """Return a docstring with fields in code spans named as in JSON: `plan_limits` becomes `planLimits`."""
    names = {name.lower(): name for name in properties}
    return re.sub(r"`(\w+_\w+)`", lambda match: f"`{names.get(match[1].replace('_', ''), match[1])}`", text)


def _complete_entry(entry: dict[str, Any], operation: Operation, example: Any) -> None:
    """Add to an operation's entry what Powertools does not know: example, problems, security, permission."""
    if example is not None:
        entry["requestBody"]["content"]["application/json"]["example"] = example
    for status in ("422", "500"):
        entry["responses"].pop(status, None)
    entry["responses"]["default"] = {
        "description": "A problem",
        "content": {"application/problem+json": {"schema": _build_schema_ref("Problem")}},
    }
    entry["security"] = [] if operation.public else [{"bearer": []}, {"apiKey": []}]
    if operation.replays:
        entry.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    paragraphs = [entry.pop("description", "")]
    if operation.takes_body:
        paragraphs.append(f"The body has at most {request_body.format_size(operation.max_body_bytes)}.")
    if operation.permission:
        paragraphs.append(f"Requires the permission `{operation.permission}`.")
    if description := "\n\n".join(filter(None, paragraphs)):
        entry["description"] = description


def read_examples() -> dict[str, Any]:
    """Return an example of each body by the name of its operation, from functions/*/examples.yaml."""
    examples: dict[str, Any] = {}
    for path in sorted(routes.FUNCTIONS.glob("*/examples.yaml")):
        examples |= yaml.safe_load(path.read_text())
    return examples


def read_version() -> str:
    """Return the project's version, which pyproject.toml alone defines."""
    return str(tomllib.loads(PYPROJECT.read_text())["project"]["version"])


def _build_schema_ref(name: str) -> dict[str, str]:
    """Return the reference to a schema of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


def generate_texts() -> dict[Path, str]:
    """Return the content of each generated file by its path."""
    operations = routes.load_operations()
    modules = manifests.load_manifests()
    template = route_resources.write_routes(
        route_resources.TEMPLATE.read_text(), operations.values(), modules
    )
    comment = "# Written by `make api` from functions/*/*.py. Change the routes, not this file.\n"
    return {
        manifests.INDEX: manifests.render_index(modules),
        API: comment + yaml.safe_dump(build_gateway_definition(operations), sort_keys=False, width=1_000),
        OPENAPI: json.dumps(build_openapi_document(operations), indent=1, ensure_ascii=False) + "\n",
        VERSION_MODULE: VERSION_TEXT.format(version=read_version()),
        error_docs.ERRORS: error_docs.render_errors_page(),
        route_resources.TEMPLATE: stream_filters.write_filters(template, modules.values()),
    }


if __name__ == "__main__":
    if manifests.write_index():  # this process has imported what was made of the index before
        sys.exit(subprocess.call([sys.executable, "-m", "infra.make_api"]))
    for path, text in generate_texts().items():
        path.write_text(text)
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
