"""Routes of conversations and sync, under /api/v1/."""

from django.urls import path

from conversations import group_views, sync_views, views
from imsite.core import paths

paths.register()
_ONE = "conversations/<id:conversation_id>"

urlpatterns = [
    path("sync", sync_views.Sync.as_view()),
    path("conversations", views.Conversations.as_view()),
    path(_ONE, views.OneHead.as_view()),
    path(f"{_ONE}/members", views.Members.as_view()),
    path(f"{_ONE}/requests", views.Requests.as_view()),
    path(f"{_ONE}/reads", views.Reads.as_view()),
    path(f"{_ONE}/join", views.Join.as_view()),
    path(f"{_ONE}/read", views.Read.as_view()),
    path(f"{_ONE}/settings", views.Settings.as_view()),
    path(f"{_ONE}/typing", views.Typing.as_view()),
    path(f"{_ONE}/update", group_views.Update.as_view()),
    path(f"{_ONE}/members/add", group_views.Add.as_view()),
    path(f"{_ONE}/members/remove", group_views.Remove.as_view()),
    path(f"{_ONE}/members/mute", group_views.Mute.as_view()),
    path(f"{_ONE}/members/role", group_views.Role.as_view()),
    path(f"{_ONE}/transfer", group_views.Transfer.as_view()),
    path(f"{_ONE}/dissolve", group_views.Dissolve.as_view()),
    path(f"{_ONE}/leave", group_views.Leave.as_view()),
    path(f"{_ONE}/requests/decline", group_views.Decline.as_view()),
]
