"""Parts of the host in isolation: patterns, templates, routes, the journal's reader, the store of executions."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import OperationAction, OperationType, OperationUpdate
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput

from infra.local import fork_server
from infra.local.event_patterns import matches_pattern
from infra.local.execution_store import SqliteStore
from infra.local.gateway import Routes
from infra.local.sam_template import load_template, read_functions, read_shared_environment
from infra.local.schedules import parse_rate
from infra.local.settings import read_settings
from infra.local.table_stream import JournalReader, Position, build_stream_records
from weconnect.log import logger

EVENT = {"source": "aws.lambda", "detail": {"status": "FAILED", "n": 5, "tags": ["a", "b"], "none": None}}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({}, True),
        ({"source": ["aws.lambda"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"missing": ["x"]}, False),
        ({"detail": {"status": ["SUCCEEDED", "FAILED"]}}, True),
        ({"detail": {"status": [{"prefix": "FA"}]}}, True),
        ({"detail": {"status": [{"suffix": "X"}]}}, False),
        ({"detail": {"status": [{"anything-but": ["FAILED"]}]}}, False),
        ({"detail": {"status": [{"anything-but": {"prefix": "S"}}]}}, True),
        ({"detail": {"status": [{"equals-ignore-case": "failed"}]}}, True),
        ({"detail": {"n": [{"numeric": [">", 1, "<=", 5]}]}}, True),
        ({"detail": {"n": [{"numeric": [">", 5]}]}}, False),
        ({"detail": {"n": [True]}}, False),
        ({"detail": {"tags": ["b"]}}, True),
        ({"detail": {"tags": ["c"]}}, False),
        ({"detail": {"other": [{"exists": False}], "none": [None]}}, True),
        ({"detail": {"status": [{"exists": False}]}}, False),
        ({"source": {"deeper": ["x"]}}, False),
        ({"$or": [{"source": ["x"]}, {"detail": {"n": [5]}}]}, True),
        ({"$or": [{"source": ["x"]}, {"detail": {"n": [6]}}]}, False),
    ],
)
def test_a_pattern_matches_its_events(pattern: dict[str, Any], expected: bool) -> None:
    assert matches_pattern(pattern, EVENT) is expected


def test_an_unknown_filter_is_an_error() -> None:
    with pytest.raises(ValueError, match="wildcard"):
        matches_pattern({"source": [{"wildcard": "*"}]}, EVENT)


def test_rate_expressions_are_parsed() -> None:
    assert [parse_rate(text) for text in ("rate(1 minute)", "rate(2 hours)", "rate(3 days)")] == [
        60,
        7200,
        259200,
    ]
    assert parse_rate("cron(0 8 * * ? *)") is None


def test_the_references_of_a_template_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(
        """
Parameters: { Stage: { Type: String, Default: dev }, Limit: { Type: Number, Default: 7 } }
Conditions: { IsProd: !Equals [!Ref Stage, prod], IsLocal: !Not [!Condition IsProd] }
Globals:
  Function:
    Timeout: 29
    Environment:
      Variables:
        A: !Sub "${Stage}-${Queue.Arn}-${!kept}"
        B: !If [IsProd, yes, !Join ["/", [!Ref "AWS::Region", !Ref Limit]]]
        C: !Sub ["${x}!", { x: !Ref Stage }]
        D: !If [IsLocal, !Ref "AWS::NoValue", x]
        E: !Select [1, !Split [",", "a,b"]]
Resources:
  Only: { Type: AWS::SQS::Queue, Condition: IsProd }
  Hello:
    Type: AWS::Serverless::Function
    Properties: { FunctionName: !Sub "${AWS::StackName}-hello", Handler: a.b.handler, MemorySize: 256 }
"""
    )
    template = load_template(tmp_path / "template.yaml", {"Stage": "local"}.get)
    template.scope.attributes["Queue", "Arn"] = "arn"
    assert read_shared_environment(template) == {
        "A": "local-arn-${kept}",
        "B": "us-east-1/7",
        "C": "local!",
        "E": "b",
    }
    function = read_functions(template)["Hello"]
    assert (function.name, function.timeout, function.memory) == ("weconnect-hello", 29, 256)
    assert function.arn == "arn:aws:lambda:us-east-1:000000000000:function:weconnect-hello"
    assert "Only" not in template.resources


def test_parameters_are_read_from_the_environment() -> None:
    options = read_settings({"BCRYPT_COST": "4", "OUTBOUND_ALLOWED_HOSTS": "127.0.0.1:9", "STAGE": "prod"})
    assert options.get_parameter("BcryptCost") == "4"
    assert options.get_parameter("OutboundAllowedHosts") == "127.0.0.1:9,127.0.0.1:11434"
    assert options.get_parameter("Stage") == "local"
    assert options.get_parameter("AppUrl") is None


def test_a_route_without_a_function_is_an_error() -> None:
    integration = {"x-amazon-apigateway-integration": {"uri": "https://example.com"}}
    with pytest.raises(ValueError, match="no function"):
        Routes({"paths": {"/a": {"get": integration}}})


def journal_line(number: int, *writes: list[Any]) -> str:
    return json.dumps({"n": number, "t": 1.5, "a": ["0", "r"], "w": writes}) + "\n"


def test_the_journal_is_read_across_segments_without_incomplete_lines(tmp_path: Path) -> None:
    (tmp_path / "00000001.jsonl").write_text(journal_line(1) + journal_line(2) + '{"n": 3, "torn')
    (tmp_path / "00000002.jsonl").write_text(journal_line(4))
    journal = JournalReader(tmp_path)
    entries = list(journal.read(Position(), 10))
    assert [entry.value["n"] for entry in entries] == [1, 2, 4]
    assert [entry.value["n"] for entry in journal.read(entries[0].next, 1)] == [2]
    assert journal.has_grown(entries[0].next)
    assert not journal.has_grown(entries[-1].next)
    (tmp_path / "covered").write_text("1")
    journal.delete_read([])
    assert journal.list_segments() == [2]


def test_stream_records_have_the_format_of_dynamodb(tmp_path: Path) -> None:
    old, new = {"pk": {"S": "a"}, "sk": {"S": "b"}}, {"pk": {"S": "a"}, "sk": {"S": "b"}, "v": {"N": "1"}}
    writes = (
        ["t", None, new, False],
        ["t", old, new, False],
        ["other", old, new, False],
        ["t", old, None, True],
    )
    (tmp_path / "00000001.jsonl").write_text(journal_line(7, *writes))
    (entry,) = JournalReader(tmp_path).read(Position(), 1)
    records = build_stream_records(entry, "t", ("pk", "sk"), "arn")
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert records[1]["dynamodb"]["Keys"] == {"pk": {"S": "a"}, "sk": {"S": "b"}}
    assert (records[1]["dynamodb"]["NewImage"], records[1]["dynamodb"]["OldImage"]) == (new, old)
    assert "NewImage" not in records[2]["dynamodb"]
    assert records[2]["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert "userIdentity" not in records[1]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    assert numbers == sorted(set(numbers))
    assert len({record["eventID"] for record in records}) == 3


def new_execution(name: str) -> Execution:
    start = StartDurableExecutionInput("0", "f", "live", name, 60, 1, "invocation", input='{"a": 1}')
    execution = Execution(f"arn/{name}", start, [])
    execution.start()
    return execution


def test_the_store_returns_what_was_saved(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.sqlite")
    saved = new_execution("one")
    saved.updates.append(OperationUpdate("op", OperationType.STEP, OperationAction.START, payload="x"))
    saved.update_timestamps.append(saved.operations[0].start_timestamp)  # type: ignore[arg-type]
    saved.touch_operation("invocation")
    saved.operation_size_bytes["invocation"] = 9
    store.save(saved)
    saved.complete_success("done")
    store.update(saved)
    store.save(new_execution("two"))
    store.close()

    store = SqliteStore(tmp_path / "x.sqlite")
    loaded = store.load(execution_arn="arn/one")
    assert loaded.to_json_dict() == saved.to_json_dict()
    assert store.find("f", "one") is loaded
    assert store.find("f", "three") is None
    assert [live.durable_execution_arn for live in store.list_unfinished()] == ["arn/two"]
    assert store.list_unreported() == ["arn/one"]
    store.mark_reported("arn/one")
    assert store.list_unreported() == []
    assert len(store.query(function_name="f", status_filter="SUCCEEDED,FAILED")[0]) == 1
    first, marker = store.query(limit=1)
    assert (len(first), marker) == (1, "1")
    store.delete_before(2e9)
    assert [remaining.durable_execution_arn for remaining in store.list_all()] == ["arn/two"]
    with pytest.raises(KeyError):
        SqliteStore(tmp_path / "y.sqlite").load("arn/none")
    store.close()


def test_an_execution_name_is_unique(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.sqlite")
    store.save(new_execution("one"))
    other = new_execution("one")
    other.durable_execution_arn = "arn/other"
    with pytest.raises(Exception, match="UNIQUE"):
        store.save(other)
    store.close()


def test_log_lines_of_a_call_lack_the_keys_of_the_previous_call() -> None:
    def handler(event: Any, context: Any) -> Any:
        return logger.get_current_keys()

    logger.append_keys(request_id="previous")
    call = {"function": "f", "request": "r", "deadline": 0.0}
    function = {"name": "f", "arn": "arn", "memory": 1, "environment": {}}
    assert "request_id" not in json.loads(
        fork_server.run_call(call, b"{}", {"f": function}, {"f": handler}, {})
    )
