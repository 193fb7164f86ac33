"""The app of the admin, and the one place where Django learns which site that is."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class DeskAdminConfig(AdminConfig):
    """Django's admin with our site for the default one."""

    default_site = "imsite.desk.site.Desk"


class DeskConfig(AppConfig):
    """Groups, samples for the dashboard, one-time codes."""

    name = "imsite.desk"
    label = "desk"
    verbose_name = "desk"

    def ready(self) -> None:
        """Give the groups their permissions after each migration, when all permissions are there."""
        from imsite.desk import roles

        post_migrate.connect(roles.settle, sender=self)
