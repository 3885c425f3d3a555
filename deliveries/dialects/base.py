"""What every dialect shares: the message that goes in, the request that comes out, times, names and common headers."""

import json
import secrets as random_bytes
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Final, Literal

from deliveries.retries.policy import RetryPolicy

USER_AGENT: Final = "Merchant-Webhooks/1.0"

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
EVENT_HEADER: Final = "webhook-event"
TIME_HEADER: Final = "webhook-event-time"
ATTEMPT_HEADER: Final = "webhook-attempt"
TEST_HEADER: Final = "webhook-test"

MIN_SECRET_CHARS: Final = 12
MAX_SECRET_CHARS: Final = 256
TEXT_SECRET_FORMAT: Final = (
    f"{MIN_SECRET_CHARS} to {MAX_SECRET_CHARS} printable ASCII characters without a space at either end; "
    "the key is their bytes"
)

_LETTERS_AND_DIGITS: Final = string.ascii_letters + string.digits

BodyStyle = Literal["compact", "python"]


@dataclass(frozen=True, slots=True)
class Message:
    """One attempt to tell a webhook of an event.

    Attributes:
        event_id: The event's public id, the same on every attempt; matches `[A-Za-z0-9_-]{1,64}`.
        event: The event's name as the webhook knows it.
        occurred_at: When it happened (aware).
        data: The event's data as canonical JSON (see `deliveries.payloads.canonical_json`); spliced into the body as it
        is. shop: The merchant's domain. api_version: Sent by alva. attempt: Number of this attempt, from 1. sent_at:
        When this attempt is made (aware). body_style: `python` writes alva's body as `json.dumps` does by default; the
        other dialects only know `compact`. test: The merchant pressed the test button; told in a header, never in the
        signed body. resource_id: What the event is about; queues that keep order go by it. body: The whole body as
        canonical JSON, where the webhook's transformation made it; only `standard` knows others than its own.
    """

    event_id: str
    event: str
    occurred_at: datetime
    data: str
    shop: str
    api_version: str
    attempt: int
    sent_at: datetime
    body_style: BodyStyle = "compact"
    test: bool = False
    resource_id: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as a dialect wants it: exact body, and all headers but those the transport sets (Host, lengths)."""

    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One documented way to send webhooks.

    Attributes:
        name: What a webhook stores.
        label: What people read in forms.
        document: Where the format is described.
        signature_header: The header that proves the sender.
        timeout: Seconds for a whole request, by default.
        connect_timeout: Seconds to connect, by default.
        default_policy: The retry policy of webhooks that set none.
        secret_format: Help text: what a secret looks like.
        encode: `encode(message, secrets)`; `secrets` are the active ones, oldest first. Dialects with one signature
            sign with the first, so that a rotation shows when the old one ends; `standard` signs with all.
            Raises ValueError if there is no secret, or a name that cannot stand in a header.
        check_secret: Raises ValueError with the fix for a secret the dialect cannot sign with.
        make_secret: Returns a fresh secret.
        make_key_pair: Returns a fresh private key, where the dialect knows signatures that a public key verifies.
        sends_secret: Whether a request carries the secret itself, in clear.
        body_styles: What `Message.body_style` may be.
    """

    name: str
    label: str
    document: str
    signature_header: str
    timeout: float
    default_policy: RetryPolicy
    secret_format: str
    encode: Callable[[Message, Sequence[str]], Encoded]
    check_secret: Callable[[str], None]
    make_secret: Callable[[], str]
    make_key_pair: Callable[[], str] | None = None
    connect_timeout: float = 3.0
    sends_secret: bool = False
    body_styles: tuple[BodyStyle, ...] = ("compact",)
    event_header: str = EVENT_HEADER
    time_header: str = TIME_HEADER


def request(
    message: Message,
    body: bytes,
    signature: tuple[str, str],
    *,
    content_type: str = "application/json",
    user_agent: str = USER_AGENT,
) -> Encoded:
    """Put the headers that every dialect sends around a signed body.

    Raises:
        ValueError: The event's id, its name or the signature cannot stand in a header.
    """
    for what, value in (("event id", message.event_id), ("event name", message.event), (signature[0], signature[1])):
        if not (value.isascii() and value.isprintable() and value and value == value.strip()):
            raise ValueError(f"{what}: only printable ASCII without spaces at the edges is allowed in a header")
    headers = (
        ("Content-Type", content_type),
        ("User-Agent", user_agent),
        signature,
        (ID_HEADER, message.event_id),
        (TIMESTAMP_HEADER, str(unix_seconds(message.sent_at))),
        (EVENT_HEADER, message.event),
        (TIME_HEADER, iso(message.occurred_at)),
        (ATTEMPT_HEADER, str(message.attempt)),
    )
    return Encoded(body, (*headers, (TEST_HEADER, "true")) if message.test else headers)


def oldest(secrets: Sequence[str]) -> str:
    """Return the secret that a dialect with one signature signs with."""
    if not secrets:
        raise ValueError("secrets: the webhook has no active secret; rotate it to make one")
    return secrets[0]


def data_size(data: str, body_style: BodyStyle) -> int:
    """Return the bytes that event data (canonical JSON) takes in a body of this style."""
    if body_style == "python":
        return len(json.dumps(json.loads(data)))
    return len(data) if data.isascii() else len(data.encode())


quote: Final = encode_basestring
"""Write text as a JSON string, as ECMAScript would."""


def iso_seconds(moment: datetime) -> str:
    """`2024-01-15T15:30:00Z`: UTC, cut to whole seconds."""
    return _utc(moment).isoformat(timespec="seconds") + "Z"


def iso_ticks(moment: datetime) -> str:
    """`2018-04-20T13:11:34.6926940Z`: UTC with seven digits, as .NET writes it; Python knows six of them."""
    return _utc(moment).isoformat(timespec="microseconds") + "0Z"


def iso(moment: datetime) -> str:
    """`2024-01-15T15:30:00.000000Z`: always with six digits, so that times in the order of text are in order."""
    return _utc(moment).isoformat(timespec="microseconds") + "Z"


def unix_seconds(moment: datetime) -> int:
    """Whole seconds since 1970."""
    return int(moment.timestamp())


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment}: times on the wire must be aware")
    return moment.astimezone(UTC).replace(tzinfo=None)


def check_text_secret(secret: str) -> None:
    """Refuse a secret that is not `TEXT_SECRET_FORMAT`. Raises ValueError with the fix."""
    if not (secret.isascii() and secret.isprintable()):
        raise ValueError("secret: only printable ASCII is allowed; leave out accents, tabs and line breaks.")
    if secret.startswith("whsk_"):  # its owner gave it to nobody, so no receiver could verify with it
        raise ValueError("secret: is the private key of a pair, which only the dialect standard signs with.")
    if secret != secret.strip():
        raise ValueError("secret: starts or ends with a space; remove it.")
    if not MIN_SECRET_CHARS <= len(secret) <= MAX_SECRET_CHARS:
        raise ValueError(
            f"secret: has {len(secret)} characters; use {MIN_SECRET_CHARS} to {MAX_SECRET_CHARS}, "
            "or leave it empty to have one made."
        )


def make_text_secret() -> str:
    """Return a fresh secret of 43 letters and digits, 256 bits: one that no command line takes for an option."""
    return "".join(random_bytes.choice(_LETTERS_AND_DIGITS) for _ in range(43))
