"""The addresses of Alva's document, below /api/."""

from django.urls import path, re_path

from examples.storefront.api import downloads, files
from subscriptions.api.base import NotFoundView

urlpatterns = [
    path("files", files.FileList.as_view()),
    path("files/<str:id>", files.FileDetail.as_view()),
    path("downloads/generate", downloads.DownloadLinks.as_view()),
    re_path(r"^(?:files|downloads)(?:/.*)?$", NotFoundView.as_view()),
]
