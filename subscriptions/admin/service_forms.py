"""Forms whose last check is doing it: the service validates, and its objections stand beside the fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that saves through a service.

    The admin's own saving is skipped (`save` only hands the row over). There are no inlines beside such a form, so a
    valid form is a saved one; the admin's transaction undoes everything if the page fails afterwards.
    """

    shown_as: ClassVar[Mapping[str, str]] = {}
    """The service's name of a field → the form's, where they differ."""
    request: HttpRequest  # set by ServiceFormMixin.get_form

    def serve(self, data: dict[str, Any]) -> Any:
        """Call the service with the cleaned data and return the row. Raises ValidationError."""
        raise NotImplementedError

    def _post_clean(self) -> None:
        if self.errors:
            return
        try:
            self.instance = self.serve(dict(self.cleaned_data))
        except ValidationError as error:
            self.object_to(error)

    def object_to(self, error: ValidationError) -> None:
        """Put the service's objections beside the fields they name."""
        problems = error.message_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.messages}
        for name, found in problems.items():
            field = self.shown_as.get(name, name)
            known = field in self.fields
            prefix = "" if known or name == NON_FIELD_ERRORS else f"{name}: "
            for message in found:
                self.add_error(field if known else None, prefix + message)

    def save(self, commit: bool = True) -> Any:
        """Return the row, saved already."""
        self.save_m2m = lambda: None  # type: ignore[method-assign]
        return self.instance


class ServiceFormMixin:
    """For ModelAdmins whose form is a ServiceForm: hands it the request, and leaves saving to it."""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form's class with the request in it."""
        form = super().get_form(request, obj, change, **kwargs)  # type: ignore[misc]
        return type(form.__name__, (form,), {"request": request})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Do nothing: the service saved."""
