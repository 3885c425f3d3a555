"""The merchant's desk: the admin of events, deliveries, attempts and the review queue, and the dashboard."""

from django.contrib import admin

from deliveries.admin import (
    attempts,
    dashboard,
    dead_letters,
    delivery_log,
    events,
    jobs,
    notices,
    staff_tables,
    webhooks,
)

admin.site.index_template = "desk/dashboard.html"
admin.site.index_title = "Dashboard"

__all__ = [
    "attempts",
    "dashboard",
    "dead_letters",
    "delivery_log",
    "events",
    "jobs",
    "notices",
    "staff_tables",
    "webhooks",
]
