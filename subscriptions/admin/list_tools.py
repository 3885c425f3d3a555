"""What stands above a list: the views a person goes back to, the filters in force as chips, and the choice of columns.

Views are stored by person; the choice of columns is a cookie, which counts for the browser it was made in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.utils import label_for_field
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR, SEARCH_VAR
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict

from subscriptions import desk
from subscriptions.models import SavedView

VIEWS_MAX: Final = 30
"""Views that a person may save of a list."""
NAME_MAX: Final = 60
"""Characters of a view's name."""
QUERY_MAX: Final = 2000
"""Characters of a view's filters and search."""
COLUMNS_KEPT: Final = 365 * 86400
"""Seconds for which a browser keeps its choice of columns."""
_PLACES: Final = frozenset({"after", "before", PAGE_VAR, ERROR_FLAG})
"""Parameters that say where in a list somebody is, not what it shows."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force, in words, and the address of the list without it."""

    text: str
    without: str


@dataclass(frozen=True, slots=True)
class View:
    """A view on offer. `key` is that of one's own, which can be deleted; 0 for those that every person has."""

    name: str
    query: str
    is_shown: bool
    key: int = 0


def chips(specs: Sequence[Any], query: QueryDict) -> list[Chip]:
    """Return the filters, and the search, that a query asks of a list."""
    found = [
        Chip(f"{str(spec.title).capitalize()}: {words}", _without(query, names))
        for spec in specs
        if (words := _words(spec, query, names := [str(name) for name in spec.expected_parameters()]))
    ]
    if query.get(SEARCH_VAR):
        found.append(Chip(f"Search: {query[SEARCH_VAR]}", _without(query, [SEARCH_VAR])))
    return found


def views(request: HttpRequest, model_admin: Any) -> list[View]:
    """Return the views of a list: those that everybody has, then the person's own."""
    now = _meaning(request.GET)
    ready = [View(name, query, _meaning(QueryDict(query)) == now) for name, query in model_admin.ready_views]
    mine = SavedView.objects.filter(user_id=request.user.pk or 0, page=page_of(model_admin))[:VIEWS_MAX]
    return [*ready, *(View(row.name, row.query, _meaning(QueryDict(row.query)) == now, row.pk) for row in mine)]


def change_views(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Save the list's filters under a name, or delete one of the person's views; lead back to the list."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    mine = SavedView.objects.filter(user_id=request.user.pk or 0, page=page_of(model_admin))
    back = _list(model_admin)
    if (key := request.POST.get("delete", "")).isascii() and key.isdigit() and len(key) < 19:
        mine.filter(pk=int(key)).delete()
        return HttpResponseRedirect(back)
    name = " ".join(request.POST.get("name", "").replace("\x00", "").split())[:NAME_MAX]
    query = _kept(QueryDict(request.POST.get("query", "")[:QUERY_MAX].replace("\x00", "")))
    if not name:
        messages.warning(request, "Give the view a name.")
    elif not mine.filter(name=name).exists() and mine.count() >= VIEWS_MAX:
        messages.warning(request, f"You have {VIEWS_MAX} views of this list. Delete one first.")
    else:
        SavedView.objects.update_or_create(
            user_id=request.user.pk or 0, page=page_of(model_admin), name=name, defaults={"query": query}
        )
    return HttpResponseRedirect(f"{back}?{query}" if query else back)


# --- columns ----------------------------------------------------------------------------------------------------------


def chosen_columns(request: HttpRequest, model_admin: Any) -> set[str]:
    """Return the names of the columns that this browser chose for a list; none where it never did."""
    return set(request.COOKIES.get(_cookie(model_admin), "").split(".")) - {""}


def columns(request: HttpRequest, model_admin: Any) -> list[tuple[str, str, bool]]:
    """Return the columns of a list that can be shown: name, heading, and whether it is shown."""
    shown = model_admin.get_list_display(request)
    fixed = {*(model_admin.list_display_links or ()), model_admin.list_display[0]}
    return [
        (name, str(label_for_field(name, model_admin.model, model_admin)), name in shown)
        for name in model_admin.columns_on_offer(request)
        if name not in fixed
    ]


def choose_columns(request: HttpRequest, model_admin: Any) -> HttpResponse:
    """Keep the choice of columns, or forget it; lead back to the list."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    query = _kept(QueryDict(request.POST.get("query", "")[:QUERY_MAX].replace("\x00", "")))
    answer = HttpResponseRedirect(_list(model_admin) + (f"?{query}" if query else ""))
    offered = model_admin.columns_on_offer(request)
    chosen = [name for name in request.POST.getlist("column") if name in offered]
    if "usual" in request.POST:
        answer.delete_cookie(_cookie(model_admin), path=desk.reverse("index"))
    else:
        answer.set_cookie(
            _cookie(model_admin),
            ".".join(chosen or [model_admin.list_display[0]]),
            max_age=COLUMNS_KEPT,
            path=desk.reverse("index"),
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return answer


# --- the page -----------------------------------------------------------------------------------------------------


def context(request: HttpRequest, model_admin: Any, changelist: Any) -> dict[str, Any]:
    """Return what the template `subscriptions/list_tools.html` shows."""
    own = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"
    in_force = chips(changelist.filter_specs, request.GET)
    return {
        "chips": in_force,
        "views": views(request, model_admin),
        "query": _kept(request.GET),
        "columns": columns(request, model_admin) if model_admin.more_columns else [],
        "views_url": desk.reverse(f"{own}_views"),
        "columns_url": desk.reverse(f"{own}_columns"),
        "name_max": NAME_MAX,
    }


def page_of(model_admin: Any) -> str:
    """Return the name under which a list's views are stored."""
    return str(model_admin.opts.label_lower)


def _list(model_admin: Any) -> str:
    return desk.reverse(f"{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist")


def _cookie(model_admin: Any) -> str:
    return f"desk_columns_{model_admin.opts.model_name}"


def _words(spec: Any, query: QueryDict, names: list[str]) -> str:
    values = [query.get(name, "") for name in names]
    if not any(values):
        return ""
    if len(values) == 4:  # a range: day and hour of both its ends
        start, end = " ".join(values[:2]).strip(), " ".join(values[2:]).strip()
        return " ".join([f"from {start}"] * bool(start) + [f"until {end}"] * bool(end))
    value = next(value for value in values if value)
    return str(dict(_choices(spec)).get(value, value))


def _choices(spec: Any) -> Iterator[tuple[str, Any]]:
    offered = getattr(spec, "lookup_choices", None) or getattr(getattr(spec, "field", None), "flatchoices", ())
    yield from ((str(value), label) for value, label in offered or ())


def _without(query: QueryDict, names: Sequence[str]) -> str:
    rest = query.copy()
    for name in {*names, *_PLACES}:
        rest.pop(name, None)
    return "?" + rest.urlencode()


def _kept(query: QueryDict) -> str:
    """Return a query as text, without blank values and without the place in the list."""
    rest = query.copy()
    for name in list(rest):
        values = [value for value in rest.getlist(name) if value]
        if name in _PLACES or not values:
            del rest[name]
        else:
            rest.setlist(name, values)
    return rest.urlencode()


def _meaning(query: QueryDict) -> set[tuple[str, str]]:
    return {(name, value) for name, values in QueryDict(_kept(query)).lists() for value in values}
