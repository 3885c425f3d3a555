"""The second step of signing in: the code of an authenticator app, or a recovery code."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from subscriptions import pending_sign_in, sign_in_limits
from subscriptions.services import second_factors

BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """Ask for the code and sign the person in; lead back to the first step where that was minutes ago."""
    user = pending_sign_in.person(request)
    if user is None:
        return HttpResponseRedirect(resolve_url(settings.LOGIN_URL))
    if request.method != "POST":
        return _page(request, user)
    checked = checked_code(request, user)
    if isinstance(checked, sign_in_limits.Verdict):
        answer = _page(request, user, checked.sentence, status=429)
        answer.headers["Retry-After"] = str(checked.quota.blocked_for)
        return answer
    if not checked:
        return _page(request, user, second_factors.WRONG)
    sign_in_limits.succeeded(request.META, user.get_username())  # the first step, too, beside the code's attempt
    target = pending_sign_in.target(request)
    pending_sign_in.forget(request)
    login(request, user, backend=BACKEND)
    request.session[pending_sign_in.PASSED] = True
    return HttpResponseRedirect(target)


def checked_code(request: HttpRequest, user: Any) -> bool | sign_in_limits.Verdict:
    """Tell whether the code that was posted is right; the verdict instead where attempts are too many to look at it."""
    name = user.get_username()
    verdict = sign_in_limits.count(request.META, name, door="second_factor")
    if verdict.is_refused:
        return verdict
    is_right = second_factors.check(user=user, code=request.POST.get("code", ""))
    if is_right:
        sign_in_limits.succeeded(request.META, name)
    return is_right


def _page(request: HttpRequest, user: Any, problem: str = "", status: int = 200) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Sign in", "name": user.get_username(), "problem": problem}
    return TemplateResponse(request, "account/second_step.html", context, status=status)
