"""The builtin tools that search an agent's memory and save to it."""

from typing import Any

from pydantic import ValidationError

from weconnect.actor import Actor
from weconnect.agents.memory import search, writing
from weconnect.agents.memory.entities import MemoryMetadata, MemorySearch, NewAIAgentMemory
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.errors import ToolError

SEARCH_NAME = "memory_search"
SEARCH_DISPLAY_NAME = "Search memory"
SEARCH_DESCRIPTION = "Find what was remembered earlier: facts, preferences, events."
SEARCH_INPUT_SCHEMA = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "minLength": 1, "maxLength": 2000},
        "limit": {"type": "integer", "minimum": 1, "maximum": 20},
    },
    "required": ["query"],
    "additionalProperties": False,
}

RESULT_TOKENS = 4_000  # for all memories that a search returns to a model

SAVE_NAME = "memory_save"
SAVE_DISPLAY_NAME = "Save to memory"
SAVE_DESCRIPTION = "Remember a fact for later. The same key again replaces what was remembered under it."
SAVE_INPUT_SCHEMA = {
    "type": "object",
    "properties": {
        "content": {"type": "string", "minLength": 1, "maxLength": 20000},
        "key": {"type": "string", "minLength": 1, "maxLength": 255},
        "tags": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 100},
            "maxItems": 50,
        },
    },
    "required": ["content"],
    "additionalProperties": False,
}


def run_search(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Return `{"memories": [{"id", "content", "memoryType", "score", "why"}]}`, the best match first.

    Turns of conversations are not searched.
    """
    request = MemorySearch(
        query=arguments["query"], limit=arguments.get("limit", 5), max_tokens=RESULT_TOKENS
    )
    hits = search.search_agent(
        context.organization_id, context.agent_id, request, excluded_types=["conversation"]
    )
    result: dict[str, Any] = {
        "memories": [
            {
                "id": str(hit.memory.id),
                "content": hit.memory.content,
                "memoryType": str(hit.memory.memory_type),
                "score": hit.score,
                "why": hit.reasons,
            }
            for hit in hits.items
        ]
    }
    return result | ({"note": hits.note} if hits.note else {})


def run_save(arguments: dict[str, Any], context: ToolContext) -> dict[str, Any]:
    """Save a memory and return `{"decision", "reason", "id", "otherId", "content"}`. Idempotent. Raises ToolError."""
    try:
        new = NewAIAgentMemory(
            content=arguments["content"],
            key=arguments.get("key"),
            metadata=MemoryMetadata(tags=arguments.get("tags", []), source="agent"),
        )
    except ValidationError as error:
        raise ToolError(str(error.errors()[0]["msg"])) from error
    actor: Actor = {
        "agentId": str(context.agent_id),
        "executionId": str(context.execution_id),
        "userId": str(context.user_id),
    }
    outcome = writing.write(context.organization_id, context.agent_id, context.user_id, new, actor)
    result = {"decision": outcome.decision, "reason": outcome.reason}
    if outcome.other_id:
        result["otherId"] = str(outcome.other_id)
    if outcome.memory:
        result |= {"id": str(outcome.memory.id), "content": outcome.memory.content}
    return result
