"""The catalogue of what can happen."""

from __future__ import annotations

from django.db import models


class EventType(models.Model):
    """A catalogue entry: an event's name with its other spellings, its schema and an example."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100, unique=True)
    aliases = models.JSONField(default=list, blank=True, help_text="Other spellings of the same event.")
    group = models.CharField(max_length=50, db_index=True)
    source = models.CharField(max_length=20, blank=True, help_text="The document it comes from; empty for our own.")
    description = models.TextField()
    schema = models.JSONField(default=dict, blank=True, help_text="JSON Schema (2020-12) of `data`.")
    example = models.TextField(help_text="An example of `data`, canonical JSON text.")
    fresh = models.BooleanField(
        default=False, help_text="Send the resource as it is at delivery time, where the source registered a resolver."
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "event catalogue"

    def __str__(self) -> str:
        return self.name
