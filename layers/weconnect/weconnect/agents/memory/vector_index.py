"""The table's vector index: the most similar memories of an agent that has more than a search loads completely.

Where the table has no such index (an emulator, an old table), search does without it.
"""

import functools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from weconnect.agents.memory.ranking import SearchEntry
from weconnect.agents.memory.rows import VectorRow
from weconnect.log import logger
from weconnect.settings import settings

INDEX_NAME = "vectors"
MAX_RESULTS = 100  # the limit of the service


def build_row(
    organization_id: UUID, agent_id: UUID, entry: SearchEntry, vector: Sequence[float], ttl: int | None
) -> VectorRow:
    """Return the row from which the index takes a memory's vector."""
    pk, sk = VectorRow.at(organization_id, agent_id, UUID(entry.id))
    return VectorRow(
        pk=pk,
        sk=sk,
        ttl=ttl,
        embedder=entry.embedder,
        vector_scope=VectorRow.scope(
            organization_id, agent_id, entry.embedder, superseded=entry.valid_to is not None
        ),
        vector=[float(f"{number:.6g}") for number in vector],
        memory_sk=entry.sk,
    )


def find_nearest(
    organization_id: UUID,
    agent_id: UUID,
    embedder: str,
    vector: Sequence[float],
    *,
    superseded: bool = False,
) -> dict[str, float] | None:
    """Return the cosine by sort key of up to 100 memories, present or superseded; None when the index fails."""
    scope = VectorRow.scope(organization_id, agent_id, embedder, superseded=superseded)
    try:
        response = client().search_vectors(
            TableName=settings.table_name,
            IndexName=INDEX_NAME,
            SearchVector=[{"N": f"{number:.6g}"} for number in vector],
            TopK=MAX_RESULTS,
            SearchConditionExpression="vectorScope = :scope",
            ExpressionAttributeValues={":scope": {"S": scope}},
        )
    except (ClientError, BotoCoreError) as error:
        logger.warning("vector index unavailable", error=repr(error)[:300])
        return None
    return {result["Item"]["memorySk"]["S"]: 1 - result["Score"] for result in response["SearchResults"]}


@functools.cache
def client() -> Any:
    """Return a client for the operation that PynamoDB lacks. It tries once, because search can do without."""
    import boto3  # cold start

    config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client(
        "dynamodb", region_name=settings.region, endpoint_url=settings.endpoint_url, config=config
    )
