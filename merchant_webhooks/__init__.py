"""What programs beside the service use: receivers verify with it what they were sent. Needs nothing but Python."""

from merchant_webhooks.verification import DIALECTS, SignatureError, verify

__all__ = ["DIALECTS", "SignatureError", "verify"]
