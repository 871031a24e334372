"""Conversion of n8n's nodes with a single task: HTML, hashes, dates, mail, XML, GraphQL, summaries."""

import re
from typing import Any

from weconnect.workflows.importers.n8n import functions, http_nodes
from weconnect.workflows.importers.n8n.data_nodes import field_name
from weconnect.workflows.importers.n8n.json_templates import read_json_parameter
from weconnect.workflows.importers.n8n.jsonata_terms import field_path
from weconnect.workflows.importers.n8n.source_node import (
    MappedNode,
    NodeReader,
    NotConvertible,
    is_expression,
    wrap_expression,
)
from weconnect.workflows.importers.n8n.syntax_tree import Constant, Unsupported

MAX_AMOUNT = 10_000_000
_HASHES = {"MD5": "md5", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512", "SHA3-256": "sha3_256"}
_SUMS = {"sum": "sum", "average": "average", "min": "min", "max": "max", "append": "list", "count": "count"}
_SUM_NAMES = {"append": "appended", "count": "count"}
_ADDRESS = re.compile(r"(?<![^\s<>,;@{}])[^\s<>,;@{}]++@[^\s<>,;@{}]+")
_RENAMED = (
    '($read := function($x) { $type($x) = "object" ? $merge($each($x, function($v, $k) {'
    ' {($k = "#text" ? "_" : $replace($k, /^@/, "")): $read($v)} }))'
    ' : $type($x) = "array" ? [$map($x, $read)] : $x }; $read(xml))'
)


def html(reader: NodeReader) -> MappedNode:
    """Convert n8n's html node: a template, or the extraction by selectors."""
    operation = reader.read_constant("operation", default="generateHtmlTemplate")
    if operation == "extractHtmlContent":
        return extract(reader)
    html_text = reader.read("html", default="")
    if operation != "generateHtmlTemplate" or not isinstance(html_text, str) or not html_text:
        raise NotConvertible(f"the operation {operation!r} has no equivalent, or it has no HTML")
    # n8n evaluates this text with or without an equals sign before it.
    template = reader.convert(html_text if is_expression(html_text) else f"={html_text}", ("html",))
    return MappedNode([("set", {"values": {"html": template}, "keepInput": False})])


def extract(reader: NodeReader) -> MappedNode:
    """Convert n8n's htmlExtract node: texts and attributes by selectors; the item has only these fields."""
    if reader.read_constant("sourceData", default="json") != "json":
        raise NotConvertible("it reads a file")
    extractions: dict[str, Any] = {}
    for _, row in reader.read_rows("extractionValues", "values"):
        selector, kind = row.get("cssSelector"), row.get("returnValue", "text")
        selector = (
            selector.removeprefix("=") if isinstance(selector, str) and "{{" not in selector else selector
        )
        if not isinstance(selector, str) or not 1 <= len(selector) <= 500 or _is_computed(selector):
            raise NotConvertible("a selector is missing or an expression")
        if kind not in ("text", "attribute") or row.get("skipSelectors"):
            raise NotConvertible("it extracts HTML or an input's value, or skips a part of the match")
        many = row.get("returnArray") is True
        extractions[field_name(row.get("key"))] = {"selector": selector, "all": many} | _read_attribute(
            row, kind
        )
        if kind == "text" and not many:
            reader.report_left_out(
                row["key"], "has the text of the first match; n8n joins those of all matches"
            )
    if not extractions:
        raise NotConvertible("it has no values to extract")
    reader.read("options", "trimValues"), reader.read("options", "cleanUpText")
    if reader.version >= 1.2:
        reader.report_left_out(
            "text", "is unchanged; n8n writes headings in capitals and links with their addresses"
        )
    source = field_path(_read_field_name(reader, "dataPropertyName"))
    return MappedNode(
        [("html", {"text": wrap_expression(source), "extract": extractions, "keepInput": False})]
    )


def _is_computed(text: str) -> bool:
    """Return whether a text is an expression in n8n or would be one here."""
    return is_expression(text) or "{{" in text


def _read_attribute(row: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Return `{"attribute": name}` of a value to extract, `{}` for another kind; raise NotConvertible."""
    if kind != "attribute":
        return {}
    name = row.get("attribute")
    if not isinstance(name, str) or not name or _is_computed(name):
        raise NotConvertible("an attribute is missing or an expression")
    return {"attribute": name[:100]}


def _read_field_name(reader: NodeReader, key: str, default: str = "data") -> str:
    """Return the path of a field; raise NotConvertible."""
    return field_name(reader.read(key, default=default) or default)


def crypto(reader: NodeReader) -> MappedNode:
    """Convert n8n's crypto node: a hash, an HMAC or a UUID."""
    action = reader.read_constant("action", default="hash")
    if reader.read_constant("binaryData", default=False):
        raise NotConvertible("it reads a file")
    if action == "generate":
        if reader.read_constant("encodingType", default="uuid") != "uuid":
            raise NotConvertible("it generates random text other than a UUID")
        reader.report_left_out("encodingType", "the UUIDs are random and ordered by time")
        return MappedNode(
            [("crypto", {"operation": "id", "as": _read_field_name(reader, "dataPropertyName")})]
        )
    kind = reader.read_constant("type", default="MD5")
    form = reader.read_constant("encoding", default="hex")
    if action not in ("hash", "hmac") or kind not in _HASHES or form not in ("hex", "base64"):
        raise NotConvertible(f"{action!r} with {kind!r} has no equivalent")
    value = reader.read_template("value", default="")
    if value in (None, ""):
        raise NotConvertible("it has no text")
    parameters = {"operation": action, "text": value, "algorithm": _HASHES[kind], "format": form}
    if action == "hmac":
        parameters["key"] = reader.read_template("secret", default="")
    return MappedNode([("crypto", parameters | {"as": _read_field_name(reader, "dataPropertyName")})])


def date_time(reader: NodeReader) -> MappedNode:
    """Convert n8n's dateTime node of version 2, with the functions that expressions use."""
    if reader.version < 2:
        raise NotConvertible("version 1 parses dates in any format")
    operation = reader.read_constant("operation", default="getCurrentDate")
    zone = reader.read_constant("options", "timezone", default="")
    if zone not in ("", "UTC", "Etc/UTC", "GMT"):
        raise NotConvertible(f"it uses another time zone, {str(zone)[:40]!r}")
    keep = reader.read_constant("options", "includeInputFields", default=False) is True
    if operation == "getCurrentDate":
        whole = reader.read_constant("includeTime", default=True) is not False
        source = "$now()" if whole else '$now("[Y0001]-[M01]-[D01]") & "T00:00:00.000Z"'
        return _build_time_field(reader, "currentDate", source, keep=keep)
    moment = _read_moment(reader, "magnitude" if operation in ("addToDate", "subtractFromDate") else "date")
    if operation == "formatDate":
        return _build_time_field(
            reader, "formattedDate", f'$fromMillis({moment}, "{_read_picture(reader)}")', keep=keep
        )
    if operation in ("addToDate", "subtractFromDate"):
        unit, amount = (
            reader.read_constant("timeUnit", default="days"),
            reader.read_constant("duration", default=0),
        )
        is_valid = isinstance(amount, int | float) and abs(amount) <= MAX_AMOUNT
        if unit not in functions.MILLIS_BY_UNIT or not is_valid:
            raise NotConvertible(f"it calculates with the unit {unit!r} or with an expression")
        sign = "+" if operation == "addToDate" else "-"
        millis = round(amount * functions.MILLIS_BY_UNIT[unit])
        return _build_time_field(reader, "newDate", f"$fromMillis({moment} {sign} {millis})", keep=keep)
    raise NotConvertible(f"the operation {operation!r} has no equivalent")


def _build_time_field(reader: NodeReader, default: str, source: str, *, keep: bool) -> MappedNode:
    """Return a set node that puts the time computed by JSONata into the output field, named `default` by default."""
    if getattr(reader.scope, "timezone", None) not in ("UTC", "Etc/UTC", "GMT"):
        reader.report_left_out("timezone", "the time is in UTC")
    name = _read_field_name(reader, "outputFieldName", default)
    return MappedNode([("set", {"values": {name: wrap_expression(source)}, "keepInput": keep})])


def _read_moment(reader: NodeReader, key: str) -> str:
    """Return the expression for milliseconds; a value that is neither a number nor ISO 8601 fails the execution."""
    value_read = reader.read(key)
    if value_read in (None, ""):
        raise NotConvertible("it has no date")
    if reader.read("options", "fromFormat"):
        raise NotConvertible("its date has a custom format")
    term = reader.to_term(value_read, (key,))
    return term.source if term.kind in ("moment", "date", "number") else functions.read_millis(term.source)


def _read_picture(reader: NodeReader) -> str:
    """Return JSONata's picture string for the format of a date; raise NotConvertible."""
    form = reader.read_constant("format", default="MM/dd/yyyy")
    form = reader.read_constant("customFormat", default="") if form == "custom" else form
    try:
        return functions.format_picture(Constant(form))
    except Unsupported as refusal:
        raise NotConvertible(f"{refusal} is not supported") from None


def xml(reader: NodeReader) -> MappedNode:
    """Convert n8n's xml node: XML to JSON, with n8n's names of texts and attributes."""
    if reader.read_constant("mode", default="xmlToJson") != "xmlToJson" or reader.read("options"):
        raise NotConvertible("it writes XML, or parses it with custom options")
    source = field_path(_read_field_name(reader, "dataPropertyName"))
    steps = [("xml", {"operation": "parse", "text": wrap_expression(source), "as": "xml"})]
    return MappedNode([*steps, ("jsonata", {"expression": _RENAMED})])


def mail(reader: NodeReader) -> MappedNode:
    """Convert n8n's emailSend node: plain text, sent from the deployment's own address; HTML is not convertible."""
    operation = reader.read_constant("operation", default="send")
    form = reader.read_constant("emailFormat", default="html" if reader.version >= 2.1 else "text")
    if operation != "send" or form != "text" or reader.read("html"):
        raise NotConvertible("it sends HTML (mails are plain text here) or waits for a reply")
    for key in ("ccEmail", "bccEmail", "attachments"):
        if reader.read(key) or reader.read("options", key):
            raise NotConvertible(f"mails have only recipients and a text here ({key} is not supported)")
    subject, text = reader.read_template("subject", default=""), reader.read_template("text", default="")
    if not subject or not text:
        raise NotConvertible("it has no subject or no text")
    parameters = {"to": _read_addresses(reader), "subject": subject, "text": text}
    reader.read("fromEmail"), reader.read("options", "appendAttribution")
    reader.report_left_out("fromEmail", "mails are sent from the deployment's own address")
    reader.report_left_out("the answer", "is {messageId, to}")
    return MappedNode([("email_send", parameters)])


def _read_addresses(reader: NodeReader) -> list[str] | str:
    """Return the recipients, or the expression that splits them; raise NotConvertible unless there are 1 to 10."""
    value_read = reader.read("toEmail")
    if is_expression(value_read):
        return wrap_expression(f"[$split({reader.to_term(value_read, ('toEmail',)).source}, /\\s*,\\s*/)]")
    addresses = _ADDRESS.findall(value_read) if isinstance(value_read, str) else []
    if not 1 <= len(addresses) <= 10:
        raise NotConvertible("it has no addresses or more than ten")
    return addresses


def graphql(reader: NodeReader) -> MappedNode:
    """Convert n8n's graphql node to an HTTP request with the query as JSON."""
    if reader.read_constant("requestMethod", default="GET" if reader.version < 1.1 else "POST") != "POST":
        raise NotConvertible("it sends the query in the URL (GET)")
    if reader.read_constant("requestFormat", default="json") != "json":
        raise NotConvertible("it sends the query as plain text")
    if reader.read_constant("responseFormat", default="json") != "json":
        raise NotConvertible("it returns the response as text in a field")
    address, query = reader.read_template("endpoint", default=""), reader.read_template("query", default="")
    if not address or not query:
        raise NotConvertible("it has no address or no query")
    body: dict[str, Any] = {"query": query}
    if reader.read("variables"):
        body["variables"] = read_json_parameter(reader, "variables")
    if name := reader.read_template("operationName", default=""):
        body["operationName"] = name
    headers = http_nodes.read_pairs(reader, "headerParametersUi", "parameter")
    parameters: dict[str, Any] = {"method": "POST", "url": address, "body": body, "timeoutSeconds": 120}
    parameters |= {"headers": headers} if headers else {}
    if reader.read_constant("authentication", default="none") != "none":
        reader.report_left_out(
            "authentication", "the file does not contain its credential: set the header that it sends"
        )
    return MappedNode([("http_request", parameters), ("jsonata", {"expression": http_nodes.BODY})])


def summarize(reader: NodeReader) -> MappedNode:
    """Convert n8n's summarize node: aggregations over all items or groups, with the field names of n8n."""
    if reader.read_constant("options", "outputFormat", default="separateItems") != "separateItems":
        raise NotConvertible("it combines all groups in one item")
    operations = []
    for _, row in reader.read_rows("fieldsToSummarize", "values"):
        kind, name = str(row.get("aggregation", "count")), row.get("field")
        if kind not in _SUMS or not isinstance(name, str) or not name or is_expression(name):
            raise NotConvertible(f"{kind!r} has no equivalent, or a field is missing or an expression")
        into = re.sub(r"[ .]", "_", re.sub(r'[\]\["]', "", name))
        operations.append(
            {"function": _SUMS[kind], "field": name, "as": f"{_SUM_NAMES.get(kind, kind)}_{into}"}
        )
    if not operations:
        raise NotConvertible("it names no fields")
    by = [
        name.strip()
        for name in str(reader.read_constant("fieldsToSplitBy", default="")).split(",")
        if name.strip()
    ]
    reader.report_left_out(
        "values", "missing ones are not counted, empty texts are; a sum of texts fails the execution"
    )
    return MappedNode(
        [("aggregate", {"operations": operations, "groupBy": by} if by else {"operations": operations})]
    )
