"""`manage.py turn_off_two_factor NAME`: for who has lost phone and recovery codes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from subscriptions.services import people, second_factors


class Command(BaseCommand):
    help = "Let a person sign in with the password alone again. Make sure first that it is they who ask."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the account's user name")

    def handle(self, *_args: Any, **options: Any) -> None:
        user = get_user_model()._default_manager.filter(**{people.name_field(): options["name"]}).first()
        if user is None:
            raise CommandError(f"There is no account {options['name'][:150]!r}.")
        was_on = second_factors.turn_off(user=user)
        self.stdout.write("Two-factor sign-in is off." if was_on else "It was off already.")
