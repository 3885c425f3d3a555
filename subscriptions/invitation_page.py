"""The page behind an invitation's link: choose a password, sign in, accept.

It shows and answers the same whether or not the invited address has an account.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from subscriptions import desk, services, sign_in_limits
from subscriptions.desk_headers import add_headers
from subscriptions.models import Invitation

PASSWORD_MAX = 4096
"""Characters of a password that are looked at."""


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invitation, or do what its page offers. Raises Http404 for links that lead nowhere, or no longer."""
    found = services.find_invitation(token)
    if found is None:
        raise Http404("There is no such invitation.")
    try:
        if request.method == "POST" and request.user.is_authenticated:
            joined = services.accept_invitation(token=token, user=request.user)
            messages.success(request, f"You are a member of {joined.merchant} now, as {joined.role}.")
            return HttpResponseRedirect(desk.reverse("index"))
        if request.method == "POST":
            _choose_password(request, found)
            return redirect_to_login(request.path)
    except ValidationError as error:
        return _page(request, found, error.messages)
    return _page(request, found, [])


def _choose_password(request: HttpRequest, found: Invitation) -> None:
    # Each costs a password's hash, so they are counted like attempts to sign in.
    verdict = sign_in_limits.count(request.META, found.email, door="invitation")
    if verdict.is_refused:
        raise ValidationError(verdict.sentence)
    password = request.POST.get("password", "")
    if len(password) > PASSWORD_MAX:
        raise ValidationError(f"A password has at most {PASSWORD_MAX} characters.")
    services.choose_password(invitation=found, password=password)


def _page(request: HttpRequest, found: Invitation, problems: list[str]) -> HttpResponse:
    context: dict[str, Any] = {
        **desk.site().each_context(request),
        "invitation": found,
        "problems": problems,
        "is_theirs": request.user.is_authenticated and services.is_invited(found, request.user),
        "sign_in_url": redirect_to_login(request.path).url,
    }
    response = TemplateResponse(request, "subscriptions/invitation.html", context)
    add_headers(response)
    return desk.rendered(response)
