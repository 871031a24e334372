"""Conversion of n8n's HTTP request node, all versions."""

from typing import Any

from weconnect.workflows.importers.n8n.json_templates import read_json_parameter
from weconnect.workflows.importers.n8n.source_node import (
    MappedNode,
    NodeReader,
    NotConvertible,
    is_expression,
    wrap_expression,
)

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
_FORM = "application/x-www-form-urlencoded"
_UNMAPPED = ("pagination", "proxy")
MAX_SECONDS = 120
BODY = '$type(body) = "string" ? {"data": body} : body'
FULL = '{"body": body, "headers": headers, "statusCode": status}'


def request(reader: NodeReader) -> MappedNode:
    """Convert n8n's httpRequest node of any version."""
    old = reader.version < 3
    method = reader.read_constant("requestMethod" if old else "method", default="GET")
    if method not in _METHODS:
        raise NotConvertible(f"the method {method!r} is not supported")
    for name in _UNMAPPED:
        if reader.read("options", name):
            raise NotConvertible(f"its {name} has no equivalent")
    parameters: dict[str, Any] = {"method": method, "url": reader.read_template("url", default="")}
    if not parameters["url"]:
        raise NotConvertible("it has no address")
    headers = _read_headers_or_query(reader, "header", old=old)
    query = _read_headers_or_query(reader, "query", old=old)
    parameters |= {"headers": headers} if headers else {}
    parameters |= {"query": query} if query else {}
    if method not in ("GET", "HEAD"):
        body = _read_old_body(reader, headers) if old else _read_body(reader, headers)
        parameters |= {"body": body} if body is not None else {}
        parameters |= {"headers": headers} if headers else {}
    _read_options(reader, parameters, old=old)
    if reader.read_constant("authentication", default="none") != "none" or reader.read("nodeCredentialType"):
        reader.report_left_out(
            "authentication", "the file does not contain its credential: set the header that it sends"
        )
        reader.read("genericAuthType")
    return MappedNode(
        [
            ("http_request", parameters),
            ("jsonata", {"expression": _build_response_expression(reader, old=old)}),
        ]
    )


def _read_headers_or_query(reader: NodeReader, what: str, *, old: bool) -> dict[str, Any]:
    """Return the headers (`what`: "header") or the parameters of the query ("query"), by name."""
    key = f"{what}Parameters"
    if old:
        if reader.read("jsonParameters") is True:
            return _require_object(read_json_parameter(reader, f"{key}Json"))
        return read_pairs(reader, f"{key}Ui", "parameter")
    if not reader.read("sendHeaders" if what == "header" else "sendQuery"):
        return {}
    if (
        reader.read_constant(
            f"specify{what.capitalize()}s" if what == "header" else "specifyQuery", default="keypair"
        )
        == "json"
    ):
        return _require_object(
            read_json_parameter(reader, "jsonHeaders" if what == "header" else "jsonQuery")
        )
    return read_pairs(reader, key, "parameters")


def _require_object(value: Any) -> dict[str, Any]:
    """Return a value that is an object; raise NotConvertible for another one."""
    if not isinstance(value, dict):
        raise NotConvertible("its headers or its query are computed by an expression")
    return value


def read_pairs(reader: NodeReader, *path: str) -> dict[str, Any]:
    """Return the values by name in a list of `{name, value}`; raise NotConvertible for a name that occurs twice."""
    pairs: dict[str, Any] = {}
    for path_of_row, row in reader.read_rows(*path):
        name = row.get("name")
        if name in (None, ""):
            continue
        if not isinstance(name, str) or is_expression(name):
            raise NotConvertible("the name of a parameter is an expression")
        if name in pairs:
            raise NotConvertible(f"the parameter {name[:50]!r} occurs twice")
        pairs[name] = reader.convert(row.get("value", ""), (*path_of_row, "value"))
    return pairs


def _read_body(reader: NodeReader, headers: dict[str, Any]) -> Any:
    """Return the body in version 3 or later, None without one; may add the content type to `headers`."""
    if not reader.read("sendBody"):
        return None
    kind = reader.read_constant("contentType", default="json")
    way = reader.read_constant("specifyBody", default="keypair")
    if kind == "raw":
        _set_content_type(headers, reader.read_template("rawContentType", default="text/html"))
        return reader.read_template("body", default="")
    if kind not in ("json", "form-urlencoded"):
        raise NotConvertible(f"a body of the type {kind!r} has no equivalent")
    if kind == "json":
        return (
            read_json_parameter(reader, "jsonBody")
            if way == "json"
            else read_pairs(reader, "bodyParameters", "parameters")
        )
    _set_content_type(headers, _FORM)
    if way == "string":
        return reader.read_template("body", default="")
    return _read_form(reader, "bodyParameters", "parameters")


def _read_old_body(reader: NodeReader, headers: dict[str, Any]) -> Any:
    """Return the body in version 1 or 2, None without one; may add the content type to `headers`."""
    kind = reader.read_constant("options", "bodyContentType", default="json")
    if kind not in ("json", "form-urlencoded", "raw"):
        raise NotConvertible(f"a body of the type {kind!r} has no equivalent")
    if reader.read("sendBinaryData"):
        raise NotConvertible("it sends a file")
    if kind == "raw":
        _set_content_type(
            headers, reader.read_template("options", "bodyContentCustomMimeType", default="text/plain")
        )
        return reader.read_template("bodyParametersJson", default="")
    if kind == "form-urlencoded":
        _set_content_type(headers, _FORM)
        if reader.read("jsonParameters") is True:
            raise NotConvertible("it encodes JSON as a form")
        return _read_form(reader, "bodyParametersUi", "parameter")
    if reader.read("jsonParameters") is True:
        return (
            read_json_parameter(reader, "bodyParametersJson") if reader.read("bodyParametersJson") else None
        )
    return read_pairs(reader, "bodyParametersUi", "parameter") or None


def _read_form(reader: NodeReader, *path: str) -> str:
    """Return the template of a form-encoded body from a list of `{name, value}`."""
    pairs = []
    for path_of_row, row in reader.read_rows(*path):
        name = reader.to_term(row.get("name"), (*path_of_row, "name"))
        value = reader.to_term(row.get("value", ""), (*path_of_row, "value"))
        encoded = [f"$encodeUrlComponent($string({term.source}))" for term in (name, value)]
        pairs.append("=".join(wrap_expression(source) for source in encoded))
    return "&".join(pairs)


def _set_content_type(headers: dict[str, Any], kind: Any) -> None:
    """Add the header `content-type`, unless there is one."""
    if not any(name.lower() == "content-type" for name in headers):
        headers["content-type"] = kind


def _read_options(reader: NodeReader, parameters: dict[str, Any], *, old: bool) -> None:
    """Add timeout, redirects and the treatment of error statuses to `parameters`."""
    timeout = reader.read_constant("options", "timeout", default=None)
    seconds = timeout / 1000 if isinstance(timeout, int | float) and timeout > 0 else MAX_SECONDS
    parameters["timeoutSeconds"] = max(1, min(MAX_SECONDS, round(seconds)))
    if seconds > MAX_SECONDS:
        reader.report_left_out("options.timeout", f"at most {MAX_SECONDS} seconds")
    redirect = reader.read("options", "redirect", "redirect", "followRedirects")
    if old or redirect is None:
        redirect = reader.read("options", "followRedirect", default=True)
    parameters["followRedirects"] = redirect is not False
    never = reader.read("options", "response", "response", "neverError")
    if never is True or (old and reader.read("options", "ignoreResponseCode") is True):
        parameters["failOnStatus"] = False
    for name in ("batching", "batchSize", "batchInterval"):
        if reader.read("options", name):
            reader.report_left_out(
                f"options.{name}", "items are processed in order; use a loop and a wait node"
            )
    if reader.read("options", "allowUnauthorizedCerts") or reader.read("allowUnauthorizedCerts"):
        reader.report_left_out("allowUnauthorizedCerts", "certificates are always checked")


def _build_response_expression(reader: NodeReader, *, old: bool) -> str:
    """Return the expression for n8n's output: the body's objects as items, or the complete response."""
    shape = reader.read("options", "response", "response", default={})
    shape = shape if isinstance(shape, dict) else {}
    form = (
        reader.read_constant("responseFormat", default="json")
        if old
        else shape.get("responseFormat", "autodetect")
    )
    full = reader.read("options", "fullResponse") is True if old else shape.get("fullResponse") is True
    if form in ("file", "binary"):
        raise NotConvertible("it returns the response as a file")
    if full:
        return FULL
    name = reader.read("dataPropertyName", default="data") if old else shape.get("outputPropertyName", "data")
    if not isinstance(name, str) or '"' in name or "\\" in name or is_expression(name):
        raise NotConvertible("the name of the response's field is an expression")
    if form in ("text", "string"):
        return f'{{"{name}": $type(body) = "string" ? body : $string(body)}}'
    return BODY.replace('"data"', f'"{name}"')
