"""Where the operator asks for a second factor: no page before it is set up, and none without its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from subscriptions.acting import PERSON
from subscriptions.conf import settings
from subscriptions.pending_sign_in import PASSED
from subscriptions.services import second_factors

OPEN: Final = frozenset({"login", "logout", "second_factor", "account", "recovery_codes", "jsi18n"})
"""Names of addresses that are answered without."""


class SecondFactorRequired:
    """Middleware that leads people to their account until they have given a code.

    What open pages ask (`…_live`) isn't looked at: it needs the ticket of a page that was.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponseBase | None:
        """Lead away from pages of the desk where the person must give a code first."""
        if settings.WEBHOOKS_REQUIRE_TWO_FACTOR == "nobody" or not request.path.startswith("/admin/"):
            return None
        name = (request.resolver_match.url_name if request.resolver_match else "") or ""
        if name in OPEN or name.endswith("_live"):
            return None
        if not request.user.is_authenticated or request.session.get(PASSED) or request.session.get(PERSON):
            return None
        if not second_factors.is_required(request.user):
            return None
        messages.warning(request, "The operator asks for two-factor sign-in. Set it up to go on.")
        return HttpResponseRedirect(reverse("account"))
