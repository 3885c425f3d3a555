"""The merchant's desk: the admin of events, deliveries, attempts and the review queue, and the dashboard.

Django imports it wherever its admin is installed; the pages need the theme.
"""

from subscriptions import desk
from subscriptions.conf import settings

if desk.is_possible():
    from deliveries.admin import (  # noqa: F401
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

    if settings.WEBHOOKS_IS_SERVICE:  # the index of another project's admin is its own
        desk.site().index_template = "desk/dashboard.html"
        desk.site().index_title = "Dashboard"
