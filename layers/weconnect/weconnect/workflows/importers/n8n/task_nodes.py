"""n8n's nodes with one task of their own: texts, moments, mails, sums."""

import re
from typing import Any

from weconnect.workflows.importers.n8n import functions, http_nodes
from weconnect.workflows.importers.n8n.data_nodes import field_name
from weconnect.workflows.importers.n8n.json_templates import template_of
from weconnect.workflows.importers.n8n.jsonata_terms import text_of_field
from weconnect.workflows.importers.n8n.source_node import Made, Reading, Refused, embedded, is_expression
from weconnect.workflows.importers.n8n.syntax_tree import Constant, Unsupported

MAX_AMOUNT = 10_000_000
_HASHES = {"MD5": "md5", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512", "SHA3-256": "sha3_256"}
_SUMS = {"sum": "sum", "average": "average", "min": "min", "max": "max", "append": "list", "count": "count"}
_SUM_NAMES = {"append": "appended", "count": "count"}
_ADDRESS = re.compile(r"[^\s<>,;@{}]+@[^\s<>,;@{}]+")
_RENAMED = (
    '($read := function($x) { $type($x) = "object" ? $merge($each($x, function($v, $k) {'
    ' {($k = "#text" ? "_" : $replace($k, /^@/, "")): $read($v)} }))'
    ' : $type($x) = "array" ? [$map($x, $read)] : $x }; $read(xml))'
)


def html(reading: Reading) -> Made:
    operation = reading.fixed("operation", default="generateHtmlTemplate")
    if operation == "extractHtmlContent":
        return extract(reading)
    written = reading.raw("html", default="")
    if operation != "generateHtmlTemplate" or not isinstance(written, str) or not written:
        raise Refused(f"the operation {operation!r} has no counterpart, or it has no HTML")
    # n8n fills this text in whether or not an equals sign stands before it.
    found = reading.value(written if is_expression(written) else f"={written}", ("html",))
    return Made([("set", {"values": {"html": found}, "keepInput": False})])


def extract(reading: Reading) -> Made:
    """Texts and attributes by their selectors, as the only fields of the item."""
    if reading.fixed("sourceData", default="json") != "json":
        raise Refused("it reads a file")
    wanted: dict[str, Any] = {}
    for _, row in reading.rows("extractionValues", "values"):
        selector, kind = row.get("cssSelector"), row.get("returnValue", "text")
        selector = (
            selector.removeprefix("=") if isinstance(selector, str) and "{{" not in selector else selector
        )
        if not isinstance(selector, str) or not 1 <= len(selector) <= 500 or _is_computed(selector):
            raise Refused("a selector is missing or an expression")
        if kind not in ("text", "attribute") or row.get("skipSelectors"):
            raise Refused("it takes HTML, an input's value, or leaves out a part of what it finds")
        many = row.get("returnArray") is True
        wanted[field_name(row.get("key"))] = {"selector": selector, "all": many} | _attribute(row, kind)
        if kind == "text" and not many:
            reading.leave(row["key"], "the text of the first that fits, where n8n joins those of all")
    if not wanted:
        raise Refused("it names nothing to take")
    reading.raw("options", "trimValues"), reading.raw("options", "cleanUpText")
    if reading.version >= 1.2:
        reading.leave(
            "text", "as the page has it: n8n writes headings in capitals and links with their addresses"
        )
    source = text_of_field(_field(reading, "dataPropertyName"))
    return Made([("html", {"text": embedded(source), "extract": wanted, "keepInput": False})])


def _is_computed(text: str) -> bool:
    """Whether a text is an expression of n8n's, or would be one of ours."""
    return is_expression(text) or "{{" in text


def _attribute(row: dict[str, Any], kind: Any) -> dict[str, Any]:
    if kind != "attribute":
        return {}
    name = row.get("attribute")
    if not isinstance(name, str) or not name or _is_computed(name):
        raise Refused("an attribute is missing or an expression")
    return {"attribute": name[:100]}


def _field(reading: Reading, key: str, default: str = "data") -> str:
    """The path of a field; raises Refused."""
    return field_name(reading.raw(key, default=default) or default)


def crypto(reading: Reading) -> Made:
    action = reading.fixed("action", default="hash")
    if reading.fixed("binaryData", default=False):
        raise Refused("it reads a file")
    if action == "generate":
        if reading.fixed("encodingType", default="uuid") != "uuid":
            raise Refused("it makes random text that is no UUID")
        reading.leave("encodingType", "the UUIDs are random and sort by time")
        return Made([("crypto", {"operation": "id", "as": _field(reading, "dataPropertyName")})])
    kind = reading.fixed("type", default="MD5")
    form = reading.fixed("encoding", default="hex")
    if action not in ("hash", "hmac") or kind not in _HASHES or form not in ("hex", "base64"):
        raise Refused(f"{action!r} with {kind!r} has no counterpart")
    value = reading.template("value", default="")
    if value in (None, ""):
        raise Refused("it has no text")
    parameters = {"operation": action, "text": value, "algorithm": _HASHES[kind], "format": form}
    if action == "hmac":
        parameters["key"] = reading.template("secret", default="")
    return Made([("crypto", parameters | {"as": _field(reading, "dataPropertyName")})])


def date_time(reading: Reading) -> Made:
    """Version 2, by the functions that expressions use."""
    if reading.version < 2:
        raise Refused("version 1 reads dates of any form")
    operation = reading.fixed("operation", default="getCurrentDate")
    zone = reading.fixed("options", "timezone", default="")
    if zone not in ("", "UTC", "Etc/UTC", "GMT"):
        raise Refused(f"it tells the time of another zone, {str(zone)[:40]!r}")
    keep = reading.fixed("options", "includeInputFields", default=False) is True
    if operation == "getCurrentDate":
        whole = reading.fixed("includeTime", default=True) is not False
        source = "$now()" if whole else '$now("[Y0001]-[M01]-[D01]") & "T00:00:00.000Z"'
        return _timed(reading, "currentDate", source, keep=keep)
    moment = _moment(reading, "magnitude" if operation in ("addToDate", "subtractFromDate") else "date")
    if operation == "formatDate":
        return _timed(reading, "formattedDate", f'$fromMillis({moment}, "{_picture(reading)}")', keep=keep)
    if operation in ("addToDate", "subtractFromDate"):
        unit, amount = reading.fixed("timeUnit", default="days"), reading.fixed("duration", default=0)
        known = isinstance(amount, int | float) and abs(amount) <= MAX_AMOUNT
        if unit not in functions.UNITS_OF_NODES or not known:
            raise Refused(f"it reckons in {unit!r}, or with an expression")
        sign = "+" if operation == "addToDate" else "-"
        millis = round(amount * functions.UNITS_OF_NODES[unit])
        return _timed(reading, "newDate", f"$fromMillis({moment} {sign} {millis})", keep=keep)
    raise Refused(f"the operation {operation!r} has no counterpart")


def _timed(reading: Reading, default: str, source: str, *, keep: bool) -> Made:
    if getattr(reading.where, "timezone", None) not in ("UTC", "Etc/UTC", "GMT"):
        reading.leave("timezone", "the time is told in UTC")
    name = _field(reading, "outputFieldName", default)
    return Made([("set", {"values": {name: embedded(source)}, "keepInput": keep})])


def _moment(reading: Reading, key: str) -> str:
    """Milliseconds; what is neither a number nor ISO 8601 ends the run."""
    given = reading.raw(key)
    if given in (None, ""):
        raise Refused("it has no date")
    if reading.raw("options", "fromFormat"):
        raise Refused("its date has a form of its own")
    term = reading.term(given, (key,))
    return term.source if term.kind in ("moment", "date", "number") else functions.read_moment(term.source)


def _picture(reading: Reading) -> str:
    form = reading.fixed("format", default="MM/dd/yyyy")
    form = reading.fixed("customFormat", default="") if form == "custom" else form
    try:
        return functions.picture(Constant(form))
    except Unsupported as refusal:
        raise Refused(f"{refusal} is not taken") from None


def xml(reading: Reading) -> Made:
    if reading.fixed("mode", default="xmlToJson") != "xmlToJson" or reading.raw("options"):
        raise Refused("it writes XML, or reads it by rules of its own")
    source = text_of_field(_field(reading, "dataPropertyName"))
    steps = [("xml", {"operation": "parse", "text": embedded(source), "as": "xml"})]
    return Made([*steps, ("jsonata", {"expression": _RENAMED})])


def mail(reading: Reading) -> Made:
    """A plain-text mail from the deployment's own sender; one that is HTML has no counterpart."""
    operation = reading.fixed("operation", default="send")
    form = reading.fixed("emailFormat", default="html" if reading.version >= 2.1 else "text")
    if operation != "send" or form != "text" or reading.raw("html"):
        raise Refused("it sends HTML, and mails are plain text here, or it waits for an answer")
    for key in ("ccEmail", "bccEmail", "attachments"):
        if reading.raw(key) or reading.raw("options", key):
            raise Refused(f"it sends more than one text to those it is for ({key})")
    subject, text = reading.template("subject", default=""), reading.template("text", default="")
    if not subject or not text:
        raise Refused("it has no subject or no text")
    parameters = {"to": _addresses(reading), "subject": subject, "text": text}
    reading.raw("fromEmail"), reading.raw("options", "appendAttribution")
    reading.leave("fromEmail", "mails come from the deployment's own sender")
    reading.leave("the answer", "is {messageId, to}")
    return Made([("email_send", parameters)])


def _addresses(reading: Reading) -> list[str] | str:
    given = reading.raw("toEmail")
    if is_expression(given):
        return embedded(f"[$split({reading.term(given, ('toEmail',)).source}, /\\s*,\\s*/)]")
    found = _ADDRESS.findall(given) if isinstance(given, str) else []
    if not 1 <= len(found) <= 10:
        raise Refused("it names no addresses, or more than ten")
    return found


def graphql(reading: Reading) -> Made:
    """A call with the query as JSON."""
    if reading.fixed("requestMethod", default="GET" if reading.version < 1.1 else "POST") != "POST":
        raise Refused("it asks by the address alone")
    if reading.fixed("requestFormat", default="json") != "json":
        raise Refused("its query is sent as it stands")
    if reading.fixed("responseFormat", default="json") != "json":
        raise Refused("its answer is text in a field")
    address, query = reading.template("endpoint", default=""), reading.template("query", default="")
    if not address or not query:
        raise Refused("it has no address or no query")
    body: dict[str, Any] = {"query": query}
    if reading.raw("variables"):
        body["variables"] = template_of(reading, "variables")
    if name := reading.template("operationName", default=""):
        body["operationName"] = name
    headers = http_nodes.rows(reading, "headerParametersUi", "parameter")
    parameters: dict[str, Any] = {"method": "POST", "url": address, "body": body, "timeoutSeconds": 120}
    parameters |= {"headers": headers} if headers else {}
    if reading.fixed("authentication", default="none") != "none":
        reading.leave("authentication", "its credential is not in the file: set the header that it sends")
    return Made([("http_request", parameters), ("jsonata", {"expression": http_nodes.BODY})])


def summarize(reading: Reading) -> Made:
    """Sums over all items or groups, under the names that n8n gives them."""
    if reading.fixed("options", "outputFormat", default="separateItems") != "separateItems":
        raise Refused("it makes one item of all groups")
    operations = []
    for _, row in reading.rows("fieldsToSummarize", "values"):
        kind, name = str(row.get("aggregation", "count")), row.get("field")
        if kind not in _SUMS or not isinstance(name, str) or not name or is_expression(name):
            raise Refused(f"{kind!r} has no counterpart, or a field is missing or an expression")
        into = re.sub(r"[ .]", "_", re.sub(r'[\]\["]', "", name))
        operations.append(
            {"function": _SUMS[kind], "field": name, "as": f"{_SUM_NAMES.get(kind, kind)}_{into}"}
        )
    if not operations:
        raise Refused("it names no fields")
    by = [
        name.strip() for name in str(reading.fixed("fieldsToSplitBy", default="")).split(",") if name.strip()
    ]
    reading.leave(
        "values", "missing ones are not counted, texts that are empty are; sums of texts end the run"
    )
    return Made(
        [("aggregate", {"operations": operations, "groupBy": by} if by else {"operations": operations})]
    )
