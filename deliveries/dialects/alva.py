"""Alva Digital Downloads: the signature stands in a header and, over the rest of the body, in the body's last field.

The document's Node sample verifies `JSON.stringify(body)`, so the compact body is canonical JSON throughout. Its Python
sample verifies `json.dumps(body)`, which no compact body can satisfy: `body_style="python"` sends that form instead.
"""

import hmac
import json
from collections.abc import Sequence

from deliveries.dialects import base
from deliveries.dialects.base import Dialect, Encoded, Message
from deliveries.retries.policy import DEFAULT_POLICY

SIGNATURE_HEADER = "X-Alva-HMAC-SHA256"


def seal(open_body: bytes, field: bytes, secret: str) -> tuple[bytes, str]:
    """Close a body with its `signature` field; return it with the header's value, both HMACs lowercase hex.

    The field signs the body as it would be without the field, the header signs the whole body. Both begin with the
    same bytes, which are hashed once.

    Args:
        open_body: The body up to and including `data`, its closing brace missing.
        field: What leads the signature in: comma, name, colon and opening quote.
        secret: Its UTF-8 bytes are the key.
    """
    mac = hmac.new(secret.encode(), open_body, "sha256")
    without_field = mac.copy()
    without_field.update(b"}")
    rest = field + without_field.hexdigest().encode() + b'"}'
    mac.update(rest)
    return open_body + rest, mac.hexdigest()


def encode(message: Message, secrets: Sequence[str]) -> Encoded:
    """Return the request; see `Dialect.encode`."""
    open_body = (
        f'{{"event":{base.quote(message.event)},"timestamp":"{base.iso_seconds(message.occurred_at)}"'
        f',"shop":{base.quote(message.shop)},"api_version":{base.quote(message.api_version)},"data":{message.data}'
    )
    field = b',"signature":"'
    if message.body_style == "python":
        open_body = json.dumps(json.loads(open_body + "}"))[:-1]
        field = b', "signature": "'
    body, signature = seal(open_body.encode(), field, base.oldest(secrets))
    return base.request(message, body, (SIGNATURE_HEADER, signature))


DIALECT = Dialect(
    name="alva",
    label="Alva Digital Downloads",
    document="Alva: API Webhooks and Automation",
    signature_header=SIGNATURE_HEADER,
    timeout=10.0,
    default_policy=DEFAULT_POLICY,
    secret_format=base.TEXT_SECRET_FORMAT,
    encode=encode,
    check_secret=base.check_text_secret,
    make_secret=base.make_text_secret,
    body_styles=("compact", "python"),
)
