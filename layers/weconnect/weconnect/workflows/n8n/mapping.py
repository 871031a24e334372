"""Which of n8n's node types are made into what: the table, and why others are not."""

from collections.abc import Callable

from weconnect.workflows.n8n import ai, data, flow, http, triggers
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
    f"{LANGCHAIN}chainLlm": ai.chain,
    f"{LANGCHAIN}agent": ai.agent,
}

_CODE = "code in JavaScript is not run here: write it as a jsonata node"
REASONS = {
    f"{BASE}code": _CODE,
    f"{BASE}function": _CODE,
    f"{BASE}functionItem": _CODE,
    f"{LANGCHAIN}code": _CODE,
    f"{BASE}executeWorkflow": "the workflow that it names is not here: import that one, then use a subworkflow node",
    f"{LANGCHAIN}chatTrigger": "a chat is an agent's session here: ask the agent, or begin with a webhook",
    f"{LANGCHAIN}manualChatTrigger": "a chat is an agent's session here: ask the agent, or begin with a webhook",
    f"{BASE}formTrigger": "there are no forms here: begin with a webhook",
    f"{BASE}form": "there are no forms here",
    f"{BASE}emailSend": "no node sends mail",
    f"{BASE}dateTime": "its answer has another form than the date_time node's",
    f"{LANGCHAIN}openAi": "what it does depends on its operation; use a prompt node",
}


def reason(type_: str) -> str:
    """Why a type has no counterpart."""
    if type_ in REASONS:
        return REASONS[type_]
    if type_.startswith(LANGCHAIN):
        return "a part of an agent or of a chain, which is configured on the agent here"
    if type_.endswith("Trigger"):
        return "there is no trigger for this service"
    if type_.startswith(BASE):
        return "there is no node for this service or task"
    return "a community node"
