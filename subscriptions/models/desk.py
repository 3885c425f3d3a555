"""What a person keeps of the desk for themselves."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class SavedView(models.Model):
    """Filters and search of a list under a name. It belongs to a person: what it may show is asked anew each time."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    page = models.CharField(max_length=100, help_text="The list, as app.model.")
    name = models.CharField(max_length=60)
    query = models.TextField(help_text="The list's address after the question mark.")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["user", "page", "name"], name="saved_view_once")]

    def __str__(self) -> str:
        return self.name
