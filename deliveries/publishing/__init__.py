"""From what a caller publishes to stored events and deliveries, in the caller's transaction."""

from deliveries.publishing.model_events import becomes, changes, publishes
from deliveries.publishing.service import JsonText, NewEvent, Published, publish, publish_many

__all__ = [
    "JsonText",
    "NewEvent",
    "Published",
    "becomes",
    "changes",
    "publish",
    "publish_many",
    "publishes",
]
