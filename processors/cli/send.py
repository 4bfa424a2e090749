"""``smsflow send``: publishes one send request."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import click

from connectors.kafka.errors import PublishError
from connectors.kafka.producer import KafkaPublisher
from processors.cli.time_option import FUTURE
from processors.core.person.intake import parse_request
from processors.core.person.rules.verdicts import Refuse
from processors.core.policy import Policy
from processors.policies.load import load
from processors.policies.rows import PolicyError
from processors.settings.model import Settings
from processors.wiring.command_settings import client_settings
from processors.wiring.factories import build_cluster, build_codec, build_policy
from schemas.enums import MessageClass
from schemas.records import SendRequest
from schemas.topics import SMS_REQUESTS


class Pair(click.ParamType):
    """An option of the form ``NAME=VALUE``, as a pair of both."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> tuple[str, str]:
        """The name and the value."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not (equals and name):
            self.fail(f"{value!r} is not NAME=VALUE", param, context)
        return name, text


@click.command("send")
@click.option("--to", required=True, help="Recipient in E.164, like +12125550123.")
@click.option("--body", help="The text, at most 1,600 characters.")
@click.option("--message-id", help="The message's id, unique for ever; a new one by default.")
@click.option("--tenant", default="default", show_default=True)
@click.option("--campaign")
@click.option("--program", help="The program that the consent is for.")
@click.option(
    "--class", "message_class", type=click.Choice([kind.value for kind in MessageClass]), default="transactional"
)
@click.option("--from", "sender", help="Send from exactly this number, short code or alphanumeric id.")
@click.option("--messaging-service", help="Send through this Messaging Service (MG…).")
@click.option("--sender-pool", help="Send from a sender of this configured pool.")
@click.option("--content-sid", help="Content template (HX…) in place of a body.")
@click.option("--variable", "content_variables", type=Pair(), multiple=True, help="A variable of the template.")
@click.option("--media-url", "media_urls", multiple=True, help="Media of an MMS; up to 10.")
@click.option("--shorten-urls", is_flag=True)
@click.option("--smart-encoding", is_flag=True)
@click.option("--validity", "validity_s", type=click.IntRange(1, 36_000), help="Seconds in Twilio's own queue.")
@click.option("--deadline", type=FUTURE, help="Send by then or not at all: 10m, or an instant.")
@click.option("--send-at", type=FUTURE, help="Not before: 10m, or an instant.")
@click.option("--time-zone", help="IANA zone where the person is.")
@click.option("--tag", "tags", type=Pair(), multiple=True, help="Copied to sms-sent.")
@click.option("--resend-if-unknown", is_flag=True, help="Send again if the outcome stays unknown: may text twice.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Publish one send request and print its message_id."""
    settings = client_settings(context)
    request = _request(options)
    _check(request, settings)
    try:
        asyncio.run(_publish(request, settings))
    except PublishError as error:
        raise click.ClickException(f"{settings.broker} did not take the request: {error}") from error
    click.echo(request.message_id)


def _request(options: dict[str, Any]) -> SendRequest:
    options["message_id"] = options["message_id"] or uuid.uuid4().hex
    options["message_class"] = MessageClass(options["message_class"])
    options["media_urls"] = list(options["media_urls"])
    for name in ("content_variables", "tags"):
        options[name] = dict(options[name])
    return SendRequest(**options, requested_at=datetime.now(UTC))


def _check(request: SendRequest, settings: Settings) -> None:
    """Refuse what the person stage would refuse. Whether a sender exists is checked only if senders are configured."""
    parsed = parse_request(request, build_policy(settings) if settings.senders else _lenient_policy(request))
    if isinstance(parsed, Refuse):
        raise click.UsageError(parsed.detail)


def _lenient_policy(request: SendRequest) -> Policy:
    """A policy in which the sender or pool that the request names exists."""
    sender_id = request.sender or request.messaging_service or "55555"
    pools = {"default": [sender_id], request.sender_pool or "default": [sender_id]}
    try:
        return load([{"id": sender_id, "number_type": "short_code"}], pools)
    except PolicyError as error:
        raise click.UsageError(f"--from: {error}") from None


async def _publish(request: SendRequest, settings: Settings) -> None:
    publisher = KafkaPublisher(build_cluster(settings), delivery_timeout_ms=15_000)
    await publisher.publish([build_codec(settings).wire(SMS_REQUESTS, request.to, request)])
