"""Conversion of n8n's nodes that branch, merge, suspend and end the flow."""

import re
from typing import Any

from weconnect.workflows.importers.n8n import conditions
from weconnect.workflows.importers.n8n.data_nodes import field_name
from weconnect.workflows.importers.n8n.json_templates import read_json_parameter
from weconnect.workflows.importers.n8n.source_node import (
    MappedNode,
    NodeReader,
    NotConvertible,
    is_expression,
    wrap_expression,
)
from weconnect.workflows.nodes.loop import MAX_ITERATIONS

MAX_INPUTS = 10
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}


def if_(reader: NodeReader) -> MappedNode:
    """Convert n8n's if node."""
    condition = (
        conditions.convert_filter(reader) if reader.version >= 2 else conditions.convert_by_kind(reader)
    )
    return MappedNode([("if", {"condition": condition})], ("true", "false"))


def filter_(reader: NodeReader) -> MappedNode:
    """Convert n8n's filter node."""
    if reader.version >= 2:
        return MappedNode([("filter", {"condition": conditions.convert_filter(reader)})])
    return MappedNode([("filter", {"condition": conditions.convert_by_kind(reader)})])


def switch(reader: NodeReader) -> MappedNode:
    """Convert n8n's switch node; its cases and outputs are named `output0`, `output1`, …"""
    if reader.read_constant("mode", default="rules") != "rules":
        raise NotConvertible("its output is computed by an expression")
    if reader.version < 3:
        return _convert_numbered_switch(reader)
    if reader.read("options", "allMatchingOutputs"):
        raise NotConvertible("it sends an item to every output whose rule matches")
    if reader.read("options", "looseTypeValidation"):
        reader.report_left_out(
            "options.looseTypeValidation", "texts and numbers are compared as in n8n's loose mode"
        )
    cases = []
    key = "values" if reader.read("rules", "values") else "rules"
    for number, (path, row) in enumerate(reader.read_rows("rules", key)):
        if not isinstance(row.get("conditions"), dict):
            raise NotConvertible("a rule without conditions")
        condition = conditions.convert_rows(reader, row["conditions"], (*path, "conditions"))
        cases.append({"output": f"output{number}", "condition": condition})
    outputs = [str(case["output"]) for case in cases]
    fallback = reader.read_constant("options", "fallbackOutput", default="none")
    if isinstance(fallback, int) and fallback < len(outputs):
        cases.append({"output": outputs[fallback], "condition": "{{ true }}"})
    elif fallback == "extra":
        outputs.append("default")
    if not cases:
        raise NotConvertible("it has no rules")
    return MappedNode([("switch", {"cases": cases})], tuple(outputs))


def _convert_numbered_switch(reader: NodeReader) -> MappedNode:
    """Convert n8n's switch node of version 1 or 2, whose rules name an output by its number."""
    kind = str(reader.read_constant("dataType", default="number"))
    cases: list[dict[str, str]] = []
    used = -1
    for number, (path, row) in enumerate(reader.read_rows("rules", "rules")):
        left = reader.to_term(reader.read("value1"), ("value1",))
        output = row.get("output", number if reader.version >= 2 else 0)
        if not isinstance(output, int):
            raise NotConvertible("the output of a rule is not a number")
        used = max(used, output)
        cases.append(
            {
                "output": f"output{output}",
                "condition": conditions.convert_rule(reader, kind, path, row, left),
            }
        )
    fallback = reader.read_constant("fallbackOutput", default=-1)
    if isinstance(fallback, int) and fallback >= 0:
        used = max(used, fallback)
        cases.append({"output": f"output{fallback}", "condition": "{{ true }}"})
    if not cases or used > MAX_INPUTS:
        raise NotConvertible("it has no rules, or too many outputs")
    named = {case["output"] for case in cases}
    outputs = [f"output{number}" for number in range(used + 1)]
    # No rule leads to the other outputs, so they never emit items.
    return MappedNode(
        [("switch", {"cases": cases})], tuple(name if name in named else "" for name in outputs)
    )


def merge(reader: NodeReader) -> MappedNode:
    """Convert n8n's merge node, with inputs named `input0`, `input1`, …"""
    mode = reader.read_constant("mode", default="append")
    count = reader.read_constant("numberInputs", default=2)
    if not isinstance(count, int) or not 1 <= count <= MAX_INPUTS:
        raise NotConvertible(f"{count} inputs are not supported")
    inputs = tuple(f"input{number}" for number in range(count))
    if mode == "append":
        return MappedNode([("merge", {"mode": "append"})], inputs=inputs)
    if mode == "chooseBranch":
        return MappedNode(
            [("merge", {"mode": "one", "input": _read_chosen_input(reader, inputs)})], inputs=inputs
        )
    if reader.version < 2:
        return _convert_old_merge(reader, mode, inputs)
    way = reader.read_constant(
        "combineBy", default=reader.read_constant("combinationMode", default="combineByFields")
    )
    if mode == "combine" and way in ("combineByPosition", "mergeByPosition"):
        whole = reader.read_constant("options", "includeUnpaired", default=False) is True
        return _merge_by_position(reader, inputs, keep="all" if whole else "matched")
    if mode != "combine" or way not in ("combineByFields", "mergeByFields"):
        raise NotConvertible(
            f"the mode {mode!r}{f' with {way!r}' if mode == 'combine' else ''} has no equivalent"
        )
    return MappedNode([("merge", {"mode": "by_key", **_read_key_parameters(reader)})], inputs=inputs)


def _convert_old_merge(reader: NodeReader, mode: Any, inputs: tuple[str, ...]) -> MappedNode:
    """Convert n8n's merge node of version 1, which has other names for the modes."""
    if mode == "passThrough":
        second = reader.read_constant("output", default="input1") == "input2"
        return MappedNode([("merge", {"mode": "one", "input": inputs[int(second)]})], inputs=inputs)
    if mode == "mergeByIndex":
        join = reader.read_constant("join", default="left")
        if join not in ("inner", "outer"):
            raise NotConvertible("it keeps only the items of the first input")
        return _merge_by_position(reader, inputs, keep="all" if join == "outer" else "matched")
    raise NotConvertible(f"the mode {mode!r} has no equivalent")


def _read_chosen_input(reader: NodeReader, inputs: tuple[str, ...]) -> str:
    """Return the name of the input whose items a merge node passes on; raise NotConvertible."""
    reader.read("chooseBranchMode")
    chosen_output = reader.read_constant("output", default="specifiedInput")
    number = {"input1": 1, "input2": 2}.get(str(chosen_output)) or reader.read_constant(
        "useDataOfInput", default=1
    )
    if chosen_output == "empty" or not str(number).isdecimal() or not 1 <= int(number) <= len(inputs):
        raise NotConvertible("it waits for its inputs and emits an empty item")
    return inputs[int(number) - 1]


def _merge_by_position(reader: NodeReader, inputs: tuple[str, ...], keep: str) -> MappedNode:
    """Convert a merge by position; if the first input's fields take precedence, the inputs are reversed."""
    clash = reader.read("options", "clashHandling", "values", default={})
    clash = clash if isinstance(clash, dict) else {}
    wins = clash.get("resolveClash", "preferLast")
    if wins == "addSuffix":
        raise NotConvertible("it adds the input's number to equal field names")
    if clash.get("mergeMode", "deepMerge") == "deepMerge":
        reader.report_left_out(
            "deepMerge", "objects in fields with the same name are not merged; one of them is used"
        )
    if wins == "preferInput1":
        inputs = inputs[::-1]
    return MappedNode([("merge", {"mode": "by_position", "keep": keep})], inputs=inputs)


def _read_key_parameters(reader: NodeReader) -> dict[str, Any]:
    """Return the parameters `key` and `keep` of a merge by one field; raise NotConvertible."""
    named = reader.read_constant("fieldsToMatchString", default="")
    pairs = [(row.get("field1"), row.get("field2")) for _, row in reader.read_rows("mergeByFields", "values")]
    if reader.read_constant("advanced", default=False) is False and named:
        pairs = [(name.strip(), name.strip()) for name in str(named).split(",")]
    if len(pairs) != 1 or pairs[0][0] != pairs[0][1] or not isinstance(pairs[0][0], str) or not pairs[0][0]:
        raise NotConvertible("it joins by several fields or by fields with different names")
    join = reader.read_constant("joinMode", default="keepMatches")
    if (
        join not in ("keepMatches", "keepEverything")
        or reader.read_constant("outputDataFrom", default="both") != "both"
    ):
        raise NotConvertible(f"the join {join!r} has no equivalent")
    reader.report_left_out(
        "multipleMatches", "items of one input with the same key become one item here, several in n8n"
    )
    return {"key": pairs[0][0], "keep": "matched" if join == "keepMatches" else "all"}


def loop(reader: NodeReader) -> MappedNode:
    """Convert n8n's splitInBatches node."""
    if reader.version < 2:
        raise NotConvertible("version 1 has no output for the end of the loop")
    if reader.read("options", "reset"):
        raise NotConvertible("it resets the loop with the returned items")
    size = reader.read_constant("batchSize", default=1 if reader.version >= 3 else 10)
    if not isinstance(size, int) or not 1 <= size <= 1_000:
        raise NotConvertible(f"batches of {size} are not supported")
    outputs = ("done", "loop") if reader.version >= 3 else ("loop", "done")
    return MappedNode([("loop", {"batchSize": size, "maxIterations": MAX_ITERATIONS})], outputs)


def convert_execute_workflow(reader: NodeReader) -> MappedNode:
    """Convert n8n's executeWorkflow node; the file lacks the other workflow, unless the workflow calls itself."""
    if reader.read_constant("mode", default="once") != "once":
        raise NotConvertible(
            "it executes the other workflow for each item: use a loop with a subworkflow node"
        )
    if reader.read_constant("source", default="database") != "database":
        raise NotConvertible("the other workflow is defined in the node or in a file")
    if reader.read_constant("options", "waitForSubWorkflow", default=True) is not True:
        raise NotConvertible("it does not wait for the other workflow")
    chain: list[tuple[str, dict[str, Any]]] = []
    values = reader.read("workflowInputs", "value", default={})
    if isinstance(values, dict) and values:
        path = ("workflowInputs", "value")
        put = {field_name(name): reader.convert(value, (*path, name)) for name, value in values.items()}
        chain.append(("set", {"values": put, "keepInput": False}))
    named = reader.read("workflowId")
    chosen = named.get("value") if isinstance(named, dict) else named
    if isinstance(chosen, str) and re.fullmatch(r"=\{\{\s*\$workflow\.id\s*\}\}", chosen):
        reader.convert(chosen, ("workflowId", "value") if isinstance(named, dict) else ("workflowId",))
        return MappedNode([*chain, ("subworkflow", {"workflowId": "{{ $execution.workflowId }}"})])
    name = named.get("cachedResultName") if isinstance(named, dict) else None
    shown = f"{name if isinstance(name, str) and name else chosen!s}"[:200]
    why = f"import the other workflow ({shown}), activate it and set its id here"
    return MappedNode([*chain, ("subworkflow", {})], missing={"workflowId": why})


def noop(reader: NodeReader) -> MappedNode:
    """Convert n8n's noOp node."""
    return MappedNode([("noop", {})])


def wait(reader: NodeReader) -> MappedNode:
    """Convert n8n's wait node: for a duration of at most 30 days, or until a moment."""
    resume = reader.read_constant("resume", default="timeInterval")
    if resume == "specificTime":
        return MappedNode([("wait", {"until": "moment", "moment": reader.read_template("dateTime")})])
    if resume != "timeInterval":
        raise NotConvertible(f"waiting for {resume!r} is not supported: callbacks work differently here")
    amount = reader.read("amount", default=5 if reader.version >= 1.1 else 1)
    unit = reader.read_constant("unit", default="seconds" if reader.version >= 1.1 else "hours")
    if unit not in _SECONDS:
        raise NotConvertible("the unit of its waiting time is an expression")
    if is_expression(reader.read("amount")):
        term = reader.to_term(reader.read("amount"), ("amount",))
        computed = f"$max([1, $ceil($number({term.source}) * {_SECONDS[unit]})])"
        return MappedNode([("wait", {"until": "duration", "seconds": wrap_expression(computed)})])
    if not isinstance(amount, int | float):
        raise NotConvertible("its waiting time is not a number")
    if amount * _SECONDS[unit] > 30 * 86_400:
        raise NotConvertible("it waits longer than 30 days")
    seconds = max(1, round(max(0, amount) * _SECONDS[unit]))
    return MappedNode([("wait", {"until": "duration", "seconds": seconds})])


def stop(reader: NodeReader) -> MappedNode:
    """Convert n8n's stopAndError node."""
    if reader.read_constant("errorType", default="errorMessage") == "errorMessage":
        message = reader.read_template("errorMessage", default="")
    else:
        message = read_json_parameter(reader, "errorObject")
    text = message if isinstance(message, str) else str(message)
    return MappedNode([("stop", {"outcome": "failed", "message": text})], outputs=())


def respond(reader: NodeReader) -> MappedNode:
    """Convert n8n's respondToWebhook node."""
    way = reader.read_constant("respondWith", default="firstIncomingItem")
    status = reader.read_template("options", "responseCode", default=200)
    parameters: dict[str, Any] = {"status": status}
    headers = {}
    for path, row in reader.read_rows("options", "responseHeaders", "entries"):
        headers[str(row.get("name"))] = reader.convert(row.get("value"), (*path, "value"))
    match way:
        case "json":
            parameters["body"] = read_json_parameter(reader, "responseBody")
        case "text":
            parameters["body"] = reader.read_template("responseBody", default="")
            headers.setdefault("content-type", "text/html; charset=utf-8")
        case "noData":
            parameters["body"] = ""
        case "allIncomingItems":
            parameters["body"] = "{{ $input }}"
        case "firstIncomingItem":
            parameters["body"] = "{{ $input[0] }}"
        case "redirect":
            headers["location"] = reader.read_template("redirectURL", default="")
            parameters |= {"body": "", "status": status if status != 200 else 307}
        case _:
            raise NotConvertible(f"a response of the kind {way!r} has no equivalent")
    return MappedNode([("respond", parameters | ({"headers": headers} if headers else {}))])
