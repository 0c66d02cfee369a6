from pathlib import Path

import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import MessageSizeTooLargeError

from jobs.stack.processes import StackError
from jobs.stack.stack import Stack
from jobs.stack.waiting import wait_until
from tests.conftest import ROOT

pytestmark = pytest.mark.stack

COUNTING_JOB = Path(__file__).with_name("counting_job.py")


def test_kafka_keeps_and_gives_back_records(stack: Stack) -> None:
    stack.create_topics(["stack-records"], partitions=2)
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers)
    producer.send("stack-records", key=b"user", value=b"event").get(timeout=60)
    producer.close()
    consumer = KafkaConsumer(
        "stack-records", bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest", group_id=None
    )
    polled: list[bytes] = []

    def arrived() -> bool:
        polled.extend(record.value for records in consumer.poll(500).values() for record in records)
        return bool(polled)

    wait_until(arrived, 90, "the record")
    consumer.close()
    assert polled == [b"event"]


def test_kafka_takes_records_of_five_megabytes(stack: Stack) -> None:
    stack.create_topics(["stack-large"])
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers, max_request_size=64 * 1024 * 1024)
    producer.send("stack-large", b"x" * 5_000_000).get(timeout=60)
    with pytest.raises(MessageSizeTooLargeError):
        producer.send("stack-large", b"x" * 17 * 1024 * 1024).get(timeout=60)
    producer.close()


def test_topics_are_created_once_and_compacted_when_asked(stack: Stack) -> None:
    for _ in range(2):
        stack.create_topics(["stack-plain", "stack-compacted"], compacted=["stack-compacted"])
    admin = KafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    described = admin.describe_topics(["stack-plain"])
    admin.close()
    assert len(described[0]["partitions"]) == 4


def test_redis_answers(stack: Stack) -> None:
    with redis.Redis.from_url(stack.redis_url) as client:
        client.set("stack", "up")
        assert client.get("stack") == b"up"


def test_flink_runs_a_python_job_and_stops_it_behind_a_savepoint(stack: Stack) -> None:
    job = stack.submit(["-py", str(COUNTING_JOB)])
    wait_until(lambda: stack.rest.completed_checkpoints(job) > 0, 180, "a checkpoint")
    assert stack.rest.tasks_running(job)
    assert stack.rest.root_exception(job) == ""
    savepoint = stack.stop_with_savepoint(job)
    assert Path(savepoint.removeprefix("file:")).is_dir()
    assert stack.job_state(job) == "FINISHED"
    again = stack.submit(["--fromSavepoint", savepoint, "-py", str(COUNTING_JOB)])
    stack.cancel(again)
    assert stack.job_state(again) == "CANCELED"


def test_a_job_that_cannot_be_submitted_shows_flinks_reason(stack: Stack) -> None:
    with pytest.raises(StackError, match=r"nowhere\.py"):
        stack.submit(["-py", "/nowhere.py"])


def test_a_running_stack_is_found_by_its_name(stack: Stack) -> None:
    found = Stack.attach(ROOT, stack.run)
    assert found.rest_url == stack.rest_url
    assert found.rest.slots() == stack.rest.slots()
    with pytest.raises(StackError, match=r"runs in .* already"):
        Stack.start(ROOT, stack.run)


def test_every_server_is_its_own_process(stack: Stack) -> None:
    assert set(stack.processes()) >= {"kafka", "redis", "jobmanager", "taskmanager-1"}
    assert len(stack.processes("taskmanager")) == stack.rest.slots()
