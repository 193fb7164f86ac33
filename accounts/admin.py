"""The admin's view of people: to look at, not to change; moderation has its own ways."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.models import Block, Device, User


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Rows that the admin shows and never writes: changes must be told to clients."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Add nothing."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Change nothing."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Delete nothing."""
        return False


@admin.register(User)
class UserAdmin(ReadOnly):
    """People, without their password hash."""

    list_display = [
        "id",
        "username",
        "display_name",
        "kind",
        "created_at",
        "banned_at",
        "deleted_at",
    ]
    list_filter = ["kind", "is_staff", "is_active"]
    search_fields = ["username_key", "display_key"]
    exclude = ["password", "groups", "user_permissions"]
    ordering = ["-id"]
    show_full_result_count = False


@admin.register(Device)
class DeviceAdmin(ReadOnly):
    """Signed-in clients, without their salt."""

    list_display = ["id", "user", "platform", "name", "last_seen_at", "ended_at"]
    list_select_related = ["user"]
    search_fields = ["=user__id", "user__username_key"]
    exclude = ["salt"]
    ordering = ["-id"]
    show_full_result_count = False


@admin.register(Block)
class BlockAdmin(ReadOnly):
    """Who blocks whom."""

    list_display = ["id", "blocker", "blocked", "created_at"]
    list_select_related = ["blocker", "blocked"]
    search_fields = ["=blocker__id", "=blocked__id"]
    ordering = ["-id"]
    show_full_result_count = False
