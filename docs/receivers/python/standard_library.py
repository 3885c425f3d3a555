"""Standard Webhooks with its library: pip install standardwebhooks."""

from standardwebhooks import Webhook, WebhookVerificationError


def verify(raw_body: bytes, headers: dict[str, str], secret: str) -> bool:
    """Verify a request; `headers` by lower-case name."""
    webhook = Webhook(secret)
    try:
        webhook.verify(raw_body, headers)
    except (WebhookVerificationError, ValueError):  # ValueError: a signature so malformed that the library stumbles
        return False
    return True
