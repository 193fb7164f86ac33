"""Where the site's epoch began; and room in each page for the next version of its rows.

A send changes its head and its sender's marker. Where the page has room for the new version, and no
indexed column changes, PostgreSQL touches no index (a HOT update) and cleans up after itself.
"""

from typing import Any

from django.db import migrations, models

_TABLES = ("conversations_conversation", "conversations_membership")


def leave_room(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table in _TABLES:
            schema_editor.execute(f"ALTER TABLE {table} SET (fillfactor = 70)")


def fill(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table in _TABLES:
            schema_editor.execute(f"ALTER TABLE {table} RESET (fillfactor)")


class Migration(migrations.Migration):
    dependencies = [("conversations", "0002_site")]

    operations = [
        migrations.AddField(
            "site", "origin", models.CharField(blank=True, default="", max_length=64)
        ),
        migrations.RunPython(leave_room, fill),
    ]
