"""All HTTP doors on one page."""

from django.contrib import admin
from django.urls import include, path, re_path

from imsite import exposition, operations
from imsite.core import envelope
from push import why_page

urlpatterns = [
    # The log comes first: each pattern that is tried before costs a pull of history a microsecond.
    path("api/v1/", include("messages.urls")),
    path("api/v1/", include("conversations.urls")),
    path("api/v1/accounts/", include("accounts.urls")),
    path("api/v1/push/", include("push.urls")),
    re_path(r"^api/v1(/.*)?$", envelope.not_found),
    path("", operations.home),
    path("healthz", operations.healthz),
    path("readyz", operations.readyz),
    path("metrics", exposition.metrics_page),
    path("api/schema", operations.schema),
    path("api/docs", operations.docs),
    path("admin/push/why/", why_page.view, name="push_why"),
    path("admin/", admin.site.urls),
]
handler400 = "imsite.core.envelope.bad_request"
handler404 = "imsite.core.envelope.not_found"
handler500 = "imsite.core.envelope.server_error"
