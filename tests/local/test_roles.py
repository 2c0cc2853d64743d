"""What a role allows, by IAM's rules; what a request asks for; and how the simulated services say no."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local import permissions
from infra.local.aws import Aws
from infra.local.aws_requests import Call, calls_in
from infra.local.intrinsics import TemplateError, read_yaml
from infra.local.permissions import Statement, allowed, of_functions
from infra.local.template import Template

QUEUE = "arn:aws:sqs:us-east-1:123456789012:Q"
BUCKET = "arn:aws:s3:::bucket"


def says(actions: str, resources: str, allow: bool = True) -> Statement:
    return Statement(allow, tuple(actions.split()), tuple(resources.split()))


@pytest.mark.parametrize(
    ("statements", "action", "resource", "verdict"),
    [
        ([], "sqs:SendMessage", QUEUE, False),
        ([says("sqs:SendMessage", QUEUE)], "sqs:SendMessage", QUEUE, True),
        ([says("SQS:sendmessage", QUEUE)], "sqs:SendMessage", QUEUE, True),
        ([says("sqs:SendMessage", QUEUE)], "sqs:SendMessage", f"{QUEUE}2", False),
        ([says("sqs:SendMessage", QUEUE.lower())], "sqs:SendMessage", QUEUE, False),
        ([says("sqs:SendMessage", QUEUE)], "sqs:ReceiveMessage", QUEUE, False),
        ([says("sqs:DeleteMessage sqs:SendMessage", f"{QUEUE}2 {QUEUE}")], "sqs:SendMessage", QUEUE, True),
        ([says("sqs:*", QUEUE)], "sqs:SendMessage", QUEUE, True),
        ([says("sqs:Send?essage", QUEUE)], "sqs:SendMessage", QUEUE, True),
        ([says("sqs:Send?Message", QUEUE)], "sqs:SendMessage", QUEUE, False),
        ([says("*", "*")], "sqs:SendMessage", QUEUE, True),
        ([says("sqs:SendMessage", f"{QUEUE[:-1]}?")], "sqs:SendMessage", QUEUE, True),
        ([says("s3:GetObject", f"{BUCKET}/spill/*")], "s3:GetObject", f"{BUCKET}/spill/a/b.json", True),
        ([says("s3:GetObject", f"{BUCKET}/spill/*")], "s3:GetObject", f"{BUCKET}/media/a", False),
        ([says("s3:GetObject", f"{BUCKET}/*")], "s3:GetObject", BUCKET, False),
        ([says("s3:GetObject", f"{BUCKET}/a.b")], "s3:GetObject", f"{BUCKET}/acb", False),
        ([says("*", "*"), says("sqs:SendMessage", QUEUE, allow=False)], "sqs:SendMessage", QUEUE, False),
        ([says("sqs:SendMessage", QUEUE, allow=False), says("*", "*")], "sqs:SendMessage", QUEUE, False),
        ([says("*", "*"), says("sqs:*", f"{QUEUE}2", allow=False)], "sqs:SendMessage", QUEUE, True),
        ([says("*", f"{QUEUE}2", allow=False)], "sqs:SendMessage", QUEUE, False),
    ],
)
def test_a_call_is_decided_as_by_iam(statements: list[Statement], action: str, resource: str, verdict: bool) -> None:
    assert allowed(statements, action, resource) is verdict


TEMPLATE = """
Parameters:
  Keep: {Type: String, Default: "yes"}
Conditions:
  Keeps: !Equals [!Ref Keep, "yes"]
  Forgets: !Not [!Condition Keeps]
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {}}
  Shared:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement:
          - {Sid: Trace, Effect: Allow, Action: xray:PutTraceSegments, Resource: "*"}
          - !If [Forgets, {Effect: Allow, Action: ec2:DescribeSubnets, Resource: "*"}, !Ref AWS::NoValue]
  WorkerRole:
    Type: AWS::IAM::Role
    Properties:
      ManagedPolicyArns: [!Ref Shared]
      Policies:
        - PolicyName: own
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {Sid: Put, Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Queue.Arn}
              - !If
                - Keeps
                - Effect: Allow
                  Action: [s3:GetObject, s3:DeleteObject]
                  Resource: [!Sub "${Bucket.Arn}/spill/*", !If [Forgets, !GetAtt Queue.Arn, !Ref AWS::NoValue]]
                - !Ref AWS::NoValue
        - PolicyName: database
          PolicyDocument:
            Statement: {Effect: Deny, Action: rds-db:connect, Resource: !Sub "${Database.Outputs.Proxy}/app"}
  Worker:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ".", Handler: app.handler, Role: !GetAtt WorkerRole.Arn}
"""
VALUES = {"Queue.Arn": QUEUE, "Bucket.Arn": BUCKET}


def template(folder: Path, text: str = TEMPLATE) -> Template:
    file = folder / "template.yaml"
    file.write_text(text)
    return Template(read_yaml(file), VALUES)


def test_a_role_is_read_with_what_its_references_mean_here(tmp_path: Path) -> None:
    assert of_functions(template(tmp_path)) == {
        "Worker": (
            says("sqs:SendMessage", QUEUE),
            says("s3:GetObject s3:DeleteObject", f"{BUCKET}/spill/*"),
            says("rds-db:connect", "<Database.Outputs.Proxy>/app", allow=False),
            says("xray:PutTraceSegments", "*"),
        )
    }


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Condition: {Bool: {}}", "Condition"),
        ("NotResource: x", "NotResource"),
        ("NotAction: x", "NotAction"),
        ("Principal: x", "Principal"),
        ("Effect: allow", "allow"),
        ("Resource: 'arn:aws:s3:::b/${aws:username}'", "aws:username"),
    ],
)
def test_a_policy_that_is_not_understood_is_refused(tmp_path: Path, sentence: str, words: str) -> None:
    name = sentence.partition(":")[0]
    kept = [each for each in ("Effect: Allow", "Action: a:b", "Resource: c") if not each.startswith(f"{name}:")]
    text = TEMPLATE.replace(
        "{Sid: Put, Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Queue.Arn}",
        f"{{{', '.join([*kept, sentence])}}}",
    )
    with pytest.raises(TemplateError, match=words):
        of_functions(template(tmp_path, text))


def asked(service: str, method: str = "POST", path: str = "/", query: str = "", **more: Any) -> list[Call]:
    """What has to be allowed for a request that is signed for this service."""
    body = json.dumps(more.pop("body", {})).encode()
    environ = {
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=local-F/20261122/us-east-1/{service}/aws4_request, S=x",
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **more,
    }
    found = calls_in(environ, "123456789012")
    assert service == "s3" or environ["wsgi.input"].read() == body
    return found


URL = {"QueueUrl": "http://127.0.0.1:1/123456789012/Q"}
BUS = "arn:aws:events:us-east-1:123456789012:event-bus/"


@pytest.mark.parametrize(
    ("service", "target", "body", "calls"),
    [
        ("sqs", "AmazonSQS.SendMessage", URL, [Call("sqs:SendMessage", QUEUE)]),
        ("sqs", "AmazonSQS.SendMessageBatch", URL, [Call("sqs:SendMessage", QUEUE)]),
        ("sqs", "AmazonSQS.ChangeMessageVisibilityBatch", URL, [Call("sqs:ChangeMessageVisibility", QUEUE)]),
        ("sqs", "AmazonSQS.ListQueues", {}, [Call("sqs:ListQueues", "*")]),
        (
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            {"SecretId": "a"},
            [Call("secretsmanager:GetSecretValue", "a")],
        ),
        (
            "events",
            "AWSEvents.PutEvents",
            {"Entries": [{"EventBusName": "b"}, {"EventBusName": f"{BUS}a"}, {"EventBusName": "b"}, {}]},
            [Call("events:PutEvents", f"{BUS}{name}") for name in ("a", "b", "default")],
        ),
        ("events", "AWSEvents.PutEvents", {"Entries": []}, [Call("events:PutEvents", "*")]),
        ("kms", "TrentService.Decrypt", {"KeyId": "a"}, [Call("kms:Decrypt", "*")]),
    ],
)
def test_a_request_is_read(service: str, target: str, body: Any, calls: list[Call]) -> None:
    assert sorted(asked(service, HTTP_X_AMZ_TARGET=target, body=body), key=repr) == sorted(calls, key=repr)


def test_a_request_that_names_no_operation_is_nobodys_right() -> None:
    assert asked("sqs", body=URL) == [Call("sqs:NotUnderstood", QUEUE)]


@pytest.mark.parametrize(
    ("method", "path", "query", "action", "resource"),
    [
        ("PUT", "/bucket/spill/a.json", "", "PutObject", "/spill/a.json"),
        ("PUT", "/bucket/a", "x-id=PutObject", "PutObject", "/a"),
        ("GET", "/bucket/a%20b/%C3%B1", "", "GetObject", "/a b/ñ"),
        ("HEAD", "/bucket/a", "", "GetObject", "/a"),
        ("DELETE", "/bucket/a", "", "DeleteObject", "/a"),
        ("GET", "/bucket", "list-type=2&prefix=a", "ListBucket", ""),
        ("HEAD", "/bucket/", "", "ListBucket", ""),
        ("POST", "/bucket/a", "uploads", "PutObject", "/a"),
        ("PUT", "/bucket/a", "partNumber=1&uploadId=x", "PutObject", "/a"),
        ("POST", "/bucket/a", "uploadId=x", "PutObject", "/a"),
        ("DELETE", "/bucket/a", "uploadId=x", "AbortMultipartUpload", "/a"),
        ("GET", "/bucket/a", "uploadId=x", "ListMultipartUploadParts", "/a"),
        ("PUT", "/bucket/a", "tagging", "NotUnderstood", "/a"),
        ("DELETE", "/bucket", "", "NotUnderstood", ""),
        ("GET", "/bucket", "policy", "NotUnderstood", ""),
    ],
)
def test_a_request_to_s3_is_read(method: str, path: str, query: str, action: str, resource: str) -> None:
    assert asked("s3", method, path, query) == [Call(f"s3:{action}", f"{BUCKET}{resource}")]


def test_a_copy_in_s3_is_nobodys_right() -> None:
    assert asked("s3", "PUT", "/bucket/a", HTTP_X_AMZ_COPY_SOURCE="other/a") == [
        Call("s3:NotUnderstood", f"{BUCKET}/a")
    ]


class Guarded:
    """Services of its own, with a queue, a bucket, a bus and a secret, and clients of one function."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.aws = Aws(folder / "moto.log", folder)
        self.aws.ready()
        self.url = self.aws.sqs.create_queue(QueueName="Q")["QueueUrl"]
        self.aws._client("s3").create_bucket(Bucket="bucket")
        self.aws._client("s3").put_object(Bucket="bucket", Key="spill/kept", Body=b"1")

    def client(self, service: str) -> Any:
        return self.aws._client(service, f"{permissions.KEY}Worker")

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / permissions.CALLS).read_text().splitlines()]


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    services = Guarded(tmp_path)
    try:
        yield services
    finally:
        services.aws.stop()


def test_a_function_can_do_what_its_role_allows_and_nothing_else(guarded: Guarded) -> None:
    sqs, s3, events, secrets = (guarded.client(name) for name in ("sqs", "s3", "events", "secretsmanager"))
    sqs.receive_message(QueueUrl=guarded.url)  # nobody has put down a role
    assert not (guarded.folder / permissions.CALLS).exists()
    grants = [says("sqs:SendMessage", QUEUE), says("s3:GetObject", f"{BUCKET}/spill/*")]
    permissions.write(guarded.folder, {"Worker": grants}, {QUEUE: "Queue", BUCKET: "Bucket"})

    sqs.send_message(QueueUrl=guarded.url, MessageBody="1")
    sqs.send_message_batch(QueueUrl=guarded.url, Entries=[{"Id": "1", "MessageBody": "2"}])
    assert s3.get_object(Bucket="bucket", Key="spill/kept")["Body"].read() == b"1"
    refused: list[tuple[Any, dict[str, Any], int, str]] = [
        (sqs.receive_message, {"QueueUrl": guarded.url}, 403, "AccessDenied"),
        (s3.put_object, {"Bucket": "bucket", "Key": "spill/kept", "Body": b"2" * 300_000}, 403, "AccessDenied"),
        (s3.head_object, {"Bucket": "bucket", "Key": "media/x"}, 403, "403"),
        (s3.get_object, {"Bucket": "bucket", "Key": "spill/gone"}, 403, "AccessDenied"),
        (secrets.get_secret_value, {"SecretId": "x"}, 400, "AccessDeniedException"),
        (
            events.put_events,
            {"Entries": [{"Source": "x", "DetailType": "x", "Detail": "{}"}]},
            400,
            "AccessDeniedException",
        ),
    ]
    for call, arguments, status, code in refused:
        with pytest.raises(ClientError) as raised:
            call(**arguments)
        response = raised.value.response
        assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, code)
        if code != "403":  # an answer to HEAD has no body
            assert "WorkerRole/Worker is not authorized to perform: " in response["Error"]["Message"]
    assert guarded.aws._client("s3").get_object(Bucket="bucket", Key="spill/kept")["Body"].read() == b"1"

    calls = guarded.calls()
    assert [(call["action"], call["name"], call.get("denied", False)) for call in calls] == [
        ("sqs:SendMessage", "Queue", False),
        ("s3:GetObject", "Bucket", False),
        ("sqs:ReceiveMessage", "Queue", True),
        ("s3:PutObject", "Bucket", True),
        ("s3:GetObject", "Bucket", True),
        ("s3:GetObject", "Bucket", False),
        ("s3:ListBucket", "Bucket", True),
        ("secretsmanager:GetSecretValue", "x", True),
        ("events:PutEvents", f"{BUS}default", True),
    ]
    log = (guarded.folder / "moto.log").read_text()
    assert f"denied: the role of Worker does not allow sqs:ReceiveMessage on Queue ({QUEUE})\n" in log


def test_who_may_list_a_bucket_hears_that_an_object_is_gone(guarded: Guarded) -> None:
    grants = [says("s3:GetObject", f"{BUCKET}/*"), says("s3:ListBucket", BUCKET)]
    permissions.write(guarded.folder, {"Worker": grants}, {})
    with pytest.raises(ClientError, match="NoSuchKey"):
        guarded.client("s3").get_object(Bucket="bucket", Key="spill/gone")


def test_a_function_without_a_role_may_do_nothing(guarded: Guarded) -> None:
    permissions.write(guarded.folder, {}, {})
    with pytest.raises(ClientError, match="AccessDenied"):
        guarded.client("sqs").send_message(QueueUrl=guarded.url, MessageBody="1")
    guarded.aws.sqs.send_message(QueueUrl=guarded.url, MessageBody="1")  # whose key is nobody's
