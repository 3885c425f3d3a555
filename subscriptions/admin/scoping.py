"""The one mechanism that keeps a merchant's rows its own, in every page, list, choice, action and guessed address.

A person's memberships say which merchants they see and what they may do there; superusers (the platform's staff) see
all. Every ModelAdmin of the desk is a MerchantScoped; a test walks the registry to see that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.forms import HiddenInput
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from subscriptions.admin import declared, list_tools
from subscriptions.admin.declared import filter_names
from subscriptions.admin.list_pages import ListPages
from subscriptions.admin.stale_forms import StaleCheck
from subscriptions.askers import ask_for
from subscriptions.models import Membership, Merchant

VIEWER, DEVELOPER, OWNER = Membership.Role.VIEWER.value, Membership.Role.DEVELOPER.value, Membership.Role.OWNER.value
STAFF, NOBODY = "staff", "nobody"
_RANK = {VIEWER: 0, DEVELOPER: 1, OWNER: 2}


def roles(request: HttpRequest) -> dict[int, str]:
    """Return the signed-in person's role at each of their merchants, by primary key. One query a request.

    At a merchant that isn't active everyone only looks.
    """
    found = getattr(request, "_desk_roles", None)
    if found is None:
        own = Membership.objects.filter(user_id=request.user.pk or 0)
        rows = own.values_list("merchant_id", "role", "merchant__is_active")
        found = {merchant: role if is_active else VIEWER for merchant, role, is_active in rows}
        request._desk_roles = found  # type: ignore[attr-defined]
        ask_for(request, found)
    return found


def merchants_with(request: HttpRequest, role: str = VIEWER) -> list[int] | None:
    """Return the merchants (primary keys) at which the person has at least `role`; None means every merchant."""
    if request.user.is_superuser:
        return None
    if role not in _RANK:
        return []
    return [merchant for merchant, held in roles(request).items() if _RANK.get(held, -1) >= _RANK[role]]


def own_merchants(request: HttpRequest, role: str = VIEWER) -> QuerySet[Merchant]:
    """Return the merchants at which the person has at least `role`."""
    keys = merchants_with(request, role)
    return Merchant.objects.all() if keys is None else Merchant.objects.filter(pk__in=keys)


def only(rows: QuerySet[Any], column: str, key: Any) -> QuerySet[Any]:
    """Leave only the rows with this key in `column`.

    Said as a range, since PostgreSQL drops a column it knows to be constant from ORDER BY: the newest rows of a shop
    that has been quiet would then be looked for among everybody's, instead of at the end of its own index.
    """
    return rows.filter(**{f"{column}__gte": key, f"{column}__lte": key})


def sees_several(request: HttpRequest) -> bool:
    """Tell whether the person's rows may be of several merchants."""
    keys = merchants_with(request)
    return keys is None or len(keys) > 1


class MerchantScoped(ListPages):
    """A ModelAdmin whose rows belong to merchants.

    `merchant_path` is the lookup from a row to its merchant's key; None marks what all merchants share. `needs` names
    the least role for each of view, add, change and delete: a role, STAFF (superusers only) or NOBODY. An address may
    ask by the filters of `list_filter`, and by `list_parameters`.
    """

    merchant_path: ClassVar[str | None] = "merchant_id"
    needs: ClassVar[Mapping[str, str]] = {}
    change_form_template = "subscriptions/change_form.html"
    list_parameters: ClassVar[frozenset[str]] = frozenset()
    list_filter_submit = True
    list_per_page = 50
    list_fullwidth = True

    def may(self, request: HttpRequest, what: str, obj: Any = None) -> bool:
        """Tell whether the person may `what` (view, add, change, delete) this row or, without one, some row."""
        needed = self.needs.get(what, VIEWER if what == "view" else NOBODY)
        if needed == NOBODY or not request.user.is_active:
            return False
        if request.user.is_superuser:
            return True
        keys = merchants_with(request, needed)
        if self.merchant_path is None or not isinstance(obj, Model):
            return bool(keys)
        return self.merchant_key(obj) in (keys or [])

    def merchant_key(self, obj: Any) -> Any:
        """Return the primary key of the row's merchant."""
        for step in (self.merchant_path or "").split("__"):
            obj = getattr(obj, step)
        return obj

    def scope(self, request: HttpRequest, rows: QuerySet[Any], role: str = VIEWER) -> QuerySet[Any]:
        """Leave only the rows of merchants at which the person has at least `role`."""
        keys = merchants_with(request, role)
        if keys is None or self.merchant_path is None:
            return rows
        if len(keys) == 1:
            return only(rows, self.merchant_path, keys[0])
        return rows.filter(**{f"{self.merchant_path}__in": keys})

    def changeable(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Leave only the rows the person may change: what an action on selected rows works on."""
        return self.scope(request, rows, self.needs.get("change", NOBODY))

    def related(self, request: HttpRequest, model: type[Model], role: str = VIEWER) -> QuerySet[Any]:
        """Return the rows of another model that the person may point at."""
        if issubclass(model, get_user_model()):
            keys = merchants_with(request, role)
            people = model._default_manager.all()
            return people if keys is None else people.filter(memberships__merchant_id__in=keys).distinct()
        admin = self.admin_site._registry.get(model)
        if not isinstance(admin, MerchantScoped):
            return model._default_manager.none()
        return admin.scope(request, admin.get_queryset(request), role)

    def related_to(self, request: HttpRequest, field: Any, row: Any) -> QuerySet[Any]:
        """Return the rows that this row of a merchant may point at by a field: none of another merchant.

        A person who is pointed at already may stay, and the platform's staff may take things on.
        """
        model, key = field.remote_field.model, self.merchant_key(row)
        if issubclass(model, get_user_model()):
            named = [getattr(row, field.attname), request.user.pk if request.user.is_superuser else None]
            members = Q(pk__in=Membership.objects.filter(merchant_id=key).values("user_id"))
            return model._default_manager.filter(members | Q(pk__in=[pk for pk in named if pk]))
        rows = self.related(request, model, self._writing_role())
        path = getattr(self.admin_site._registry.get(model), "merchant_path", None)
        return rows if path is None else rows.filter(**{path: key})

    def columns_on_offer(self, request: HttpRequest) -> list[str]:
        """Name the merchant only to whoever sees several."""
        columns = super().columns_on_offer(request)
        return columns if sees_several(request) else [name for name in columns if name != "merchant"]

    # --- what Django asks ---------------------------------------------------------------------------------------

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Find rows in which each word of the term stands in some search field, in any case and as it is written.

        Django's own search takes what stands in quotes for one word and drops the quotes: `"` would find everything.
        """
        for word in search_term.split() if self.search_fields else ():
            queryset = queryset.filter(Q.create([(f"{name}__icontains", word) for name in self.search_fields], Q.OR))
        return queryset, False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the person's own rows."""
        return self.scope(request, super().get_queryset(request))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Let an address ask what a filter declares, and nothing else."""
        return lookup in filter_names(self)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list that the address asks for. Raises WrongQuery."""
        declared.check(request, self, self.list_parameters)
        return super().get_changelist_instance(request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Say what is wrong with an address: 400 for what can't be asked, 422 and an empty list for unknown values."""
        try:
            named = {"title": capfirst(self.opts.verbose_name_plural)}
            answer = super().changelist_view(request, named | (extra_context or {}))
        except declared.WrongQuery as error:
            return self.wrong_query(request, error)
        shown = getattr(answer, "context_data", None) or {}
        if "cl" in shown:
            shown["list_tools"] = list_tools.context(request, self, shown["cl"])
        if "cl" in shown and not shown["cl"].result_list:
            for told in declared.problems(shown["cl"].filter_specs):
                messages.warning(request, f"{told} Nothing is shown.")
                answer.status_code = 422
        return answer

    def wrong_query(self, request: HttpRequest, error: declared.WrongQuery) -> TemplateResponse:
        """Return the page that says what is wrong with an address."""
        context = {**self.admin_site.each_context(request), "title": "This can't be asked", "told": error}
        return TemplateResponse(request, "subscriptions/wrong_query.html", context, status=400)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row. Raises Http404 for rows that the person may not see exactly as for rows that never were."""
        found = super().get_object(request, object_id, from_field)
        if found is not None and request.method == "POST" and connection.in_atomic_block:
            self.hold(found)
            found = super().get_object(request, object_id, from_field)
        if found is None or not self.has_view_permission(request, found):
            raise Http404(f"No {self.opts.verbose_name} with this address.")
        return found

    def hold(self, found: Any) -> None:
        """Lock the row that a form is about: what it is compared with must not change before it is saved."""
        type(found)._default_manager.select_for_update(no_key=True).filter(pk=found.pk).first()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form's class; one that changes a row notices what was changed meanwhile."""
        kwargs.setdefault("formfield_callback", partial(self.formfield_for_dbfield, request=request, row=obj))
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (StaleCheck, form), {}) if change else form

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Offer one way to save: what follows is a click away."""
        context = {"show_save_and_add_another": False, "show_save_and_continue": False} | context
        return super().render_change_form(request, context, *args, **kwargs)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the model to whoever may see some row of it."""
        return self.may(request, "view")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the person may see it."""
        return self.may(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may add one."""
        return self.may(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the person may change it."""
        return self.may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the person may delete it."""
        return self.may(request, "delete", obj)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only rows of merchants where the person may write."""
        kwargs.setdefault("queryset", self.related(request, db_field.remote_field.model, self._writing_role()))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Ask for the merchant only people who have several; adding merchants is another page's.

        `row` is the one whose form this is; without it, its merchant isn't known yet.
        """
        row = kwargs.pop("row", None)
        if row is not None and self.merchant_path and db_field.remote_field:
            kwargs.setdefault("queryset", self.related_to(request, db_field, row))
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "merchant" and field is not None:
            field.widget = getattr(field.widget, "widget", field.widget)  # no buttons for related rows
            keys = merchants_with(request, self._writing_role())
            if keys is not None and len(keys) == 1:
                field.initial, field.empty_label, field.widget = keys[0], None, HiddenInput()
        return field

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only rows of merchants where the person may write."""
        kwargs.setdefault("queryset", self.related(request, db_field.remote_field.model, self._writing_role()))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _writing_role(self) -> str:
        return next((self.needs[what] for what in ("add", "change") if what in self.needs), VIEWER)
