"""The addresses of the deliveries' resources, below /api/v1/."""

from django.urls import path

from deliveries.api import (
    bulk,
    dead_letters,
    deliveries,
    events,
    expunging,
    feed,
    jobs,
    previews,
    reference,
    stats,
    testing,
    undelivered,
)
from deliveries.api.errors import Handler
from subscriptions.api.base import ApiView

ApiView.error_handler = Handler

urlpatterns = [
    path("events", events.EventList.as_view()),
    path("events/batch", events.EventBatch.as_view()),
    path("events/<str:id>", events.EventDetail.as_view()),
    path("events/<str:id>/expunge", expunging.EventExpunge.as_view()),
    path("deliveries", deliveries.DeliveryList.as_view()),
    path("deliveries/replay", bulk.DeliveryReplay.as_view()),
    path("deliveries/<str:id>", deliveries.DeliveryDetail.as_view()),
    path("deliveries/<str:id>/retry", deliveries.DeliveryRetry.as_view()),
    path("deliveries/<str:id>/cancel", deliveries.DeliveryCancel.as_view()),
    path("dead-letters", dead_letters.DeadLetterList.as_view()),
    path("dead-letters/replay", bulk.DeadLettersReplay.as_view()),
    path("dead-letters/discard", bulk.DeadLettersDiscard.as_view()),
    path("dead-letters/<str:id>", dead_letters.DeadLetterDetail.as_view()),
    path("dead-letters/<str:id>/replay", dead_letters.DeadLetterReplay.as_view()),
    path("dead-letters/<str:id>/discard", dead_letters.DeadLetterDiscard.as_view()),
    path("jobs", jobs.JobList.as_view()),
    path("jobs/<str:id>", jobs.JobDetail.as_view()),
    path("jobs/<str:id>/stop", jobs.JobStop.as_view()),
    path("undelivered", undelivered.Undelivered.as_view()),
    path("source-ips", reference.SourceIps.as_view()),
    path("stats", stats.Stats.as_view()),
    path("webhooks/<str:id>/feed", feed.Feed.as_view()),
    path("webhooks/<str:id>/preview", previews.WebhookPreview.as_view()),
    path("webhooks/<str:id>/test", testing.WebhookTest.as_view()),
    path("webhooks/<str:id>/stats", stats.WebhookStats.as_view()),
]
