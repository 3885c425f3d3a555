"""`manage.py create_merchant NAME --email E`: a merchant with its owner and an API key."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from subscriptions import services


class Command(BaseCommand):
    help = "Create a merchant, its owner's login for the admin and an API key, which is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the shop's name")
        parser.add_argument("--email", required=True, help="the owner's address: notices go there, and it is the login")
        parser.add_argument("--domain", default="", help="the shop's domain, such as shop.example.com")
        parser.add_argument("--password", help="the owner's password; one is made up and shown if left out")
        parser.add_argument(
            "--existing-account", action="store_true", help="the address has an account: let it own this merchant, too"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        wanted = {key: options[key] for key in ("name", "email", "domain", "password", "existing_account")}
        try:
            new = services.create_merchant(**wanted)
        except ValidationError as error:
            problems = [f"{field}: {text}" for field, texts in error.message_dict.items() for text in texts]
            if any(item.code == "exists" for items in error.error_dict.values() for item in items):
                problems.append("To make that account the owner, add --existing-account.")
            raise CommandError("\n".join(problems)) from error
        shown = {"merchant": new.merchant.public_id, "api_key": new.api_key, "username": new.user.get_username()}
        if new.password and not options["password"]:
            shown["password"] = new.password  # made up just now; nobody could log in without it
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        for key, value in shown.items():
            self.stdout.write(f"{key:<9} {value}")
        self.stdout.write("The API key is stored as a hash only: keep it now.")
