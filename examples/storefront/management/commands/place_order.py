"""`manage.py place_order --merchant M`: place an order in the example shop, and take it as far as is asked."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from deliveries.management.terminal import as_command_error
from examples.storefront import counter
from subscriptions.models import Merchant

PAST = {"pay": "paid", "fulfil": "fulfilled", "download": "downloaded", "refund": "refunded"}


class Command(BaseCommand):
    help = "Place an order in the example shop; its signals publish what happens, as a platform's own would."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--merchant", required=True, help="the merchant's mch_… id")
        for word, (label, _act) in counter.STEPS.items():
            parser.add_argument(f"--{word}", action="store_true", help=f"then: {label.lower()}")

    def handle(self, *_args: Any, **options: Any) -> None:
        merchant = Merchant.objects.filter(public_id=options["merchant"]).first()
        if merchant is None:
            raise CommandError(f"There is no merchant {options['merchant'][:60]}. Name one by its mch_… id.")
        try:
            order = counter.order(merchant)
            for word, (_label, act) in counter.STEPS.items():
                if options[word]:
                    order.refresh_from_db()
                    act(order)
        except ValidationError as error:
            raise as_command_error(error) from error
        done = "".join(f", {PAST[word]}" for word in counter.STEPS if options[word])
        self.stdout.write(f"Order {order.number} is placed{done}.")
