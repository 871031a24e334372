"""Which of n8n's node types are made into what: the table, and why others are not."""

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
from weconnect.workflows.importers.n8n.source_node import Made, Reading

BASE = "n8n-nodes-base."
LANGCHAIN = "@n8n/n8n-nodes-langchain."
STICKY = f"{BASE}stickyNote"

MAKERS: dict[str, Callable[[Reading], Made]] = {
    f"{BASE}manualTrigger": trigger_nodes.manual,
    f"{BASE}start": trigger_nodes.manual,
    f"{BASE}executeWorkflowTrigger": trigger_nodes.called,
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
    f"{BASE}executeWorkflow": flow_nodes.called,
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
    f"{BASE}code": code_nodes.code,
    f"{BASE}function": code_nodes.code,
    f"{LANGCHAIN}chainLlm": ai_nodes.chain,
    f"{LANGCHAIN}agent": ai_nodes.agent,
    f"{LANGCHAIN}openAi": ai_nodes.openai,
    f"{LANGCHAIN}informationExtractor": ai_nodes.extractor,
    f"{LANGCHAIN}textClassifier": ai_nodes.classifier,
    f"{LANGCHAIN}sentimentAnalysis": ai_nodes.sentiment,
}

_CODE = "code in JavaScript is not run here: write it in Python as a code node, or as a jsonata node"
_FILES = "items hold no files here; a csv, xml or html node reads and writes text that is in a field"
REASONS = {
    f"{BASE}functionItem": _CODE,
    f"{LANGCHAIN}code": _CODE,
    f"{BASE}form": "there are no forms here",
    f"{BASE}markdown": "no node makes HTML of Markdown, or Markdown of HTML",
    f"{BASE}rssFeedRead": "call the feed with an http_request node and read it with an xml node",
    f"{BASE}compareDatasets": "use a compare node: what it tells of items that differ has another form",
    f"{BASE}extractFromFile": _FILES,
    f"{BASE}convertToFile": _FILES,
    f"{BASE}spreadsheetFile": _FILES,
    f"{BASE}readWriteFile": _FILES,
    f"{BASE}readBinaryFile": _FILES,
    f"{BASE}writeBinaryFile": _FILES,
    f"{BASE}moveBinaryData": _FILES,
    f"{BASE}readPDF": _FILES,
}


def reason(type_: str) -> str:
    """Why a type has no counterpart."""
    if type_ in REASONS:
        return REASONS[type_]
    if type_.startswith(LANGCHAIN) or type_.endswith("Tool"):
        return "a part of an agent or of a chain, which is configured on the agent here"
    if type_.endswith("Trigger"):
        return "there is no trigger for this service"
    if type_.startswith(BASE):
        return "there is no node for this service or task: an http_request node can call its API"
    return "a community node"
