"""Routes of the log, under /api/v1/."""

from django.urls import path

from imsite.core import paths
from messages import views

paths.register()
_LOG = "conversations/<id:conversation_id>/messages"
_ITEM = f"{_LOG}/<id:seq>"

urlpatterns = [
    path(_LOG, views.Messages.as_view()),
    path(f"{_LOG}/at", views.AtTime.as_view()),
    path(f"{_ITEM}/recall", views.Recall.as_view()),
    path(f"{_ITEM}/edit", views.Edit.as_view()),
    path(f"{_ITEM}/react", views.React.as_view()),
    path(f"{_ITEM}/pin", views.Pin.as_view()),
    path(f"{_ITEM}/unpin", views.Unpin.as_view()),
    path(f"{_ITEM}/report", views.ReportEntry.as_view()),
    path("messages", views.Many.as_view()),
    path("messages/search", views.Search.as_view()),
]
