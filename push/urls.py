"""Routes of pushes, under /api/v1/push/."""

from django.urls import path

from push import views

urlpatterns = [
    path("tokens", views.Tokens.as_view()),
    path("tokens/remove", views.RemoveToken.as_view()),
    path("webpush-key", views.WebpushKey.as_view()),
    path("settings", views.Settings.as_view()),
    path("why", views.Why.as_view()),
]
