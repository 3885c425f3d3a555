"""The admin site that the desk's pages stand on: the service's only one, or one of our own beside the project's."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from django.apps import apps
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.template.response import SimpleTemplateResponse
from django.urls import NoReverseMatch
from django.urls import reverse as reverse_name
from django.utils.module_loading import import_string

from subscriptions.conf import settings

A = TypeVar("A")

THEME = "unfold"
"""The app that the desk's pages are made with (the extra `admin`)."""


def is_possible() -> bool:
    """Tell whether the project has installed what the desk's pages are made with."""
    return apps.is_installed(THEME) and apps.is_installed("django.contrib.admin")


def is_beside() -> bool:
    """Tell whether the desk is a site of our own, beside whatever admin the project has."""
    return not settings.WEBHOOKS_ADMIN_SITE


def site() -> AdminSite:
    """Return the site: the one that MERCHANT_WEBHOOKS names, else our own, made at the first call."""
    return _own() if is_beside() else import_string(settings.WEBHOOKS_ADMIN_SITE)


@lru_cache(maxsize=1)
def _own() -> AdminSite:
    from subscriptions.own_site import OwnSite  # its theme must be installed

    return OwnSite()


def register(*models: type[Model]) -> Callable[[type[A]], type[A]]:
    """Register a ModelAdmin for these models, as Django's decorator does."""
    return admin.register(*models, site=site())  # type: ignore[return-value]


def reverse(name: str, *arguments: Any) -> str:
    """Return the path of one of the desk's pages, such as `reverse("webhooks_deliveries_event_change", 7)`.

    Raises NoReverseMatch where the project has no desk.
    """
    if not is_possible():
        raise NoReverseMatch("The desk is not installed: its theme is no app of this project.")
    return reverse_name(f"{site().name}:{name}", args=arguments)


def rendered(response: Any) -> Any:
    """Return a response that is rendered with the desk's templates, whatever the project's are."""
    if is_beside() and isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        from subscriptions.own_site import use_own_templates

        use_own_templates(response)
    return response
