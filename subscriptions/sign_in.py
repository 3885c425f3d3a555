"""Signing in to the admin: Django's form and view, with guessing slowed.

Not in `subscriptions.admin`: the theme loads the form while it makes its site, with which that package registers later.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from unfold.forms import AuthenticationForm

from subscriptions import sign_in_limits


class SignInForm(AuthenticationForm):
    """Name and password, the password looked at only while attempts are few."""

    verdict: sign_in_limits.Verdict | None = None

    def clean(self) -> dict[str, Any]:
        """Count the attempt, then let Django check the password. Raises ValidationError saying when to try again."""
        name = self.cleaned_data.get("username")
        if name and self.cleaned_data.get("password"):
            self.verdict = sign_in_limits.count(self.request.META, name, door="admin")
            if self.verdict.is_refused:
                raise ValidationError(self.verdict.sentence, code="too_many_attempts")
        return super().clean()


def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Return the admin's own sign-in page; where the attempt was one too many, as 429 with Retry-After."""
    response = admin.site.login(request)
    form = (getattr(response, "context_data", None) or {}).get("form")
    verdict = form.verdict if isinstance(form, SignInForm) else None
    if verdict is not None and verdict.is_refused:
        response.status_code = 429
        response["Retry-After"] = str(verdict.quota.blocked_for)
    return response
