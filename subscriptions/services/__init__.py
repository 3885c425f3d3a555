"""What changes merchants, webhooks, secrets and keys. Keywords only; admin, API and commands all come through here.

Each service is one transaction and raises ValidationError with the wrong fields; nothing is stored then.
"""

from subscriptions.services.keys import NewApiKey, create_api_key, revoke_api_key
from subscriptions.services.merchants import NewMerchant, create_merchant
from subscriptions.services.secrets import rotate_secret, switch_secret
from subscriptions.services.states import disable, enable, pause, resume
from subscriptions.services.webhooks import NewWebhook, create_webhook, delete_webhook, update_webhook

__all__ = [
    "NewApiKey",
    "NewMerchant",
    "NewWebhook",
    "create_api_key",
    "create_merchant",
    "create_webhook",
    "delete_webhook",
    "disable",
    "enable",
    "pause",
    "resume",
    "revoke_api_key",
    "rotate_secret",
    "switch_secret",
    "update_webhook",
]
