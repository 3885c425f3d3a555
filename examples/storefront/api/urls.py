"""The addresses of Alva's document, below /api/, and beside them the shop's orders."""

from django.urls import path, re_path

from examples.storefront.api import downloads, files, orders
from subscriptions.api.base import NotFoundView

urlpatterns = [
    path("files", files.FileList.as_view()),
    path("files/<str:id>", files.FileDetail.as_view()),
    path("downloads/generate", downloads.DownloadLinks.as_view()),
    path("orders", orders.OrderList.as_view()),
    re_path(r"^(?:files|downloads|orders)(?:/.*)?$", NotFoundView.as_view()),
]
