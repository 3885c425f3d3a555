"""The merchant's desk: the admin of merchants, people, keys, the catalogue and webhooks."""

from subscriptions.admin import accounts, catalogue, history, keys, members, merchants, webhooks

__all__ = ["accounts", "catalogue", "history", "keys", "members", "merchants", "webhooks"]
