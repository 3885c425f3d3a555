"""The desk as an admin site of our own, for projects that have another admin, or Django's plain one.

The theme's templates replace those of Django's admin by their names. Where the project lists the theme after
`django.contrib.admin`, its own admin keeps its own; our pages take theirs from an engine of ours, with the theme first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import unfold
from django.conf import settings as django_settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template import TemplateDoesNotExist
from django.template.backends.django import DjangoTemplates
from django.template.response import SimpleTemplateResponse
from unfold.sites import UnfoldAdminSite

from subscriptions import theme
from subscriptions.desk_headers import add_headers
from subscriptions.models import Membership
from subscriptions.sign_in import SignInForm, answer_of_sign_in, counted_password_change

NAME = "merchant_webhooks"
"""The site's instance namespace, and its engine's name."""
SETTINGS = "MERCHANT_WEBHOOKS_UNFOLD"
"""The setting that the theme reads for this site, in place of UNFOLD; the project may set it."""


class OwnSite(UnfoldAdminSite):
    """An admin site for merchants' people, who need not be staff of the project."""

    settings_name = SETTINGS
    index_title = "Dashboard"
    index_template = "desk/dashboard.html"

    def __init__(self) -> None:
        if not hasattr(django_settings, SETTINGS):
            setattr(django_settings, SETTINGS, theme.unfold(NAME))
        super().__init__(NAME)
        self.login_form = SignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        """Let members of merchants in, and the project's superusers."""
        user = request.user
        if not user.is_active:
            return False
        return bool(getattr(user, "is_superuser", False)) or Membership.objects.filter(user_id=user.pk or 0).exists()

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Return the view with our templates and headers, and addresses of this site."""
        inner = super().admin_view(view, cacheable)

        def with_own_templates(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            request.current_app = self.name
            return self._ours(inner(request, *args, **kwargs))

        return with_own_templates

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Return the page to sign in, attempts counted."""
        return self._ours(answer_of_sign_in(super().login(request, extra_context)))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Return the page for one's password, attempts at the old one counted."""
        return counted_password_change(
            request, lambda asked: super(OwnSite, self).password_change(asked, extra_context)
        )

    @staticmethod
    def _ours(response: HttpResponseBase) -> HttpResponseBase:
        if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
            use_own_templates(response)
        return add_headers(response)


def use_own_templates(response: SimpleTemplateResponse) -> None:
    """Let a response that is not rendered yet find its templates with our engine."""
    response.resolve_template = _select  # type: ignore[method-assign]


def _select(template: Any) -> Any:
    names: Sequence[str] = [template] if isinstance(template, str) else template
    if not isinstance(names, list | tuple):
        return template  # a template that was found already
    tried = []
    for name in names:
        try:
            return _engine().get_template(name)
        except TemplateDoesNotExist as error:
            tried.append(error)
    raise TemplateDoesNotExist(", ".join(names), chain=tried)


@lru_cache(maxsize=1)
def _engine() -> DjangoTemplates:
    here = Path(__file__).parent
    processors = ("template.context_processors.request", "contrib.auth.context_processors.auth")
    return DjangoTemplates(
        {
            "NAME": NAME,
            "DIRS": [here / "theme_templates", Path(unfold.__file__).parent / "templates"],
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    *(f"django.{each}" for each in processors),
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    )
