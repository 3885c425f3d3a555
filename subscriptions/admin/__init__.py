"""The merchant's desk: the admin of merchants, people, keys, the catalogue and webhooks.

Django imports it wherever its admin is installed; the pages need the theme, and accounts are the project's own.
"""

from subscriptions import desk
from subscriptions.conf import settings

if desk.is_possible():
    from subscriptions.admin import catalogue, history, keys, members, merchants, webhooks  # noqa: F401

    if settings.WEBHOOKS_IS_SERVICE:
        from subscriptions.admin import accounts  # noqa: F401
