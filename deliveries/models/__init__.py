"""The deliveries side of the database."""

from deliveries.models.attempts import Attempt
from deliveries.models.codes import Installation
from deliveries.models.debounce import LastSent
from deliveries.models.deliveries import Delivery
from deliveries.models.events import Event
from deliveries.models.jobs import Job
from deliveries.models.lanes import Counter, HourCounter, Lane
from deliveries.models.notices import Notice, NoticeWish, Watch
from deliveries.models.review import DeadLetter
from deliveries.models.upkeep import Expunction, Upkeep

__all__ = [
    "Attempt",
    "Counter",
    "DeadLetter",
    "Delivery",
    "Event",
    "Expunction",
    "HourCounter",
    "Installation",
    "Job",
    "Lane",
    "LastSent",
    "Notice",
    "NoticeWish",
    "Upkeep",
    "Watch",
]
