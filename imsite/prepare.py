"""Bring the data folder to the state that this code expects: tables, and a demo at the first start."""

import os

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands
from django.db import connections
from django.db.migrations.executor import MigrationExecutor


def main() -> None:
    """Migrate if something is pending; load the demo into a database without users, if it is wanted."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imsite.settings")
    django.setup()
    if migrations_pending():
        print("imsite: bringing the database up to date", flush=True)
        call_command("migrate", interactive=False, verbosity=0)
    if settings.IM_DEMO and "load_demo" in get_commands() and not _has_users():
        call_command("load_demo")
    connections.close_all()


def migrations_pending() -> bool:
    """Say whether the database lacks a migration of this code."""
    executor = MigrationExecutor(connections["default"])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _has_users() -> bool:
    return bool(get_user_model()._default_manager.exists())


if __name__ == "__main__":
    main()
