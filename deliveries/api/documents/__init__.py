"""The shapes of this app's resources, for the OpenAPI document."""

from deliveries.api import examples  # noqa: F401 - registered before the views are described
from deliveries.api.documents.fields import data_of
from deliveries.api.documents.log import (
    AttemptDocument,
    BatchDocument,
    DeliveryDetailDocument,
    DeliveryDocument,
    EventDetailDocument,
    EventDocument,
    ExpunctionDocument,
    NewBatch,
    NewEvent,
    PublishedDocument,
    UndeliveredDocument,
    WhyDocument,
)
from deliveries.api.documents.review import (
    BulkDocument,
    DeadLetterDocument,
    DeadLetterSelection,
    DeliverySelection,
    JobDocument,
    Note,
)
from deliveries.api.documents.service import (
    WINDOW,
    AnswerDocument,
    ExchangeDocument,
    Figures,
    Point,
    SentDocument,
    SourceIpsDocument,
    StatsDocument,
    Trial,
)

__all__ = [
    "WINDOW",
    "AnswerDocument",
    "AttemptDocument",
    "BatchDocument",
    "BulkDocument",
    "DeadLetterDocument",
    "DeadLetterSelection",
    "DeliveryDetailDocument",
    "DeliveryDocument",
    "DeliverySelection",
    "EventDetailDocument",
    "EventDocument",
    "ExchangeDocument",
    "ExpunctionDocument",
    "Figures",
    "JobDocument",
    "NewBatch",
    "NewEvent",
    "Note",
    "Point",
    "PublishedDocument",
    "SentDocument",
    "SourceIpsDocument",
    "StatsDocument",
    "Trial",
    "UndeliveredDocument",
    "WhyDocument",
    "data_of",
]
