"""What changes merchants, webhooks, secrets and keys. Keywords only; admin, API and commands all come through here.

Each service is one transaction and raises ValidationError with the wrong fields; nothing is stored then.
"""

from subscriptions.services.invitations import accept as accept_invitation
from subscriptions.services.invitations import choose_password, invite
from subscriptions.services.invitations import find as find_invitation
from subscriptions.services.invitations import is_for as is_invited
from subscriptions.services.invitations import withdraw as withdraw_invitation
from subscriptions.services.keys import NewApiKey, create_api_key, revoke_api_key
from subscriptions.services.members import change_role, remove_member
from subscriptions.services.merchants import NewMerchant, create_merchant, update_merchant
from subscriptions.services.portal import NewPortalLink, create_portal_link, find_portal_link, open_portal_link
from subscriptions.services.secrets import rotate_secret, switch_secret
from subscriptions.services.states import disable, enable, pause, resume
from subscriptions.services.webhooks import NewWebhook, create_webhook, delete_webhook, update_webhook

__all__ = [
    "NewApiKey",
    "NewMerchant",
    "NewPortalLink",
    "NewWebhook",
    "accept_invitation",
    "change_role",
    "choose_password",
    "create_api_key",
    "create_merchant",
    "create_portal_link",
    "create_webhook",
    "delete_webhook",
    "disable",
    "enable",
    "find_invitation",
    "find_portal_link",
    "invite",
    "is_invited",
    "open_portal_link",
    "pause",
    "remove_member",
    "resume",
    "revoke_api_key",
    "rotate_secret",
    "switch_secret",
    "update_merchant",
    "update_webhook",
    "withdraw_invitation",
]
