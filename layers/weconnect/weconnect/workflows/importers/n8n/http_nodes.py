"""n8n's HTTP request node, all versions."""

from typing import Any

from weconnect.workflows.importers.n8n.json_templates import template_of
from weconnect.workflows.importers.n8n.source_node import Made, Reading, Refused, embedded, is_expression

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
_FORM = "application/x-www-form-urlencoded"
_UNMAPPED = ("pagination", "proxy")
MAX_SECONDS = 120
BODY = '$type(body) = "string" ? {"data": body} : body'
FULL = '{"body": body, "headers": headers, "statusCode": status}'


def request(reading: Reading) -> Made:
    old = reading.version < 3
    method = reading.fixed("requestMethod" if old else "method", default="GET")
    if method not in _METHODS:
        raise Refused(f"the method {method!r} is not taken")
    for name in _UNMAPPED:
        if reading.raw("options", name):
            raise Refused(f"its {name} has no counterpart")
    parameters: dict[str, Any] = {"method": method, "url": reading.template("url", default="")}
    if not parameters["url"]:
        raise Refused("it has no address")
    headers = _pairs(reading, "header", old=old)
    query = _pairs(reading, "query", old=old)
    parameters |= {"headers": headers} if headers else {}
    parameters |= {"query": query} if query else {}
    if method not in ("GET", "HEAD"):
        body = _old_body(reading, headers) if old else _body(reading, headers)
        parameters |= {"body": body} if body is not None else {}
        parameters |= {"headers": headers} if headers else {}
    _options(reading, parameters, old=old)
    if reading.fixed("authentication", default="none") != "none" or reading.raw("nodeCredentialType"):
        reading.leave("authentication", "its credential is not in the file: set the header that it sends")
        reading.raw("genericAuthType")
    return Made([("http_request", parameters), ("jsonata", {"expression": _answer(reading, old=old)})])


def _pairs(reading: Reading, what: str, *, old: bool) -> dict[str, Any]:
    """Headers, or the parameters of the query."""
    key = f"{what}Parameters"
    if old:
        if reading.raw("jsonParameters") is True:
            return _given(template_of(reading, f"{key}Json"))
        return rows(reading, f"{key}Ui", "parameter")
    if not reading.raw("sendHeaders" if what == "header" else "sendQuery"):
        return {}
    if (
        reading.fixed(
            f"specify{what.capitalize()}s" if what == "header" else "specifyQuery", default="keypair"
        )
        == "json"
    ):
        return _given(template_of(reading, "jsonHeaders" if what == "header" else "jsonQuery"))
    return rows(reading, key, "parameters")


def _given(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Refused("its headers or its query are made by an expression")
    return found


def rows(reading: Reading, *path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place, row in reading.rows(*path):
        name = row.get("name")
        if name in (None, ""):
            continue
        if not isinstance(name, str) or is_expression(name):
            raise Refused("the name of a parameter is an expression")
        if name in found:
            raise Refused(f"the parameter {name[:50]!r} stands twice")
        found[name] = reading.value(row.get("value", ""), (*place, "value"))
    return found


def _body(reading: Reading, headers: dict[str, Any]) -> Any:
    if not reading.raw("sendBody"):
        return None
    kind = reading.fixed("contentType", default="json")
    way = reading.fixed("specifyBody", default="keypair")
    if kind == "raw":
        _type(headers, reading.template("rawContentType", default="text/html"))
        return reading.template("body", default="")
    if kind not in ("json", "form-urlencoded"):
        raise Refused(f"a body of the type {kind!r} has no counterpart")
    if kind == "json":
        return (
            template_of(reading, "jsonBody")
            if way == "json"
            else rows(reading, "bodyParameters", "parameters")
        )
    _type(headers, _FORM)
    if way == "string":
        return reading.template("body", default="")
    return _form(reading, "bodyParameters", "parameters")


def _old_body(reading: Reading, headers: dict[str, Any]) -> Any:
    kind = reading.fixed("options", "bodyContentType", default="json")
    if kind not in ("json", "form-urlencoded", "raw"):
        raise Refused(f"a body of the type {kind!r} has no counterpart")
    if reading.raw("sendBinaryData"):
        raise Refused("it sends a file")
    if kind == "raw":
        _type(headers, reading.template("options", "bodyContentCustomMimeType", default="text/plain"))
        return reading.template("bodyParametersJson", default="")
    if kind == "form-urlencoded":
        _type(headers, _FORM)
        if reading.raw("jsonParameters") is True:
            raise Refused("it makes a form of JSON")
        return _form(reading, "bodyParametersUi", "parameter")
    if reading.raw("jsonParameters") is True:
        return template_of(reading, "bodyParametersJson") if reading.raw("bodyParametersJson") else None
    return rows(reading, "bodyParametersUi", "parameter") or None


def _form(reading: Reading, *path: str) -> str:
    pairs = []
    for place, row in reading.rows(*path):
        name = reading.term(row.get("name"), (*place, "name"))
        value = reading.term(row.get("value", ""), (*place, "value"))
        encoded = [f"$encodeUrlComponent($string({term.source}))" for term in (name, value)]
        pairs.append("=".join(embedded(source) for source in encoded))
    return "&".join(pairs)


def _type(headers: dict[str, Any], kind: Any) -> None:
    if not any(name.lower() == "content-type" for name in headers):
        headers["content-type"] = kind


def _options(reading: Reading, parameters: dict[str, Any], *, old: bool) -> None:
    timeout = reading.fixed("options", "timeout", default=None)
    seconds = timeout / 1000 if isinstance(timeout, int | float) and timeout > 0 else MAX_SECONDS
    parameters["timeoutSeconds"] = max(1, min(MAX_SECONDS, round(seconds)))
    if seconds > MAX_SECONDS:
        reading.leave("options.timeout", f"at most {MAX_SECONDS} seconds")
    redirect = reading.raw("options", "redirect", "redirect", "followRedirects")
    if old or redirect is None:
        redirect = reading.raw("options", "followRedirect", default=True)
    parameters["followRedirects"] = redirect is not False
    never = reading.raw("options", "response", "response", "neverError")
    if never is True or (old and reading.raw("options", "ignoreResponseCode") is True):
        parameters["failOnStatus"] = False
    for name in ("batching", "batchSize", "batchInterval"):
        if reading.raw("options", name):
            reading.leave(
                f"options.{name}", "items are called for one after the other; use a loop and a wait"
            )
    if reading.raw("options", "allowUnauthorizedCerts") or reading.raw("allowUnauthorizedCerts"):
        reading.leave("allowUnauthorizedCerts", "certificates are always checked")


def _answer(reading: Reading, *, old: bool) -> str:
    """What n8n gives after the call: the body's objects as items, unless the whole answer is asked for."""
    shape = reading.raw("options", "response", "response", default={})
    shape = shape if isinstance(shape, dict) else {}
    form = (
        reading.fixed("responseFormat", default="json") if old else shape.get("responseFormat", "autodetect")
    )
    full = reading.raw("options", "fullResponse") is True if old else shape.get("fullResponse") is True
    if form in ("file", "binary"):
        raise Refused("its answer is a file")
    if full:
        return FULL
    name = reading.raw("dataPropertyName", default="data") if old else shape.get("outputPropertyName", "data")
    if not isinstance(name, str) or '"' in name or "\\" in name or is_expression(name):
        raise Refused("the name of the answer's field is an expression")
    if form in ("text", "string"):
        return f'{{"{name}": $type(body) = "string" ? body : $string(body)}}'
    return BODY.replace('"data"', f'"{name}"')
