"""Parts of the host on their own: patterns, templates, routes, the journal's reader, the store of executions."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import OperationAction, OperationType, OperationUpdate
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput

from infra.local import nursery
from infra.local.gateway import Routes
from infra.local.options import read_options
from infra.local.patterns import matches
from infra.local.schedules import rate_seconds
from infra.local.store import SqliteStore
from infra.local.stream import Journal, Position, stream_records
from infra.local.template import load_template, read_functions, shared_environment
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
def test_patterns(pattern: dict[str, Any], expected: bool) -> None:
    assert matches(pattern, EVENT) is expected


def test_unknown_filter_is_an_error() -> None:
    with pytest.raises(ValueError, match="wildcard"):
        matches({"source": [{"wildcard": "*"}]}, EVENT)


def test_rates() -> None:
    assert [rate_seconds(text) for text in ("rate(1 minute)", "rate(2 hours)", "rate(3 days)")] == [
        60,
        7200,
        259200,
    ]
    assert rate_seconds("cron(0 8 * * ? *)") is None


def test_template_is_resolved(tmp_path: Path) -> None:
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
    assert shared_environment(template) == {
        "A": "local-arn-${kept}",
        "B": "us-east-1/7",
        "C": "local!",
        "E": "b",
    }
    function = read_functions(template)["Hello"]
    assert (function.name, function.timeout, function.memory) == ("weconnect-hello", 29, 256)
    assert function.arn == "arn:aws:lambda:us-east-1:000000000000:function:weconnect-hello"
    assert "Only" not in template.resources


def test_parameters_come_from_the_environment() -> None:
    options = read_options({"BCRYPT_COST": "4", "OUTBOUND_ALLOWED_HOSTS": "127.0.0.1:9", "STAGE": "prod"})
    assert options.parameter("BcryptCost") == "4"
    assert options.parameter("OutboundAllowedHosts") == "127.0.0.1:9,127.0.0.1:11434"
    assert options.parameter("Stage") == "local"
    assert options.parameter("AppUrl") is None


def test_route_without_a_function_is_an_error() -> None:
    integration = {"x-amazon-apigateway-integration": {"uri": "https://example.com"}}
    with pytest.raises(ValueError, match="no function"):
        Routes({"paths": {"/a": {"get": integration}}})


def line(number: int, *writes: list[Any]) -> str:
    return json.dumps({"n": number, "t": 1.5, "a": ["0", "r"], "w": writes}) + "\n"


def test_journal_is_read_across_segments_without_what_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "00000001.jsonl").write_text(line(1) + line(2) + '{"n": 3, "torn')
    (tmp_path / "00000002.jsonl").write_text(line(4))
    journal = Journal(tmp_path)
    entries = list(journal.read(Position(), 10))
    assert [entry.value["n"] for entry in entries] == [1, 2, 4]
    assert [entry.value["n"] for entry in journal.read(entries[0].next, 1)] == [2]
    assert journal.has_grown(entries[0].next)
    assert not journal.has_grown(entries[-1].next)
    (tmp_path / "covered").write_text("1")
    journal.delete_read([])
    assert journal.segments() == [2]


def test_stream_records_have_dynamodbs_form(tmp_path: Path) -> None:
    old, new = {"pk": {"S": "a"}, "sk": {"S": "b"}}, {"pk": {"S": "a"}, "sk": {"S": "b"}, "v": {"N": "1"}}
    writes = (
        ["t", None, new, False],
        ["t", old, new, False],
        ["other", old, new, False],
        ["t", old, None, True],
    )
    (tmp_path / "00000001.jsonl").write_text(line(7, *writes))
    (entry,) = Journal(tmp_path).read(Position(), 1)
    records = stream_records(entry, "t", ("pk", "sk"), "arn")
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert records[1]["dynamodb"]["Keys"] == {"pk": {"S": "a"}, "sk": {"S": "b"}}
    assert (records[1]["dynamodb"]["NewImage"], records[1]["dynamodb"]["OldImage"]) == (new, old)
    assert "NewImage" not in records[2]["dynamodb"]
    assert records[2]["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert "userIdentity" not in records[1]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    assert numbers == sorted(set(numbers))
    assert len({record["eventID"] for record in records}) == 3


def execution(name: str) -> Execution:
    start = StartDurableExecutionInput("0", "f", "live", name, 60, 1, "invocation", input='{"a": 1}')
    made = Execution(f"arn/{name}", start, [])
    made.start()
    return made


def test_store_gives_back_what_was_saved(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.sqlite")
    made = execution("one")
    made.updates.append(OperationUpdate("op", OperationType.STEP, OperationAction.START, payload="x"))
    made.update_timestamps.append(made.operations[0].start_timestamp)  # type: ignore[arg-type]
    made.touch_operation("invocation")
    made.operation_size_bytes["invocation"] = 9
    store.save(made)
    made.complete_success("done")
    store.update(made)
    store.save(execution("two"))
    store.close()

    store = SqliteStore(tmp_path / "x.sqlite")
    found = store.load(execution_arn="arn/one")
    assert found.to_json_dict() == made.to_json_dict()
    assert store.find("f", "one") is found
    assert store.find("f", "three") is None
    assert [live.durable_execution_arn for live in store.unfinished()] == ["arn/two"]
    assert store.unreported() == ["arn/one"]
    store.mark_reported("arn/one")
    assert store.unreported() == []
    assert len(store.query(function_name="f", status_filter="SUCCEEDED,FAILED")[0]) == 1
    first, marker = store.query(limit=1)
    assert (len(first), marker) == (1, "1")
    store.delete_before(2e9)
    assert [kept.durable_execution_arn for kept in store.list_all()] == ["arn/two"]
    with pytest.raises(KeyError):
        SqliteStore(tmp_path / "y.sqlite").load("arn/none")
    store.close()


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.sqlite")
    store.save(execution("one"))
    other = execution("one")
    other.durable_execution_arn = "arn/other"
    with pytest.raises(Exception, match="UNIQUE"):
        store.save(other)
    store.close()


def test_log_lines_of_a_call_name_no_request_of_the_one_before() -> None:
    def handler(event: Any, context: Any) -> Any:
        return logger.get_current_keys()

    logger.append_keys(request_id="of the one before")
    call = {"function": "f", "request": "r", "deadline": 0.0}
    function = {"name": "f", "arn": "arn", "memory": 1, "environment": {}}
    assert "request_id" not in json.loads(nursery.run(call, b"{}", {"f": function}, {"f": handler}, {}))
