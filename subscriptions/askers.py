"""Whose request it was, once it is answered: so that a server can let all of a merchant's requests take its turns."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest

_OWNER = "_asks_for"


def ask_for(request: HttpRequest, merchants: Iterable[int]) -> None:
    """Say which merchants' rows the request sees, by primary key: its credential was right."""
    if keys := sorted(merchants):
        setattr(request, _OWNER, "merchant " + ",".join(map(str, keys)))


def owner_of(request: HttpRequest) -> str:
    """Return whose request it was: of merchants, else of the person who had signed in; "" where nobody was found.

    People of several merchants are an owner of their own, all of the same merchants the same one. Asks the database
    nothing: somebody whose merchants no page wanted to know isn't told from others.
    """
    if owner := getattr(request, _OWNER, ""):
        return str(owner)
    user = getattr(request, "_cached_user", None)  # Django's, once request.user was looked at
    return f"person {user.pk}" if user is not None and user.is_authenticated and user.is_superuser else ""
