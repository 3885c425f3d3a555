"""Accounts of people: the platform's staff only. Merchants see their members, not the accounts of others."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from subscriptions import desk
from subscriptions.admin import local_times
from subscriptions.admin.scoping import STAFF, MerchantScoped

for model in (User, Group):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@desk.register(User)
class PersonAdmin(MerchantScoped, DjangoUserAdmin):  # type: ignore[misc, type-arg]
    """An account. What it may do at a merchant is its membership there; permissions of its own it needs none."""

    form, add_form, change_password_form = UserChangeForm, UserCreationForm, AdminPasswordChangeForm
    merchant_path = None
    needs = {"view": STAFF, "add": STAFF, "change": STAFF, "delete": STAFF}
    list_display = ["username", "email", "is_active", "is_superuser", "seen"]
    search_help_text = "Search names and addresses"
    list_filter = []
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("Access", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["seen", "joined"]}),
    ]
    add_fieldsets = [(None, {"fields": ["username", "usable_password", "password1", "password2"]})]
    readonly_fields = ["seen", "joined"]

    @display(description="Last sign-in", ordering="last_login")
    def seen(self, row: User) -> str:
        """Return when the person signed in last."""
        return local_times.moment(row.last_login, never="never")

    @display(description="Since", ordering="date_joined")
    def joined(self, row: User) -> str:
        """Return when the account was made."""
        return local_times.moment(row.date_joined)
