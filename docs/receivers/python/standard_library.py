"""Standard Webhooks with its library: pip install standardwebhooks."""

from standardwebhooks import Webhook, WebhookVerificationError

from merchant_webhooks import SignatureError


def verify(headers: dict[str, str], body: bytes, secrets: list[str], _dialect: str) -> bool:
    """As `merchant_webhooks.verify`, for the dialect `standard`; `headers` by lower-case name."""
    for secret in secrets:
        webhook = Webhook(secret)
        try:
            webhook.verify(body, headers)
        except (WebhookVerificationError, ValueError):  # ValueError: so malformed that the library stumbles
            continue
        return True
    raise SignatureError("no secret fits")
