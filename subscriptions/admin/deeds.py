"""Deeds: what a person can do to one row beside editing it (pause, rotate, replay). Each is a button that posts.

    @deed("Pause", icon="pause", when=lambda webhook: webhook.paused_at is None)
    def pause(self, request, webhook): ...

A deed gets a row the person may change and returns a message, or a response of its own. GET never changes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.urls.resolvers import URLPattern

from subscriptions.admin.scoping import MerchantScoped


@dataclass(frozen=True)
class Deed:
    """One button: its words, its icon (Material Symbols), and when it makes sense."""

    name: str
    label: str
    icon: str
    needs: str
    confirm: str
    danger: bool
    when: Callable[[Any], bool]
    refusals: tuple[type[Exception], ...]


def deed(
    label: str,
    *,
    icon: str,
    needs: str = "change",
    confirm: str = "",
    danger: bool = False,
    when: Callable[[Any], bool] = lambda _row: True,
    refusals: tuple[type[Exception], ...] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a method `(self, request, row) -> str | HttpResponse` as a deed.

    `refusals` are exceptions whose text is shown as the reason why it could not be done, beside ValidationError.
    """

    def mark(method: Callable[..., Any]) -> Callable[..., Any]:
        method.deed = Deed(method.__name__, label, icon, needs, confirm, danger, when, refusals)  # type: ignore[attr-defined]
        return method

    return mark


class WithDeeds(MerchantScoped):
    """A scoped ModelAdmin with deeds, at `<key>/do/<name>/`."""

    change_form_template = "subscriptions/with_deeds.html"

    @classmethod
    def all_deeds(cls) -> list[Deed]:
        """Return every deed of the class, in the order of definition, base classes first."""
        found: dict[str, Deed] = {}
        for base in reversed(cls.__mro__):
            found.update({name: value.deed for name, value in vars(base).items() if hasattr(value, "deed")})
        return list(found.values())

    def deeds_for(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Return the deeds this person can do to this row now, each with its address."""
        return [
            {"deed": each, "url": self.deed_url(each.name, row)}
            for each in self.all_deeds()
            if each.when(row) and self.may(request, each.needs, row)
        ]

    def deed_url(self, name: str, row: Any) -> str:
        """Return the address a deed's button posts to."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=[row.pk])

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> Any:
        """Put the buttons onto the row's page."""
        row = kwargs.get("obj")
        context["deeds"] = self.deeds_for(request, row) if row is not None else []
        return super().render_change_form(request, context, **kwargs)

    def page_url(self, row: Any) -> str:
        """Return the address of the row's page."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def redirect(self, name: str, row: Any) -> HttpResponseRedirect:
        """Lead to another page of the row: `name` is the page's, without app and model."""
        return HttpResponseRedirect(self.deed_url(name, row))

    def get_urls(self) -> list[URLPattern]:
        """Add an address for each deed."""
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path(
                f"<path:object_id>/do/{each.name}/",
                self.admin_site.admin_view(partial(self.do, each)),
                name=f"{info}_{each.name}",
            )
            for each in self.all_deeds()
        ] + super().get_urls()

    def do(self, each: Deed, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Do it, and lead back to where the person was. Raises Http404 for rows of others, PermissionDenied (403)."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.get_object(request, object_id)
        if not self.may(request, each.needs, row):
            raise PermissionDenied
        back = HttpResponseRedirect(self.page_url(row))
        try:
            answer = getattr(self, each.name)(request, row)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return back
        except each.refusals as error:
            messages.error(request, str(error))
            return back
        if isinstance(answer, HttpResponseBase):
            return answer
        if answer:
            messages.success(request, answer)
        return back
