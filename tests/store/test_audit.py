"""The audit log: appended to in the act's own transaction, never forked, never changed unnoticed."""

import csv
import hashlib
import io
import json
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts import audit, audit_files
from accounts.models import AuditEntry
from imsite.core import clock
from imsite.core.errors import InvalidRequest


def note(reason: str = "spam", **more):
    """Record something in a transaction of its own."""
    given = {"actor_id": None, "act": "user.ban", "target": "user:1", "before": None, "after": None}
    with transaction.atomic():
        return audit.record(
            **{**given, **more}, reason=reason, address="127.0.0.1", now=clock.now()
        )


@pytest.fixture
def tampered():
    """Let one block of statements do what the triggers refuse; the rows come back as they were."""

    def run(*statements):
        drop = {"sqlite": ["DROP TRIGGER audit_no_UPDATE", "DROP TRIGGER audit_no_DELETE"]}.get(
            connection.vendor, ["ALTER TABLE accounts_auditentry DISABLE TRIGGER USER"]
        )
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in [*drop, *statements]:
                cursor.execute(statement)
            found = audit.verify()
            transaction.set_rollback(True)
        return found

    return run


def test_what_was_recorded_holds():
    first, second = note(), note()
    assert second.number == first.number + 1
    assert bytes(second.prior) == bytes(first.digest)
    found = audit.verify()
    assert found.broken is None
    assert found.head == audit.Head(second.number, bytes(second.digest).hex())


def test_an_act_that_fails_leaves_no_record():
    before = audit.verify().head
    with pytest.raises(RuntimeError), transaction.atomic():
        audit.record(
            actor_id=None, act="user.ban", target="user:1", reason="x", before=None, after=None,
            address="", now=clock.now(),
        )  # fmt: skip
        raise RuntimeError
    assert audit.verify().head == before


def test_a_record_outside_a_transaction_is_refused():
    with pytest.raises(transaction.TransactionManagementError):
        audit.record(
            actor_id=None, act="user.ban", target="user:1", reason="x", before=None, after=None,
            address="", now=clock.now(),
        )  # fmt: skip


@pytest.mark.parametrize("reason", ["", "  \u200b\n", "x" * 501, "a\x00b", "\ud800"])
def test_a_reason_says_something(reason):
    with pytest.raises(InvalidRequest):
        note(reason)


def test_an_unknown_act_is_a_bug():
    with pytest.raises(ValueError, match="not an act"):
        note(act="user.praise")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=8,
)  # fmt: skip


@given(
    before=st.dictionaries(st.text("abcä"), JSON),
    after=st.none() | st.dictionaries(st.text("ab"), JSON),
)
def test_any_json_holds(before, after):
    entry = note(before=before, after=after)
    kept = AuditEntry.objects.get(pk=entry.pk)
    assert audit.digest(kept) == bytes(entry.digest)


def test_many_at_once_make_one_chain():
    start = audit.verify().head
    faults: list[BaseException] = []

    def work():
        try:
            for _ in range(10):
                note()
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    found = audit.verify(known=start)
    assert found.broken is None
    assert found.head.number == start.number + 60


def test_rows_of_the_log_are_not_saved_and_not_deleted():
    entry = note()
    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        entry.delete()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditentry SET reason = 'better' WHERE number = 1",
        "DELETE FROM accounts_auditentry WHERE number = 1",
        "DELETE FROM accounts_auditentry",
    ],
)
def test_the_database_itself_refuses(statement):
    note()
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(statement)
    assert audit.verify().broken is None


def test_postgresql_refuses_to_truncate():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_auditentry")


COLUMNS = ["at", "act", "target", "reason", "after", "address", "prior", "digest"]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_field_is_named_by_its_row(tampered, column):
    rows = [note(after={"n": n}) for n in range(3)]
    zeros = "x'{}'" if connection.vendor == "sqlite" else "'\\x{}'"
    hashes = dict.fromkeys(["prior", "digest"], zeros.format("ab" * 32))
    other = {"at": "'2020-01-01 00:00:00+00'", **hashes}.get(column, "'{}'")
    found = tampered(
        f"UPDATE accounts_auditentry SET {column} = {other} WHERE number = {rows[1].number}"
    )
    assert found.broken.startswith(f"row {rows[1].number} ")
    assert found.head.number == rows[0].number


def test_a_missing_row_is_named(tampered):
    rows = [note() for _ in range(3)]
    found = tampered(f"DELETE FROM accounts_auditentry WHERE number = {rows[1].number}")
    assert found.broken == f"row {rows[2].number} stands where row {rows[1].number} should"


def test_a_cut_end_shows_against_the_known_head():
    head = audit.verify().head
    later = audit.Head(head.number + 5, head.digest)
    assert audit.verify(known=later).broken == f"row {later.number} is missing"
    note()
    assert audit.verify(known=head).broken is None
    other = audit.Head(head.number + 1, "00" * 32)
    assert "known" in audit.verify(known=other).broken


def test_the_command_says_the_head_and_takes_it_again(capsys):
    note()
    call_command("audit_verify")
    told = capsys.readouterr().out.strip().removeprefix("good up to ")
    call_command("audit_verify", "--head", told)
    number, _, digest = told.partition(":")
    with pytest.raises(CommandError) as refused:
        call_command("audit_verify", "--head", f"{int(number) + 9}:{digest}")
    assert refused.value.returncode == 1


def test_verifying_holds_few_rows_at_a_time(django_assert_num_queries):
    number = note().number
    # One query for each started batch, and the one that finds no more.
    with django_assert_num_queries(number // 500 + 1 + (number % 500 > 0)):
        audit.verify()


def test_json_lines_prove_themselves(tmp_path):
    note("why: ü\u202e", before={"b": 1, "a": [1.5, "ö"]})
    target = tmp_path / "log.jsonl"
    call_command("audit_export", str(target))
    rows = [json.loads(line) for line in target.read_bytes().split(b"\n")[:-1]]
    told = ["00" * 32, *(row.pop("digest") for row in rows)]
    assert [row["prior"] for row in rows] == told[:-1]
    assert told[-1] == audit.verify().head.digest
    canonical = json.dumps(rows[-1], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == told[-1]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_csv_executes_nowhere(sign):
    entry = note(f'{sign}HYPERLINK("http://x","y")')
    text = b"".join(audit_files.csv_lines(after=entry.number - 1)).decode()
    heading, row = csv.reader(io.StringIO(text, newline=""))
    cells = dict(zip(heading, row, strict=True))
    assert cells["reason"] == f"'{entry.reason}"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
