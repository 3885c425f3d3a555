"""The merchant's desk: the admin of merchants, people, keys, the catalogue and webhooks."""

from subscriptions.admin import catalogue, keys, merchants, people, records, webhooks

__all__ = ["catalogue", "keys", "merchants", "people", "records", "webhooks"]
