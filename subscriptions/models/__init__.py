"""The subscriptions side of the database."""

from subscriptions.models.api import ApiRates, IdempotencyKey
from subscriptions.models.catalogue import EventType
from subscriptions.models.changes import WebhookChange
from subscriptions.models.desk import SavedView
from subscriptions.models.invitations import Invitation
from subscriptions.models.keys import ApiKey
from subscriptions.models.merchants import Membership, Merchant
from subscriptions.models.people import PasswordReset, SecondFactor
from subscriptions.models.portal import PortalLink
from subscriptions.models.webhooks import SigningSecret, Subscription, Webhook

__all__ = [
    "ApiKey",
    "ApiRates",
    "EventType",
    "IdempotencyKey",
    "Invitation",
    "Membership",
    "Merchant",
    "PasswordReset",
    "PortalLink",
    "SavedView",
    "SecondFactor",
    "SigningSecret",
    "Subscription",
    "Webhook",
    "WebhookChange",
]
