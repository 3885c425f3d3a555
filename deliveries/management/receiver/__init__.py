"""A receiver of webhooks: verifies as the dialect's document says, and can misbehave on purpose."""

from deliveries.management.receiver.receiver import FOREVER, Receiver, Seen
from deliveries.management.receiver.server import Answer, Headers, HttpServer, Request

__all__ = ["FOREVER", "Answer", "Headers", "HttpServer", "Receiver", "Request", "Seen"]
