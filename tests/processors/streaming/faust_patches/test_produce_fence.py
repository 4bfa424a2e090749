"""What a worker had in its hands when it lost its partitions does not leave."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.structs import TopicPartition

from processors.streaming.faust_patches import produce_fence
from processors.streaming.faust_patches.produce_fence import NotOwner

CHANGELOG = TopicPartition("smsflow-person-consent-changelog", 0)


class Client:
    """aiokafka's, as far as sending goes: remembers in which order it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ready(self, _node: int) -> bool:
        self.asked.append("connect")
        return True

    async def send(self, _node: int, _request: Any) -> Any:
        self.asked.append("send")
        return SimpleNamespace(API_VERSION=3, topics=[(CHANGELOG.topic, [(CHANGELOG.partition, 0, 7, -1)])])


class Batch:
    """One partition's records on their way."""

    def __init__(self) -> None:
        self.sent: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def get_data_buffer(self) -> bytes:
        return b"records"

    def done(self, offset: int, *_: Any) -> None:
        self.sent.set_result(offset)

    def failure(self, exception: BaseException) -> None:
        self.sent.set_exception(exception)


class Membership:
    """A fence with a fixed answer that notes when it was asked."""

    def __init__(self, client: Client, answer: bool) -> None:
        self._client = client
        self._answer = answer

    async def wait_until_member(self) -> bool:
        self._client.asked.append("check")
        return self._answer


def producer(client: Client) -> Any:
    sender = SimpleNamespace(client=client, _txn_manager=None, _acks=-1, _request_timeout_ms=1000, _retry_backoff=0.1)
    return SimpleNamespace(_sender=sender)


async def send(member: bool | None) -> tuple[Client, asyncio.Future[int]]:
    produce_fence.install_produce_fence()
    client, batch = Client(), Batch()
    whose = producer(client)
    if member is not None:
        produce_fence.guard(whose, Membership(client, member))
    await SendProduceReqHandler(whose._sender, {CHANGELOG: batch}).do(1)
    return client, batch.sent


async def test_a_record_of_a_partition_that_is_ours_is_sent_and_nothing_stands_between_check_and_send() -> None:
    client, sent = await send(member=True)

    assert (client.asked, sent.result()) == (["connect", "check", "send"], 7)


async def test_a_record_of_a_generation_that_is_over_fails_and_is_never_sent() -> None:
    client, sent = await send(member=False)

    with pytest.raises(NotOwner):
        sent.result()
    assert client.asked == ["connect", "check"]


async def test_a_producer_without_a_fence_is_as_it_was() -> None:
    client, sent = await send(member=None)

    assert (client.asked, sent.result()) == (["send"], 7)


def test_what_may_not_leave_is_not_tried_again() -> None:
    assert issubclass(NotOwner, KafkaError)
    assert not NotOwner.retriable


def test_installing_twice_asks_once() -> None:
    produce_fence.install_produce_fence()
    once = SendProduceReqHandler.do
    produce_fence.install_produce_fence()
    assert SendProduceReqHandler.do is once
