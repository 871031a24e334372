"""Which of n8n's node types are made into what: the table, and why others are not."""

from collections.abc import Callable

from weconnect.workflows.n8n import ai, code, data, flow, http, tasks, triggers
from weconnect.workflows.n8n.reading import Made, Reading

BASE = "n8n-nodes-base."
LANGCHAIN = "@n8n/n8n-nodes-langchain."
STICKY = f"{BASE}stickyNote"

MAKERS: dict[str, Callable[[Reading], Made]] = {
    f"{BASE}manualTrigger": triggers.manual,
    f"{BASE}start": triggers.manual,
    f"{BASE}executeWorkflowTrigger": triggers.called,
    f"{BASE}errorTrigger": triggers.error,
    f"{BASE}webhook": triggers.webhook,
    f"{BASE}scheduleTrigger": triggers.schedule,
    f"{BASE}cron": triggers.cron,
    f"{BASE}interval": triggers.interval,
    f"{BASE}set": data.set_,
    f"{BASE}splitOut": data.split_out,
    f"{BASE}aggregate": data.aggregate,
    f"{BASE}limit": data.limit,
    f"{BASE}sort": data.sort,
    f"{BASE}removeDuplicates": data.deduplicate,
    f"{BASE}itemLists": data.item_lists,
    f"{BASE}httpRequest": http.request,
    f"{BASE}if": flow.if_,
    f"{BASE}filter": flow.filter_,
    f"{BASE}switch": flow.switch,
    f"{BASE}merge": flow.merge,
    f"{BASE}splitInBatches": flow.loop,
    f"{BASE}noOp": flow.noop,
    f"{BASE}wait": flow.wait,
    f"{BASE}stopAndError": flow.stop,
    f"{BASE}respondToWebhook": flow.respond,
    f"{BASE}executeWorkflow": flow.called,
    f"{BASE}formTrigger": triggers.form,
    f"{LANGCHAIN}chatTrigger": triggers.chat,
    f"{LANGCHAIN}manualChatTrigger": triggers.chat,
    f"{BASE}html": tasks.html,
    f"{BASE}htmlExtract": tasks.extract,
    f"{BASE}crypto": tasks.crypto,
    f"{BASE}dateTime": tasks.date_time,
    f"{BASE}xml": tasks.xml,
    f"{BASE}emailSend": tasks.mail,
    f"{BASE}graphql": tasks.graphql,
    f"{BASE}summarize": tasks.summarize,
    f"{BASE}code": code.code,
    f"{BASE}function": code.code,
    f"{LANGCHAIN}chainLlm": ai.chain,
    f"{LANGCHAIN}agent": ai.agent,
    f"{LANGCHAIN}openAi": ai.openai,
    f"{LANGCHAIN}informationExtractor": ai.extractor,
    f"{LANGCHAIN}textClassifier": ai.classifier,
    f"{LANGCHAIN}sentimentAnalysis": ai.sentiment,
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
