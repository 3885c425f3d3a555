"""Signing in to the admin: Django's form and view, with guessing slowed.

Not in `subscriptions.admin`: the theme loads the form while it makes its site, with which that package registers later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from unfold.forms import AuthenticationForm

from subscriptions import pending_sign_in, sign_in_limits
from subscriptions.services import second_factors


class SignInForm(AuthenticationForm):
    """Name and password, the password looked at only while attempts are few. A second factor is asked for next."""

    verdict: sign_in_limits.Verdict | None = None
    wants_code = False

    def clean(self) -> dict[str, Any]:
        """Count the attempt, then let Django check the password. Raises ValidationError saying when to try again."""
        name = self.cleaned_data.get("username")
        if name and self.cleaned_data.get("password"):
            self.verdict = sign_in_limits.count(self.request.META, name, door="admin")
            if self.verdict.is_refused:
                raise ValidationError(self.verdict.sentence, code="too_many_attempts")
        data = super().clean()
        if self.verdict is not None and self.user_cache is not None:
            if second_factors.is_needed(self.user_cache):
                # The attempt counts until the code is right: a known password mustn't pay for guesses at codes.
                self.wants_code = True
                pending_sign_in.keep(self.request, self.user_cache)
                raise ValidationError("The code of the second factor is missing.", code="second_factor")
            sign_in_limits.succeeded(self.request.META, name or "")
        return data


def change_password(request: HttpRequest) -> HttpResponseBase:
    """Return the admin's own page for one's password, attempts at the old one counted like those to sign in."""
    return counted_password_change(request, admin.site.password_change)


def counted_password_change(
    request: HttpRequest, change: Callable[[HttpRequest], HttpResponseBase]
) -> HttpResponseBase:
    """Return the answer of a page for one's password; 429 with Retry-After where the attempt is one too many."""
    if request.method != "POST" or not request.user.is_authenticated:
        return change(request)
    name = request.user.get_username()
    verdict = sign_in_limits.count(request.META, name, door="password")
    if verdict.is_refused:
        response = HttpResponse(verdict.sentence, status=429, content_type="text/plain; charset=utf-8")
        response["Retry-After"] = str(verdict.quota.blocked_for)
        return response
    answer = change(request)
    if answer.status_code == 302:
        sign_in_limits.succeeded(request.META, name)
    return answer


def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Return the admin's own sign-in page; where the attempt was one too many, as 429 with Retry-After."""
    return answer_of_sign_in(admin.site.login(request))


def answer_of_sign_in(response: HttpResponseBase) -> HttpResponseBase:
    """Return a sign-in page's answer, as 429 with Retry-After where the attempt was one too many.

    Where the password was right and isn't enough, lead to the page that asks for the code.
    """
    form = (getattr(response, "context_data", None) or {}).get("form")
    if isinstance(form, SignInForm) and form.wants_code:
        return HttpResponseRedirect(reverse("second_factor"))
    verdict = form.verdict if isinstance(form, SignInForm) else None
    if verdict is not None and verdict.is_refused:
        response.status_code = 429
        response["Retry-After"] = str(verdict.quota.blocked_for)
    return response
