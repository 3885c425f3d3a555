"""The deliveries side of the database."""

from deliveries.models.attempts import Attempt
from deliveries.models.codes import Installation
from deliveries.models.dead_letters import DeadLetter
from deliveries.models.debounce import LastSent
from deliveries.models.deliveries import Delivery
from deliveries.models.events import Event
from deliveries.models.jobs import Job
from deliveries.models.maintenance import ExpungedPayload, MaintenanceTask
from deliveries.models.notices import Notice, NoticePreference, Watch
from deliveries.models.webhook_states import Counter, HourCounter, WebhookState

__all__ = [
    "Attempt",
    "Counter",
    "DeadLetter",
    "Delivery",
    "Event",
    "ExpungedPayload",
    "HourCounter",
    "Installation",
    "Job",
    "LastSent",
    "MaintenanceTask",
    "Notice",
    "NoticePreference",
    "Watch",
    "WebhookState",
]
