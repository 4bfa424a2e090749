"""The steps of one command: load, decide, save, call, publish. The send protocol of the design stands here.

A command takes one of two ways to the same steps. Directly: it was just read and its sender may send now. Queued: it
waited in the ``attempts`` table for its sender's limit, and its Kafka record was acknowledged long ago.
"""

from __future__ import annotations

import asyncio
import logging

from processors.core.sender import decide
from processors.core.sender.decide import AnswerCommand, AttemptContext, CallTwilio, QueueCommand
from processors.core.sender.dispatch_queue import DispatchQueue
from processors.sender.dependencies import SenderDeps
from processors.sender.final_check import FinalCheck
from processors.sender.housekeeping import SenderHousekeeper
from processors.sender.partition_queues import PartitionQueues
from processors.streaming.kafka_message import KafkaEvent, KafkaMessage
from processors.streaming.ownership import ensure_owned
from schemas.attempt_results import attempt_result
from schemas.enums import Outcome
from schemas.reasons import AttemptReason
from schemas.records import AttemptResult, Dispatch
from schemas.states import SenderAttempt
from schemas.topics import SMS_ATTEMPTS

logger = logging.getLogger(__name__)


class AttemptRunner:
    """Executes commands, each attempt at most once.

    Twilio is called at most ``ports.calls`` times at once over all senders: the account's limit is on concurrency.
    Source: https://www.twilio.com/docs/api/errors/20429

    Args:
        deps: What the stage works with.
        queues: The dispatch queues of the owned partitions.
        housekeeper: Is notified of each new intent.
    """

    def __init__(self, deps: SenderDeps, queues: PartitionQueues, housekeeper: SenderHousekeeper) -> None:
        self._ports = deps.ports
        self._clock = deps.ports.clock
        self._revocations = deps.ports.revocations
        self._tables = deps.tables
        self._fence = deps.fence
        self._queues = queues
        self._housekeeper = housekeeper
        self._call_slots = asyncio.Semaphore(deps.ports.calls)

    async def send(self, command: Dispatch, event: KafkaEvent) -> None:
        """Execute a send command that was just read.

        Raises:
            PartitionLost: The partition is another worker's.
        """
        message = event.message
        await ensure_owned(self._fence, message)
        queue = self._queues.queue_of(message)
        if command.attempt_id not in queue:  # else the command was read before and waits
            await self._execute(command, message, queue)

    async def send_queued(self, attempt_id: str, queue: DispatchQueue, message: KafkaMessage) -> None:
        """Execute a send command that was taken out of its queue.

        Raises:
            PartitionLost: The partition is another worker's. The command stays in the table, and the new owner's queue
                is filled from there.
        """
        await ensure_owned(self._fence, message)
        command = self._tables.queued_command(message.partition, attempt_id)
        if command is None:
            queue.remove(attempt_id)
        else:
            await self._execute(command, message, queue)

    async def look_up(self, command: Dispatch, event: KafkaEvent) -> None:
        """Publish what Twilio's message list shows of an attempt. It only reads, so it may be repeated.

        Raises:
            PartitionLost: The partition is another worker's.
        """
        await ensure_owned(self._fence, event.message)
        await self._publish(await self._find(command))

    async def _execute(self, command: Dispatch, message: KafkaMessage, queue: DispatchQueue) -> None:
        intent = self._tables.intent(message.partition, command.attempt_id)
        match decide.decide_send(command, intent, self._context(command)):
            case AnswerCommand(result, intent):
                if intent is not None:
                    await self._tables.save_intent(intent)
            case CallTwilio() if command.attempt_id in queue or queue.try_acquire(command, self._clock.now()):
                result = await self._call(command, message)
                self._adjust_limit(result, queue)
            case CallTwilio() | QueueCommand():
                return await self._enqueue(command, queue)
        await self._publish(result)
        if command.attempt_id in queue:
            await self._tables.delete_queued(command.attempt_id)
            queue.remove(command.attempt_id)
        return None

    def _context(self, command: Dispatch) -> AttemptContext:
        return AttemptContext(
            now=self._clock.now(),
            revoked=self._revocations.revoked(command.person, command.program),
            stale=self._revocations.stale(),
        )

    async def _call(self, command: Dispatch, message: KafkaMessage) -> AttemptResult:
        """Save the intent, then make the one call."""
        async with self._call_slots:  # before the intent is made, as an intent's life is short
            await ensure_owned(self._fence, message)
            intent = decide.new_intent(command, self._clock.now(), self._ports.policy.timing.intent_life)
            await self._tables.save_intent(intent)
            self._housekeeper.intent_saved(message.partition)
            return await self._call_twilio(command, intent, message)

    async def _call_twilio(self, command: Dispatch, intent: SenderAttempt, message: KafkaMessage) -> AttemptResult:
        """Call once on a durable intent. Returns a result whatever happens."""
        check = FinalCheck(
            command, intent, message, fence=self._fence, revocations=self._revocations, clock=self._clock
        )
        try:
            result = await self._ports.sender.send(command, check)
        except Exception as error:
            logger.exception("attempt %s: the call failed in our own code", command.attempt_id)
            result = attempt_result(
                command, Outcome.UNKNOWN, self._clock.now(), reason=AttemptReason.CLIENT_ERROR, detail=repr(error)
            )
        return decide.complete_result(result, intent, check.called_at)

    async def _find(self, command: Dispatch) -> AttemptResult:
        async with self._call_slots:
            return await self._ports.history.find(command)

    def _adjust_limit(self, result: AttemptResult, queue: DispatchQueue) -> None:
        """Let the result of a call adapt its sender's limit, and log a pause that the result begins."""
        cooldown = queue.on_result(result, self._clock.now())
        if cooldown is not None:
            level = logging.ERROR if cooldown.alert else logging.WARNING
            until = cooldown.until.isoformat(timespec="seconds")
            logger.log(level, "sender %s is paused until %s: %s", cooldown.sender, until, cooldown.reason)

    async def _enqueue(self, command: Dispatch, queue: DispatchQueue) -> None:
        """Let a command wait: in the queue, and durably in the table."""
        is_saved = command.attempt_id in queue
        queue.enqueue(command, self._clock.now())  # first, so that no later command of its lane overtakes meanwhile
        if not is_saved:
            await self._tables.save_queued(decide.queue_entry(command))

    async def _publish(self, result: AttemptResult) -> None:
        await self._ports.publisher.publish([self._ports.codec.wire(SMS_ATTEMPTS, result.person, result)])
