"""Routes of accounts, under /api/v1/accounts/."""

from django.urls import path

from accounts import people_views, views
from imsite.core import paths

paths.register()

urlpatterns = [
    path("register", views.Register.as_view()),
    path("login", views.Login.as_view()),
    path("token/refresh", views.Refresh.as_view()),
    path("logout", views.Logout.as_view()),
    path("devices", views.Devices.as_view()),
    path("devices/<id:device_id>/revoke", views.Revoke.as_view()),
    path("me", views.Me.as_view()),
    path("password", views.Password.as_view()),
    path("delete", views.Delete.as_view()),
    path("export", views.Export.as_view()),
    path("ws-ticket", views.WsTicket.as_view()),
    path("users", people_views.Users.as_view()),
    path("users/search", people_views.SearchUsers.as_view()),
    path("users/<id:user_id>", people_views.OneUser.as_view()),
    path("blocks", people_views.Blocks.as_view()),
    path("blocks/add", people_views.AddBlock.as_view()),
    path("blocks/remove", people_views.RemoveBlock.as_view()),
]
