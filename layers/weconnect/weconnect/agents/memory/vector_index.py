"""The table's vector index: the likest memories of an agent that has more than search reads whole.

Where the table has no such index (an emulator, a table from before) there are none, and search does without.
"""

import functools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError

from weconnect.agents.memory.ranking import Entry
from weconnect.agents.memory.rows import VectorRow
from weconnect.log import logger
from weconnect.settings import settings

INDEX = "vectors"
TOP = 100  # the most that the index answers


def row(
    organization_id: UUID, agent_id: UUID, entry: Entry, vector: Sequence[float], ttl: int | None
) -> VectorRow:
    """The row that the index takes a memory's vector from."""
    pk, sk = VectorRow.at(organization_id, agent_id, UUID(entry.id))
    return VectorRow(
        pk=pk,
        sk=sk,
        ttl=ttl,
        embedder=entry.embedder,
        vector_scope=VectorRow.scope(
            organization_id, agent_id, entry.embedder, past=entry.valid_to is not None
        ),
        vector=[float(f"{number:.6g}") for number in vector],
        memory_sk=entry.sk,
    )


def nearest(
    organization_id: UUID, agent_id: UUID, embedder: str, vector: Sequence[float], *, past: bool = False
) -> dict[str, float] | None:
    """The cosine of up to 100 memories by their sort keys, of superseded ones in the `past`; None without an index."""
    scope = VectorRow.scope(organization_id, agent_id, embedder, past=past)
    try:
        answer = client().search_vectors(
            TableName=settings.table_name,
            IndexName=INDEX,
            SearchVector=[{"N": f"{number:.6g}"} for number in vector],
            TopK=TOP,
            SearchConditionExpression="vectorScope = :scope",
            ExpressionAttributeValues={":scope": {"S": scope}},
        )
    except (ClientError, BotoCoreError) as error:
        logger.warning("no vector index", error=repr(error)[:300])
        return None
    return {found["Item"]["memorySk"]["S"]: 1 - found["Score"] for found in answer["SearchResults"]}


@functools.cache
def client() -> Any:
    """The client of what PynamoDB does not know, made at its first use; it tries once, since search can do without."""
    import boto3
    from botocore.config import Config

    patience = Config(
        connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1}
    )
    return boto3.client(
        "dynamodb", region_name=settings.region, endpoint_url=settings.endpoint_url, config=patience
    )
