"""n8n's nodes that part, join, hold and end the flow."""

import re
from typing import Any

from weconnect.workflows.importers.n8n import conditions
from weconnect.workflows.importers.n8n.data_nodes import field_name
from weconnect.workflows.importers.n8n.json_templates import template_of
from weconnect.workflows.importers.n8n.source_node import Made, Reading, Refused, embedded, is_expression
from weconnect.workflows.nodes.loop import MOST_ITERATIONS

MAX_INPUTS = 10
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}


def if_(reading: Reading) -> Made:
    found = conditions.of_filter(reading) if reading.version >= 2 else conditions.of_kinds(reading)
    return Made([("if", {"condition": found})], ("true", "false"))


def filter_(reading: Reading) -> Made:
    if reading.version >= 2:
        return Made([("filter", {"condition": conditions.of_filter(reading)})])
    return Made([("filter", {"condition": conditions.of_kinds(reading)})])


def switch(reading: Reading) -> Made:
    if reading.fixed("mode", default="rules") != "rules":
        raise Refused("its output is computed by an expression")
    if reading.version < 3:
        return _numbered_switch(reading)
    if reading.raw("options", "allMatchingOutputs"):
        raise Refused("an item goes to every output whose rule holds")
    if reading.raw("options", "looseTypeValidation"):
        reading.leave(
            "options.looseTypeValidation", "texts and numbers are compared as n8n does when it is lenient"
        )
    cases = []
    key = "values" if reading.raw("rules", "values") else "rules"
    for number, (place, row) in enumerate(reading.rows("rules", key)):
        if not isinstance(row.get("conditions"), dict):
            raise Refused("a rule without conditions")
        found = conditions.of_rows(reading, row["conditions"], (*place, "conditions"))
        cases.append({"output": f"output{number}", "condition": found})
    outputs = [str(case["output"]) for case in cases]
    fallback = reading.fixed("options", "fallbackOutput", default="none")
    if isinstance(fallback, int) and fallback < len(outputs):
        cases.append({"output": outputs[fallback], "condition": "{{ true }}"})
    elif fallback == "extra":
        outputs.append("default")
    if not cases:
        raise Refused("it has no rules")
    return Made([("switch", {"cases": cases})], tuple(outputs))


def _numbered_switch(reading: Reading) -> Made:
    kind = str(reading.fixed("dataType", default="number"))
    cases: list[dict[str, str]] = []
    used = -1
    for number, (place, row) in enumerate(reading.rows("rules", "rules")):
        left = reading.term(reading.raw("value1"), ("value1",))
        output = row.get("output", number if reading.version >= 2 else 0)
        if not isinstance(output, int):
            raise Refused("the output of a rule is no number")
        used = max(used, output)
        cases.append(
            {"output": f"output{output}", "condition": conditions.of_rule(reading, kind, place, row, left)}
        )
    fallback = reading.fixed("fallbackOutput", default=-1)
    if isinstance(fallback, int) and fallback >= 0:
        used = max(used, fallback)
        cases.append({"output": f"output{fallback}", "condition": "{{ true }}"})
    if not cases or used > MAX_INPUTS:
        raise Refused("it has no rules that have a counterpart")
    named = {case["output"] for case in cases}
    outputs = [f"output{number}" for number in range(used + 1)]
    # No rule leads to the others, so nothing ever comes from them.
    return Made([("switch", {"cases": cases})], tuple(name if name in named else "" for name in outputs))


def merge(reading: Reading) -> Made:
    mode = reading.fixed("mode", default="append")
    count = reading.fixed("numberInputs", default=2)
    if not isinstance(count, int) or not 1 <= count <= MAX_INPUTS:
        raise Refused(f"{count} inputs")
    inputs = tuple(f"input{number}" for number in range(count))
    if mode == "append":
        return Made([("merge", {"mode": "append"})], inputs=inputs)
    if mode == "chooseBranch":
        return Made([("merge", {"mode": "one", "input": _chosen(reading, inputs)})], inputs=inputs)
    if reading.version < 2:
        return _old_merge(reading, mode, inputs)
    way = reading.fixed("combineBy", default=reading.fixed("combinationMode", default="combineByFields"))
    if mode == "combine" and way in ("combineByPosition", "mergeByPosition"):
        whole = reading.fixed("options", "includeUnpaired", default=False) is True
        return _side_by_side(reading, inputs, keep="all" if whole else "matched")
    if mode != "combine" or way not in ("combineByFields", "mergeByFields"):
        raise Refused(f"the mode {mode!r}{f' with {way!r}' if mode == 'combine' else ''} has no counterpart")
    return Made([("merge", {"mode": "by_key", **_by_key(reading)})], inputs=inputs)


def _old_merge(reading: Reading, mode: Any, inputs: tuple[str, ...]) -> Made:
    """Version 1, whose modes had names of their own."""
    if mode == "passThrough":
        second = reading.fixed("output", default="input1") == "input2"
        return Made([("merge", {"mode": "one", "input": inputs[int(second)]})], inputs=inputs)
    if mode == "mergeByIndex":
        join = reading.fixed("join", default="left")
        if join not in ("inner", "outer"):
            raise Refused("it keeps the items of the first input alone")
        return _side_by_side(reading, inputs, keep="all" if join == "outer" else "matched")
    raise Refused(f"the mode {mode!r} has no counterpart")


def _chosen(reading: Reading, inputs: tuple[str, ...]) -> str:
    reading.raw("chooseBranchMode")
    said = reading.fixed("output", default="specifiedInput")
    number = {"input1": 1, "input2": 2}.get(str(said)) or reading.fixed("useDataOfInput", default=1)
    if said == "empty" or not str(number).isdecimal() or not 1 <= int(number) <= len(inputs):
        raise Refused("it waits for its inputs and passes an item without fields on")
    return inputs[int(number) - 1]


def _side_by_side(reading: Reading, inputs: tuple[str, ...], keep: str) -> Made:
    """Of fields with one name the last input's wins, or the first's: then the inputs are named the other way round."""
    clash = reading.raw("options", "clashHandling", "values", default={})
    clash = clash if isinstance(clash, dict) else {}
    wins = clash.get("resolveClash", "preferLast")
    if wins == "addSuffix":
        raise Refused("it gives fields of one name the input's number")
    if clash.get("mergeMode", "deepMerge") == "deepMerge":
        reading.leave(
            "deepMerge", "of two objects in fields of one name the one that wins is taken whole here"
        )
    if wins == "preferInput1":
        inputs = inputs[::-1]
    return Made([("merge", {"mode": "by_position", "keep": keep})], inputs=inputs)


def _by_key(reading: Reading) -> dict[str, Any]:
    named = reading.fixed("fieldsToMatchString", default="")
    pairs = [(row.get("field1"), row.get("field2")) for _, row in reading.rows("mergeByFields", "values")]
    if reading.fixed("advanced", default=False) is False and named:
        pairs = [(name.strip(), name.strip()) for name in str(named).split(",")]
    if len(pairs) != 1 or pairs[0][0] != pairs[0][1] or not isinstance(pairs[0][0], str) or not pairs[0][0]:
        raise Refused("it joins by several fields, or by fields of other names")
    join = reading.fixed("joinMode", default="keepMatches")
    if (
        join not in ("keepMatches", "keepEverything")
        or reading.fixed("outputDataFrom", default="both") != "both"
    ):
        raise Refused(f"the join {join!r} has no counterpart")
    reading.leave("multipleMatches", "items of one input with the same key become one here, and pairs in n8n")
    return {"key": pairs[0][0], "keep": "matched" if join == "keepMatches" else "all"}


def loop(reading: Reading) -> Made:
    if reading.version < 2:
        raise Refused("version 1 has no output for the end of the loop")
    if reading.raw("options", "reset"):
        raise Refused("it begins anew with what comes back")
    size = reading.fixed("batchSize", default=1 if reading.version >= 3 else 10)
    if not isinstance(size, int) or not 1 <= size <= 1_000:
        raise Refused(f"batches of {size}")
    outputs = ("done", "loop") if reading.version >= 3 else ("loop", "done")
    return Made([("loop", {"batchSize": size, "maxIterations": MOST_ITERATIONS})], outputs)


def called(reading: Reading) -> Made:
    """executeWorkflow: which one is not in the file, unless it is the workflow itself."""
    if reading.fixed("mode", default="once") != "once":
        raise Refused("it runs the other workflow once for each item: use a loop with a subworkflow node")
    if reading.fixed("source", default="database") != "database":
        raise Refused("the workflow that it runs is written within it, or in a file")
    if reading.fixed("options", "waitForSubWorkflow", default=True) is not True:
        raise Refused("it does not wait for the other workflow")
    chain: list[tuple[str, dict[str, Any]]] = []
    values = reading.raw("workflowInputs", "value", default={})
    if isinstance(values, dict) and values:
        path = ("workflowInputs", "value")
        put = {field_name(name): reading.value(value, (*path, name)) for name, value in values.items()}
        chain.append(("set", {"values": put, "keepInput": False}))
    named = reading.raw("workflowId")
    chosen = named.get("value") if isinstance(named, dict) else named
    if isinstance(chosen, str) and re.fullmatch(r"=\{\{\s*\$workflow\.id\s*\}\}", chosen):
        reading.value(chosen, ("workflowId", "value") if isinstance(named, dict) else ("workflowId",))
        return Made([*chain, ("subworkflow", {"workflowId": "{{ $execution.workflowId }}"})])
    name = named.get("cachedResultName") if isinstance(named, dict) else None
    shown = f"{name if isinstance(name, str) and name else chosen!s}"[:200]
    why = f"import the workflow that it runs ({shown}), activate it and set its id here"
    return Made([*chain, ("subworkflow", {})], missing={"workflowId": why})


def noop(reading: Reading) -> Made:
    return Made([("noop", {})])


def wait(reading: Reading) -> Made:
    resume = reading.fixed("resume", default="timeInterval")
    if resume == "specificTime":
        return Made([("wait", {"until": "moment", "moment": reading.template("dateTime")})])
    if resume != "timeInterval":
        raise Refused(f"waiting for {resume!r}: a callback's address is asked for in another way here")
    amount = reading.raw("amount", default=5 if reading.version >= 1.1 else 1)
    unit = reading.fixed("unit", default="seconds" if reading.version >= 1.1 else "hours")
    if unit not in _SECONDS:
        raise Refused("the unit of the time that it waits is an expression")
    if is_expression(reading.raw("amount")):
        term = reading.term(reading.raw("amount"), ("amount",))
        computed = f"$max([1, $ceil($number({term.source}) * {_SECONDS[unit]})])"
        return Made([("wait", {"until": "duration", "seconds": embedded(computed)})])
    if not isinstance(amount, int | float):
        raise Refused("how long it waits is no number")
    if amount * _SECONDS[unit] > 30 * 86_400:
        raise Refused("it waits longer than 30 days")
    seconds = max(1, round(max(0, amount) * _SECONDS[unit]))
    return Made([("wait", {"until": "duration", "seconds": seconds})])


def stop(reading: Reading) -> Made:
    if reading.fixed("errorType", default="errorMessage") == "errorMessage":
        message = reading.template("errorMessage", default="")
    else:
        message = template_of(reading, "errorObject")
    said = message if isinstance(message, str) else str(message)
    return Made([("stop", {"outcome": "failed", "message": said})], outputs=())


def respond(reading: Reading) -> Made:
    way = reading.fixed("respondWith", default="firstIncomingItem")
    status = reading.template("options", "responseCode", default=200)
    parameters: dict[str, Any] = {"status": status}
    headers = {}
    for place, row in reading.rows("options", "responseHeaders", "entries"):
        headers[str(row.get("name"))] = reading.value(row.get("value"), (*place, "value"))
    match way:
        case "json":
            parameters["body"] = template_of(reading, "responseBody")
        case "text":
            parameters["body"] = reading.template("responseBody", default="")
            headers.setdefault("content-type", "text/html; charset=utf-8")
        case "noData":
            parameters["body"] = ""
        case "allIncomingItems":
            parameters["body"] = "{{ $input }}"
        case "firstIncomingItem":
            parameters["body"] = "{{ $input[0] }}"
        case "redirect":
            headers["location"] = reading.template("redirectURL", default="")
            parameters |= {"body": "", "status": status if status != 200 else 307}
        case _:
            raise Refused(f"an answer of the kind {way!r} has no counterpart")
    return Made([("respond", parameters | ({"headers": headers} if headers else {}))])
