"""A person's own account: whether a second factor is asked for, set up, renewed and turned off here."""

from __future__ import annotations

import base64
import io
from typing import Any, Final

import segno
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from subscriptions import encryption, pending_sign_in, sign_in_limits
from subscriptions.acting import PERSON
from subscriptions.admin import shown_once
from subscriptions.services import second_factors
from webhooks_project.account.second_step import checked_code

_KEY: Final = "second_factor_key"


@never_cache
@sensitive_post_parameters("code")
def own_account(request: HttpRequest) -> HttpResponse:
    """Show the account (GET), or do what a button says (POST). Raises PermissionDenied for sessions of portal links."""
    if request.session.get(PERSON):
        raise PermissionDenied
    problem, status = "", 200
    if request.method == "POST":
        try:
            return _do(request, request.POST.get("do", ""))
        except TooMany as error:
            problem, status = error.verdict.sentence, 429
        except ValidationError as error:
            problem = " ".join(error.messages)
    return _page(request, problem, status)


class TooMany(Exception):
    """Codes were tried too often to look at another one."""

    def __init__(self, verdict: sign_in_limits.Verdict) -> None:
        super().__init__(verdict.sentence)
        self.verdict = verdict


def _do(request: HttpRequest, what: str) -> HttpResponse:
    """Do what a button says. Raises ValidationError for a wrong code, TooMany after too many."""
    user: Any = request.user
    if what == "turn_on":
        key = _key(request)
        codes = second_factors.turn_on(user=user, key=key, code=request.POST.get("code", ""))
        del request.session[_KEY]
        request.session[pending_sign_in.PASSED] = True
        return _show(request, codes)
    _prove(request)
    if what == "renew":
        return _show(request, second_factors.renew_codes(user=user))
    if what != "turn_off" or second_factors.is_required(user):
        raise ValidationError("The operator asks for two-factor sign-in, so it stays on.")
    second_factors.turn_off(user=user)
    request.session.pop(pending_sign_in.PASSED, None)
    messages.success(request, "Two-factor sign-in is off. Your password alone signs you in.")
    return HttpResponseRedirect(reverse("account"))


def _prove(request: HttpRequest) -> None:
    """Refuse who has found a desk that somebody left open. Raises ValidationError or TooMany."""
    checked = checked_code(request, request.user)
    if isinstance(checked, sign_in_limits.Verdict):
        raise TooMany(checked)
    if not checked:
        raise ValidationError(second_factors.WRONG)


def _show(request: HttpRequest, codes: list[str]) -> HttpResponse:
    shown_once.keep(request, {"Recovery codes": "\n".join(codes)})
    return HttpResponseRedirect(reverse("recovery_codes"))


@never_cache
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Show new recovery codes, once."""
    context = {
        **admin.site.each_context(request),
        "title": "Your recovery codes",
        "subject": "Recovery codes",
        "advice": "Keep them where you keep passwords, not on the phone: each signs you in once if the phone is lost.",
        "back": reverse("account"),
    }
    return shown_once.page(request, context)


def _key(request: HttpRequest) -> str:
    """Return the key that this session sets up; sessions are rows, so it is encrypted there."""
    if kept := request.session.get(_KEY):
        try:
            return encryption.decrypt(kept)
        except encryption.UndecryptableSecret:
            pass  # what it was encrypted under has been taken out: set up another
    key = second_factors.new_key()
    request.session[_KEY] = encryption.encrypt(key)
    return key


def _page(request: HttpRequest, problem: str, status: int) -> HttpResponse:
    user: Any = request.user
    is_on = second_factors.is_needed(user)
    context = {
        **admin.site.each_context(request),
        "title": "Your account",
        "problem": problem,
        "is_on": is_on,
        "is_required": second_factors.is_required(user),
        "has_password": user.has_usable_password(),
    }
    if not is_on:
        key = _key(request)
        groups = " ".join(key[start : start + 4] for start in range(0, len(key), 4))
        context |= {"key": groups, "picture": _picture(second_factors.address(key, user.get_username()))}
    return TemplateResponse(request, "account/own_account.html", context, status=status)


def _picture(text: str) -> str:
    """Return a QR code as the address of an image: black on white in either theme, as cameras want it."""
    image = io.BytesIO()
    segno.make(text, error="m").save(image, kind="svg", scale=5, border=4, light="#fff")
    return "data:image/svg+xml;base64," + base64.b64encode(image.getvalue()).decode()
