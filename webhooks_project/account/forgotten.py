"""A forgotten password: ask for a mail, then choose another by its link. Answers are the same whoever asks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminEmailInputWidget

from subscriptions import sign_in_limits
from subscriptions.services import accounts, password_resets

ASKED = "If there is an account with this address, a mail is on its way. Its link works for an hour."


class AddressForm(forms.Form):
    """Whose password it is."""

    email = forms.EmailField(
        label="E-mail address", max_length=150, widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "email"})
    )

    def clean_email(self) -> str:
        """Refuse what no account can have."""
        try:
            return accounts.clean_email(self.cleaned_data["email"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for an address; have a mail sent there if it has an account, and say nothing of whether it has."""
    form = AddressForm(request.POST or None)
    wait = 0
    if request.method == "POST" and form.is_valid():
        place = sign_in_limits.client_address(request.META)
        wait = password_resets.ask(email=form.cleaned_data["email"], place=place)
        if not wait:
            messages.info(request, ASKED)
            return HttpResponseRedirect(reverse("admin:login"))
        form.add_error("email", f"Too much was asked for from your network. Ask again in {wait} seconds.")
    context = {**admin.site.each_context(request), "title": "Forgotten password", "form": form}
    answer = TemplateResponse(request, "account/forgotten.html", context, status=429 if wait else 200)
    if wait:
        answer.headers["Retry-After"] = str(wait)
    return answer


class ChooseAnother(PasswordResetConfirmView):
    """The page behind the mailed link. A second factor is still asked for when the person signs in."""

    template_name = "account/choose_another.html"
    success_url = reverse_lazy("admin:login")

    def get_form(self, form_class: Any = None) -> Any:
        """Return Django's form with the theme's fields."""
        form = super().get_form(form_class)
        for field in form.fields.values():
            field.widget = forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "desk-input"})
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        """Say that it is done, on the page to sign in."""
        messages.success(self.request, "Your password is changed. Sign in with it.")
        return super().form_valid(form)

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        """Add what the desk's pages have."""
        return {**admin.site.each_context(self.request), **super().get_context_data(**more)}
