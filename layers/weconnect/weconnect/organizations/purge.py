"""End an organization that left the trash for good: every row and every payload of the tenant.

Rows are deleted by their keys alone, whatever their kind, in the order children, then heads. What is gone is not read
again, so an interrupted purge goes on where it was; one message does a bounded part and asks for the next.

What remains: users (they are their own), idempotent answers for a day at most (their texts are gone with the
payloads), the platform's own checkpoints of runs until their retention ends, and the month's mail and sign-in logs.
"""

import functools
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import boto3

from weconnect.agents.rows import AgentRow, PurgedAgentRow, StepRow, child
from weconnect.auth.rows import ApiKeyRow, TokenRow
from weconnect.db import payloads, table
from weconnect.executions.rows import ChildRow, ExecutionRow
from weconnect.log import logger
from weconnect.organizations.rows import OrganizationRow
from weconnect.settings import settings
from weconnect.workflows.rows import EventTriggerRow, WorkflowRow
from weconnect.workflows.rows import child as versions_of
from weconnect.workflows.sharing.rows import WorkflowShareRow

ROWS_AT_ONCE = 20_000
BATCH = 25

Key = tuple[str, str]


class _Enough(Exception):
    """This message has done its part."""


class _Eraser:
    """Deletes rows in batches, up to a number of them."""

    def __init__(self, most: int) -> None:
        self.left, self.deleted = most, 0

    def erase(self, keys: Iterator[Key]) -> None:
        batch: list[Key] = []
        for key in keys:
            batch.append(key)
            if len(batch) == BATCH:
                self._send(batch)
                batch = []
        self._send(batch)

    def _send(self, keys: list[Key]) -> None:
        asked = [{"DeleteRequest": {"Key": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in keys]
        while asked:
            answer = _dynamodb().batch_write_item(RequestItems={settings.table_name: asked})
            asked = answer.get("UnprocessedItems", {}).get(settings.table_name, [])
        self.deleted += len(keys)
        self.left -= len(keys)
        if self.left <= 0:
            raise _Enough


def purge(trash: dict[str, str]) -> bool:
    """Delete a part of what an organization had; True when nothing is left. One that is back keeps all."""
    organization_id = UUID(trash["pk"].split("#")[1])
    places = [OrganizationRow.at(organization_id), OrganizationRow.in_trash(organization_id)]
    if table.get_many(places):
        return True
    eraser = _Eraser(ROWS_AT_ONCE)
    try:
        _erase(eraser, organization_id)
    except _Enough:
        logger.info(
            "purged a part of an organization", organization_id=str(organization_id), rows=eraser.deleted
        )
        return False
    payloads.discard_all(organization_id)
    logger.info("purged an organization", organization_id=str(organization_id), rows=eraser.deleted)
    return True


def _erase(eraser: _Eraser, organization_id: UUID) -> None:
    keys_pk = ApiKeyRow.by_expiry(organization_id)
    for pk, _ in _keys(keys_pk, index="gsi2"):
        eraser.erase(_keys(pk))  # the key, and the windows of its limits
    for agent_id in _agents(organization_id):
        runs = [sk for _, sk in _keys(child(organization_id, agent_id), _EXECUTIONS)]
        for sk in runs:
            steps, _ = StepRow.of_run(organization_id, UUID(sk.rpartition("#")[2]))
            eraser.erase(_keys(steps))
        eraser.erase(_keys(child(organization_id, agent_id)))
    for run, _ in _keys(ExecutionRow.of_organization(organization_id), index="gsi1"):
        parts, _ = ChildRow.of_parent(organization_id, UUID(run.rpartition("#")[2]))
        eraser.erase(_keys(parts))
        eraser.erase(_keys(run))
    pk, _ = OrganizationRow.at(organization_id)
    for deleted in (False, True):
        _, prefix = WorkflowRow.of_organization(organization_id, deleted=deleted)
        for row in WorkflowRow.query(pk, WorkflowRow.sk.startswith(prefix), consistent_read=True):
            workflow_id = UUID(row.id)
            eraser.erase(_tokens(organization_id, workflow_id))
            eraser.erase(_keys(versions_of(organization_id, workflow_id)))
            types = row.event_types or []
            eraser.erase(EventTriggerRow.at(organization_id, name, workflow_id) for name in types)
    eraser.erase(_keys(pk))


_EXECUTIONS = table.key("EXECUTION", "")


def _agents(organization_id: UUID) -> Iterator[UUID]:
    """Every agent that there is, in the trash too, and those that are gone and left runs."""
    pk, head = AgentRow.of_organization(organization_id)
    _, trashed = AgentRow.of_organization(organization_id, deleted=True)
    for prefix in (head, trashed, PurgedAgentRow.PREFIX):
        for _, sk in _keys(pk, prefix):
            yield UUID(sk.rpartition("#")[2])


def _tokens(organization_id: UUID, workflow_id: UUID) -> Iterator[Key]:
    """The tokens of a workflow's links, which stand elsewhere."""
    pk, prefix = WorkflowShareRow.of_links(organization_id, workflow_id)
    for row in WorkflowShareRow.query(pk, WorkflowShareRow.sk.startswith(prefix), consistent_read=True):
        yield TokenRow.at_hash(row.token_hash)


def _keys(pk: str, prefix: str = "", *, index: str | None = None) -> Iterator[Key]:
    """The keys of a partition's rows, read page by page."""
    name = f"{index}pk" if index else "pk"
    values = {":pk": {"S": pk}} | ({":prefix": {"S": prefix}} if prefix else {})
    condition = f"{name} = :pk" + (" AND begins_with(sk, :prefix)" if prefix else "")
    asked: dict[str, Any] = {
        "TableName": settings.table_name,
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ProjectionExpression": "pk, sk",
    }
    asked |= {"IndexName": index} if index else {"ConsistentRead": True}
    for page in _dynamodb().get_paginator("query").paginate(**asked):
        for item in page["Items"]:
            yield item["pk"]["S"], item["sk"]["S"]


@functools.cache
def _dynamodb() -> Any:
    return boto3.client("dynamodb", region_name=settings.region, endpoint_url=settings.endpoint_url)
