"""The host's own views."""

import datetime

from django.db import transaction
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from orders.models import Order, Shop


@csrf_exempt
def create(request):
    """Take an order, in one transaction, and give it up again if its number says so."""
    with transaction.atomic():
        order = Order.objects.create(shop=Shop.objects.get(name=request.POST["shop"]), number=request.POST["number"])
        if order.number.startswith("never"):
            transaction.set_rollback(True)
    return HttpResponse(order.number)


class Dates(APIView):
    """Answers by the host's own settings of REST framework."""

    def get(self, request):
        class Day(serializers.Serializer):
            day = serializers.DateField()

        return Response(Day({"day": datetime.date(2026, 1, 2)}).data)
