"""The migrations make the tables that the models describe."""

from django.core.management import call_command


def test_models_have_no_changes_without_a_migration(capsys):
    call_command("makemigrations", check=True, dry_run=True)
    assert "No changes detected" in capsys.readouterr().out


def test_django_has_nothing_to_complain_about():
    call_command("check", fail_level="WARNING")
