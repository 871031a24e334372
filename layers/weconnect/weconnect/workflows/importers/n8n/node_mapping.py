"""Table of the converters for n8n's node types, and the reasons why other types are not converted."""

from collections.abc import Callable

from weconnect.workflows.importers.n8n import (
    ai_nodes,
    code_nodes,
    data_nodes,
    flow_nodes,
    http_nodes,
    task_nodes,
    trigger_nodes,
)
from weconnect.workflows.importers.n8n.source_node import MappedNode, NodeReader

BASE = "n8n-nodes-base."
LANGCHAIN = "@n8n/n8n-nodes-langchain."
STICKY = f"{BASE}stickyNote"

CONVERTERS: dict[str, Callable[[NodeReader], MappedNode]] = {
    f"{BASE}manualTrigger": trigger_nodes.manual,
    f"{BASE}start": trigger_nodes.manual,
    f"{BASE}executeWorkflowTrigger": trigger_nodes.convert_execute_workflow_trigger,
    f"{BASE}errorTrigger": trigger_nodes.error,
    f"{BASE}webhook": trigger_nodes.webhook,
    f"{BASE}scheduleTrigger": trigger_nodes.schedule,
    f"{BASE}cron": trigger_nodes.cron,
    f"{BASE}interval": trigger_nodes.interval,
    f"{BASE}set": data_nodes.set_,
    f"{BASE}splitOut": data_nodes.split_out,
    f"{BASE}aggregate": data_nodes.aggregate,
    f"{BASE}limit": data_nodes.limit,
    f"{BASE}sort": data_nodes.sort,
    f"{BASE}removeDuplicates": data_nodes.deduplicate,
    f"{BASE}itemLists": data_nodes.item_lists,
    f"{BASE}httpRequest": http_nodes.request,
    f"{BASE}if": flow_nodes.if_,
    f"{BASE}filter": flow_nodes.filter_,
    f"{BASE}switch": flow_nodes.switch,
    f"{BASE}merge": flow_nodes.merge,
    f"{BASE}splitInBatches": flow_nodes.loop,
    f"{BASE}noOp": flow_nodes.noop,
    f"{BASE}wait": flow_nodes.wait,
    f"{BASE}stopAndError": flow_nodes.stop,
    f"{BASE}respondToWebhook": flow_nodes.respond,
    f"{BASE}executeWorkflow": flow_nodes.convert_execute_workflow,
    f"{BASE}formTrigger": trigger_nodes.form,
    f"{LANGCHAIN}chatTrigger": trigger_nodes.chat,
    f"{LANGCHAIN}manualChatTrigger": trigger_nodes.chat,
    f"{BASE}html": task_nodes.html,
    f"{BASE}htmlExtract": task_nodes.extract,
    f"{BASE}crypto": task_nodes.crypto,
    f"{BASE}dateTime": task_nodes.date_time,
    f"{BASE}xml": task_nodes.xml,
    f"{BASE}emailSend": task_nodes.mail,
    f"{BASE}graphql": task_nodes.graphql,
    f"{BASE}summarize": task_nodes.summarize,
    f"{BASE}code": code_nodes.convert_code_node,
    f"{BASE}function": code_nodes.convert_code_node,
    f"{LANGCHAIN}chainLlm": ai_nodes.chain,
    f"{LANGCHAIN}agent": ai_nodes.agent,
    f"{LANGCHAIN}openAi": ai_nodes.openai,
    f"{LANGCHAIN}informationExtractor": ai_nodes.extractor,
    f"{LANGCHAIN}textClassifier": ai_nodes.classifier,
    f"{LANGCHAIN}sentimentAnalysis": ai_nodes.sentiment,
}

_CODE = "JavaScript is not executed here: rewrite it in Python in a code node, or in a jsonata node"
_FILES = "items contain no files here; csv, xml and html nodes read and write text in a field"
REASONS = {
    f"{BASE}functionItem": _CODE,
    f"{LANGCHAIN}code": _CODE,
    f"{BASE}form": "forms are not supported",
    f"{BASE}markdown": "no node converts between Markdown and HTML",
    f"{BASE}rssFeedRead": "fetch the feed with an http_request node and parse it with an xml node",
    f"{BASE}compareDatasets": "use a compare node, whose result for different items has another form",
    f"{BASE}extractFromFile": _FILES,
    f"{BASE}convertToFile": _FILES,
    f"{BASE}spreadsheetFile": _FILES,
    f"{BASE}readWriteFile": _FILES,
    f"{BASE}readBinaryFile": _FILES,
    f"{BASE}writeBinaryFile": _FILES,
    f"{BASE}moveBinaryData": _FILES,
    f"{BASE}readPDF": _FILES,
}


def explain_missing(type_: str) -> str:
    """Return the reason why a type has no equivalent."""
    if type_ in REASONS:
        return REASONS[type_]
    if type_.startswith(LANGCHAIN) or type_.endswith("Tool"):
        return "part of an agent or chain; it is configured in the agent here"
    if type_.endswith("Trigger"):
        return "no trigger exists for this service"
    if type_.startswith(BASE):
        return "no node exists for this service or task; call its API with an http_request node"
    return "a community node"
