"""The audit log, and triggers that refuse to change it: on SQLite a remade table needs them again."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_REFUSAL = "the audit log is append-only"
_TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_{act} BEFORE {act} ON accounts_auditentry"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for act in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION accounts_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';"
        " END $$",
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON accounts_auditentry"
        " FOR EACH ROW EXECUTE FUNCTION accounts_audit_refuse()",
        "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON accounts_auditentry"
        " FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_refuse()",
    ],
}
_UNDO = {
    "sqlite": [f"DROP TRIGGER audit_no_{act}" for act in ("UPDATE", "DELETE")],
    "postgresql": [
        "DROP TRIGGER audit_no_change ON accounts_auditentry",
        "DROP TRIGGER audit_no_truncate ON accounts_auditentry",
        "DROP FUNCTION accounts_audit_refuse()",
    ],
}


def guard(apps: Any, schema_editor: Any) -> None:
    for statement in _TRIGGERS[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def unguard(apps: Any, schema_editor: Any) -> None:
    for statement in _UNDO[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("act", models.CharField(max_length=40)),
                ("target", models.CharField(max_length=120)),
                ("reason", models.CharField(max_length=500)),
                ("before", models.TextField(null=True)),
                ("after", models.TextField(null=True)),
                ("address", models.CharField(max_length=64)),
                ("prior", models.BinaryField(max_length=32, unique=True)),
                ("digest", models.BinaryField(max_length=32)),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "permissions": [("export_auditentry", "Can export the audit log")],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["target", "number"], name="audit_of_target"),
                    models.Index(fields=["actor", "number"], name="audit_of_actor"),
                    models.Index(fields=["act", "number"], name="audit_of_act"),
                ],
            },
        ),
        migrations.RunPython(guard, unguard),
    ]
