"""Row actions: what a person can do to one row beside editing it (pause, rotate, replay). Each is a button that posts.

    @row_action("Pause", icon="pause", when=lambda webhook: webhook.paused_at is None)
    def pause(self, request, webhook): ...

A row action gets a row the person may change and returns a message, or a response of its own. GET never changes
anything.
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
from django.urls import path
from django.urls.resolvers import URLPattern

from subscriptions import desk
from subscriptions.admin.scoping import MerchantScoped


@dataclass(frozen=True)
class RowAction:
    """One button: its words, its icon (Material Symbols), and when it makes sense."""

    name: str
    label: str
    icon: str
    needs: str
    confirm: str
    danger: bool
    when: Callable[[Any], bool]
    refusals: tuple[type[Exception], ...]


def row_action(
    label: str,
    *,
    icon: str,
    needs: str = "change",
    confirm: str = "",
    danger: bool = False,
    when: Callable[[Any], bool] = lambda _row: True,
    refusals: tuple[type[Exception], ...] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a method `(self, request, row) -> str | HttpResponse` as a row_action.

    `refusals` are exceptions whose text is shown as the reason why it could not be done, beside ValidationError.
    """

    def mark(method: Callable[..., Any]) -> Callable[..., Any]:
        method.row_action = RowAction(method.__name__, label, icon, needs, confirm, danger, when, refusals)  # type: ignore[attr-defined]
        return method

    return mark


class WithRowActions(MerchantScoped):
    """A scoped ModelAdmin with row_actions, at `<key>/do/<name>/`."""

    change_form_template = "subscriptions/with_row_actions.html"

    @classmethod
    def all_row_actions(cls) -> list[RowAction]:
        """Return every row action of the class, in the order of definition, base classes first."""
        found: dict[str, RowAction] = {}
        for base in reversed(cls.__mro__):
            found.update({name: value.row_action for name, value in vars(base).items() if hasattr(value, "row_action")})
        return list(found.values())

    def row_actions_for(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """Return the row actions this person can do to this row now, each with its address."""
        return [
            {"row_action": each, "url": self.row_action_url(each.name, row)}
            for each in self.all_row_actions()
            if each.when(row) and self.may(request, each.needs, row)
        ]

    def row_action_url(self, name: str, row: Any) -> str:
        """Return the address a row action's button posts to."""
        return desk.reverse(f"{self.opts.app_label}_{self.opts.model_name}_{name}", row.pk)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> Any:
        """Put the buttons onto the row's page."""
        row = kwargs.get("obj")
        context["row_actions"] = self.row_actions_for(request, row) if row is not None else []
        return super().render_change_form(request, context, **kwargs)

    def page_url(self, row: Any) -> str:
        """Return the address of the row's page."""
        return desk.reverse(f"{self.opts.app_label}_{self.opts.model_name}_change", row.pk)

    def redirect(self, name: str, row: Any) -> HttpResponseRedirect:
        """Lead to another page of the row: `name` is the page's, without app and model."""
        return HttpResponseRedirect(self.row_action_url(name, row))

    def get_urls(self) -> list[URLPattern]:
        """Add an address for each row action."""
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path(
                f"<path:object_id>/do/{each.name}/",
                self.admin_site.admin_view(partial(self.do, each)),
                name=f"{info}_{each.name}",
            )
            for each in self.all_row_actions()
        ] + super().get_urls()

    def do(self, each: RowAction, request: HttpRequest, object_id: str) -> HttpResponseBase:
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
