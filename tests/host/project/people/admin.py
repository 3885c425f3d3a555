"""The host's own admin of its accounts."""

from django.contrib import admin

from people.models import Person


@admin.register(Person)
class PersonAdmin(admin.ModelAdmin):
    list_display = ["email", "is_staff"]
    fields = ["email", "is_staff", "is_superuser"]
