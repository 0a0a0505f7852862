"""Failures, grouped: the figures, the list with its filters, a group's page, files, masking, scope, cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import caches
from django.test import Client
from django.utils import timezone

from monitoring.collector.copies import execution_error_columns
from monitoring.collector.snapshot import Current
from monitoring.models import CollectorState, RunCopy, RunEntityCopy, TrailEntry, scope
from monitoring.rules.enums import ErrorClass, ExecutionStatus, FailureState, TrailAction
from monitoring.rules.error_text import FINGERPRINT_VERSION, parse
from monitoring.web import failure_groups as groups
from monitoring.web.formats import machine_text
from tests import factories
from tests.conftest import ROLES
from tests.factories import NOW, UNIQUE_ERROR, ago
from tests.support.queries import queries
from tests.unit.error_messages import said

pytestmark = pytest.mark.django_db

PERSONAL = said(
    "Violation of UNIQUE KEY constraint 'UQ_mail'. Cannot insert duplicate key in object 'dim.D'. The duplicate key "
    "value is (ana.silva@example.com).",
    2627,
    "23000",
)
DEADLOCK = said("Transaction (Process ID 61) was deadlocked on lock resources.", 1205, "40001")
UNIQUE = parse(UNIQUE_ERROR).fingerprint
CURRENT = Current(snapshot=None, version="v", sampled_at=NOW, ticked_at=NOW, now=NOW)


def failed(run_id: int, name: str = "dim_cliente", message: str = UNIQUE_ERROR, at: datetime | None = None) -> None:
    _execution(run_id, name, ExecutionStatus.FAILED, message, at)


def succeeded(run_id: int, name: str = "dim_cliente", at: datetime | None = None) -> None:
    _execution(run_id, name, ExecutionStatus.SUCCESS, "", at)


def _execution(run_id: int, name: str, status: ExecutionStatus, message: str, at: datetime | None) -> None:
    at = at or NOW - timedelta(hours=200 - run_id)
    values = {"started_by": "svc", "entities_requested": name, "entities_succeeded": 0, "entities_failed": 1}
    RunCopy.objects.get_or_create(
        run_id=run_id, defaults={**values, "started_at": at, "finished_at": at, "status": "failed"}
    )
    RunEntityCopy.objects.create(
        run_entity_id=run_id * 10 + RunEntityCopy.objects.filter(run_id=run_id).count(),
        run_id=run_id,
        entity_name=name,
        started_at=at,
        finished_at=at,
        status=status,
        extracted=3,
        upserted=0,
        soft_deleted=0,
        error_message=message,
        **execution_error_columns(status, message),
    )


def found(zone: Any = UTC) -> groups.FailureGroups:
    caches["local"].clear()
    with timezone.override(zone):
        return groups.failure_groups(CURRENT, logins=True)


def by_kind() -> dict[ErrorClass, groups.FailureGroup]:
    return {row.kind: row for row in found().rows}


class TestFigures:
    def test_the_same_failure_is_one_group_over_pipelines_and_runs(self) -> None:
        failed(1, at=ago(days=20))
        failed(2, message=UNIQUE_ERROR.replace("4711", "12"), at=ago(days=2))
        failed(2, "fact_vendas", at=ago(days=2))
        failed(3, message=DEADLOCK, at=ago(days=1))
        rows = found().rows
        assert [(row.kind, row.count, row.runs, len(row.pipelines)) for row in rows] == [
            (ErrorClass.DEADLOCK, 1, 1, 1),
            (ErrorClass.UNIQUE, 3, 2, 2),
        ]
        unique = rows[1]
        assert (unique.first_seen, unique.last_seen, unique.last_run_id) == (ago(days=20), ago(days=2), 2)
        assert {part.entity_name: part.count for part in unique.parts} == {"dim_cliente": 2, "fact_vendas": 1}
        assert unique.fingerprint == UNIQUE
        with timezone.override(UTC):
            assert groups.failure_group(UNIQUE, CURRENT, logins=True) == unique
            assert groups.failure_group("0" * 16, CURRENT, logins=True) is None

    def test_days_are_the_readers(self) -> None:
        failed(1, at=datetime(2024, 5, 14, 1, 0, tzinfo=UTC))
        failed(2, at=datetime(2024, 4, 1, 1, 0, tzinfo=UTC))
        assert {day.isoformat(): number for day, number in found().rows[0].days if number} == {"2024-05-14": 1}
        west = found(ZoneInfo("America/Sao_Paulo")).rows[0].days
        assert {day.isoformat(): number for day, number in west if number} == {"2024-05-13": 1}
        assert len(west) == 14

    def test_gone_needs_three_successes_of_each_pipeline(self) -> None:
        failed(1, at=ago(days=9))
        failed(1, "fact_vendas", at=ago(days=9))
        for run_id in (2, 3, 4):
            succeeded(run_id)
        for run_id in (2, 3):
            succeeded(run_id, "fact_vendas")
        assert found().rows[0].state is FailureState.RECURRING
        succeeded(4, "fact_vendas")
        assert found().rows[0].state is FailureState.GONE
        failed(5, at=ago(days=2))
        assert found().rows[0].state is FailureState.RECURRING

    def test_new_is_first_seen_lately(self) -> None:
        failed(1, at=ago(hours=23))
        assert found().rows[0].state is FailureState.NEW
        failed(2, at=ago(hours=25))
        assert found().rows[0].state is FailureState.RECURRING

    def test_unresolved_until_the_pipeline_succeeds_or_fails_otherwise(self) -> None:
        failed(1)
        assert found().rows[0].unresolved == ("dim_cliente",)
        failed(1, "fact_vendas")
        succeeded(2, "fact_vendas")
        assert found().rows[0].unresolved == ("dim_cliente",)
        _execution(3, "dim_cliente", ExecutionStatus.RUNNING, "", None)
        assert found().rows[0].unresolved == ("dim_cliente",), "what runs has not ended it"
        failed(4, message=DEADLOCK)
        kinds = by_kind()
        assert kinds[ErrorClass.UNIQUE].unresolved == ()
        assert kinds[ErrorClass.DEADLOCK].unresolved == ("dim_cliente",)

    def test_the_cost_does_not_grow_with_the_failures(self) -> None:
        failed(1)
        with queries(default=5):
            found()
        for run_id in range(2, 40):
            failed(run_id, f"p{run_id % 7}", message=f"ValueError: kind {'abcdef'[run_id % 6]}")
        with queries(default=6):
            assert len(found().rows) == 7

    def test_too_many_different_ones_are_cut_and_it_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups, "PAIRS", 3)
        for run_id, word in enumerate("abcd", start=1):
            failed(run_id, message=f"ValueError: {word}")
        assert found().cut
        assert [row.error.words for row in found().rows] == ["d", "c", "b"]

    def test_a_scope_sees_its_own_part(self) -> None:
        failed(1)
        failed(1, "fact_vendas")
        failed(2, "fact_vendas", message=DEADLOCK)
        with scope.limited_to(scope.ReaderScope(pipelines=frozenset({"dim_cliente"}))):
            (only,) = found().rows
            assert (only.count, only.pipelines) == (1, ("dim_cliente",))
            assert groups.failure_group(parse(DEADLOCK).fingerprint, CURRENT, logins=True) is None
        assert len(found().rows) == 2

    def test_regrouping_is_said(self) -> None:
        CollectorState.objects.create(fingerprint_version=FINGERPRINT_VERSION + 1)
        assert found().regrouping
        CollectorState.objects.update(fingerprint_version=FINGERPRINT_VERSION)
        assert not found().regrouping


@pytest.fixture
def page(client_as: Callable[[str], Client], snapshot_stored: Callable[..., Any]) -> Client:
    """A viewer; a duplicate key that still stands, a deadlock that is gone."""
    snapshot_stored(factories.healthy_snapshot())
    failed(1, "fact_vendas", message=DEADLOCK)
    for run_id in (2, 3, 4):
        succeeded(run_id, "fact_vendas")
    failed(5, message=PERSONAL)
    return client_as("viewer")


MAIL = parse(PERSONAL).fingerprint


def shown(html: str) -> list[str]:
    return re.findall(r'class="failure__kind"><a href="[^"]+">([^<]+)<', html)


class TestPages:
    @pytest.mark.parametrize(
        ("query", "kinds"),
        [
            ("", ["Duplicate key", "Deadlock"]),
            ("kind=deadlock", ["Deadlock"]),
            ("state=gone", ["Deadlock"]),
            ("state=new&state=recurring", ["Duplicate key"]),
            ("unresolved=on", ["Duplicate key"]),
            ("pipeline=FACT_VENDAS", ["Deadlock"]),
            ("q=uq_mail", ["Duplicate key"]),
            ("q=ana.silva", []),
            ("sort=kind", ["Deadlock", "Duplicate key"]),
        ],
    )
    def test_filters_and_order(self, page: Client, query: str, kinds: list[str]) -> None:
        assert shown(page.get(f"/runs/failures/?{query}").content.decode()) == kinds

    @pytest.mark.parametrize(
        ("query", "answer"),
        [
            ("kind=nope", "There is no kind of failure “nope”"),
            ("state=nope", "There is no state “nope”"),
            ("sort=nope", "The table has no column “nope”"),
        ],
    )
    def test_nonsense_is_named_and_loses_nothing(self, page: Client, query: str, answer: str) -> None:
        html = page.get(f"/runs/failures/?{query}").content.decode()
        assert answer in html
        assert len(shown(html)) == 2

    def test_a_groups_page_says_what_it_means_and_where_it_happened(self, page: Client) -> None:
        html = page.get(f"/runs/failures/{MAIL}/").content.decode()
        for text in ("A row arrived twice", "UQ_mail", "dim.D", ">2627<", ">14<", "/runs/5/", "unresolved"):
            assert text in html, text
        assert 'id="failure-days-data"' in html
        assert "time in the last 14 days" in html or "Not in the last 14 days." in html
        assert "Connections around the latest one" not in html

    @pytest.mark.parametrize("unread", ["dw down", "no collector"])
    def test_what_became_of_them_is_unknown_where_the_newest_runs_are(
        self,
        page: Client,
        snapshot_stored: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
        settings: Any,
        unread: str,
    ) -> None:
        paths = ("/", "/runs/failures/", f"/runs/failures/{MAIL}/", "/pipelines/dim_cliente/")
        for path in paths:
            assert re.search("status__word.>(Gone|Recurring|New)<", page.get(path).content.decode()), path
        if unread == "dw down":
            snapshot_stored(factories.unreachable_snapshot())
        else:
            settings.SAMPLE_ON_DEMAND = False
            monkeypatch.setattr("monitoring.collector.snapshot.STALE_AFTER", timedelta(seconds=-1))
        for path in paths:
            html = page.get(path).content.decode()
            assert not re.search("status__word.>(Gone|Recurring|New)<", html), path
            assert "unresolved</span>" not in html
        parts = page.get(f"/runs/failures/{MAIL}/blocks/failure-group-days/").content.decode()
        assert "unknown__word" in parts
        assert shown(page.get("/runs/failures/?unresolved=on").content.decode()) == ["Duplicate key", "Deadlock"]
        assert shown(page.get("/runs/failures/?state=gone").content.decode()) == []

    def test_unknown_fingerprints_are_not_found(self, page: Client) -> None:
        for path in ("", "executions.csv", "blocks/failure-group-facts/"):
            assert page.get(f"/runs/failures/{'f' * 16}/{path}").status_code == 404
        assert page.get("/runs/failures/..%2f/").status_code == 404

    def test_a_page_whose_failure_is_gone_says_so_at_its_next_refresh(
        self, page: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert page.get(f"/runs/failures/{'f' * 16}/", headers={"X-Live": "v"}).status_code == 404
        assert not [record for record in caplog.records if "failed" in record.getMessage()]

    def test_only_what_is_masked_can_be_shown(self, page: Client, client_as: Callable[[str], Client]) -> None:
        admin, deadlock = client_as("admin"), parse(DEADLOCK).fingerprint
        assert "Show personal data" in admin.get(f"/runs/failures/{MAIL}/").content.decode()
        assert "Show personal data" not in admin.get(f"/runs/failures/{deadlock}/").content.decode()

    def test_executions_are_paged_by_key(self, page: Client) -> None:
        for run_id in range(6, 40):
            failed(run_id, message=PERSONAL)
        html = page.get(f"/runs/failures/{MAIL}/").content.decode()
        rows = re.findall(r'data-row="(\d+)"', html)
        assert rows == [str(run_id * 10) for run_id in range(39, 14, -1)]
        following = re.search(r'href="([^"]+after=[^"]+)"', html)
        assert following
        second = page.get(following[1].replace("&amp;", "&")).content.decode()
        assert re.findall(r'data-row="(\d+)"', second)[0] == "140"
        assert "That page no longer exists" in page.get(f"/runs/failures/{MAIL}/?after=x").content.decode()

    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/runs/",
            "/runs/5/",
            "/runs/5/executions.csv",
            "/runs/runs.csv",
            "/runs/failures/",
            "/runs/failures/groups.csv",
            f"/runs/failures/{MAIL}/",
            f"/runs/failures/{MAIL}/executions.csv",
            "/?f-q=ana.silva",
            "/pipelines/dim_cliente/",
            "/pipelines/dim_cliente/executions.csv",
        ],
    )
    def test_nobody_is_named_anywhere(self, page: Client, path: str) -> None:
        RunCopy.objects.filter(run_id=5).update(error_message=PERSONAL)
        text = page.get(path).content.decode()
        assert "ana.silva@" not in text
        if "f-q" not in path:
            assert "@example.com" in text, "the domain is left"

    def test_who_may_unmask_sees_it_for_a_while_and_it_is_written_down(
        self, page: Client, client_as: Callable[[str], Client]
    ) -> None:
        address = f"/runs/failures/{MAIL}/"
        assert page.post(f"{address}unmask/").status_code == 403
        assert "Show personal data" not in page.get(address).content.decode()
        admin = client_as("admin")
        assert "ana.silva@" not in admin.get(address).content.decode()
        assert admin.post(f"{address}unmask/").status_code == 302
        assert "ana.silva@example.com" in admin.get(address).content.decode()
        assert "ana.silva@" not in admin.get(f"{address}executions.csv").content.decode()
        assert "ana.silva@" not in page.get(address).content.decode()
        entry = TrailEntry.objects.get(action=TrailAction.UNMASKED)
        assert (entry.user_name, entry.object) == ("admin", f"failure/{MAIL}")
        admin.post(f"{address}unmask/", {"again": "1"})
        assert "ana.silva@" not in admin.get(address).content.decode()

    def test_files_hold_the_parts_and_are_written_down(self, page: Client) -> None:
        answer = page.get("/runs/failures/groups.csv?kind=unique").content.decode("utf-8-sig")
        header, row, *rest = answer.splitlines()
        assert not rest
        for name in ("Error number", "SQLSTATE", "Severity", "Constraint", "Table or object", "Column", "Fingerprint"):
            assert name in header
        assert ",2627,23000,14,UQ_mail,dim.D," in row
        assert page.get("/runs/failures/groups.xlsx").status_code == 200
        assert page.get("/runs/failures/groups.exe").status_code == 404
        assert TrailEntry.objects.filter(action=TrailAction.EXPORTED, object="failure-groups").count() == 2

    def test_the_summary_the_run_and_the_pipeline_lead_there(self, page: Client) -> None:
        for path in ("/", "/runs/5/", "/pipelines/dim_cliente/"):
            assert f"/runs/failures/{MAIL}/" in page.get(path).content.decode(), path
        assert "/runs/failures/" in page.get("/runs/").content.decode()
        assert parse(DEADLOCK).fingerprint not in page.get("/pipelines/dim_cliente/").content.decode()

    @pytest.mark.parametrize("role", ROLES)
    def test_the_way_to_the_connections_is_for_who_may_see_them(
        self, page: Client, client_as: Callable[[str], Client], role: str
    ) -> None:
        html = client_as(role).get(f"/runs/failures/{MAIL}/").content.decode()
        assert ("Connections around the latest one" in html) is (role in ("auditor", "admin"))

    @pytest.mark.parametrize("role", ROLES)
    def test_each_list_of_failures_leads_to_the_connections_around_them_for_who_may_see_them(
        self, page: Client, client_as: Callable[[str], Client], role: str
    ) -> None:
        may = role in ("auditor", "admin")
        failed(6, message=PERSONAL, at=ago(minutes=30))
        succeeded(7, at=ago(minutes=20))
        since, until = (quote(machine_text(ago(minutes=minutes)), safe="") for minutes in (35, 25))
        way = f"/connections/?from={since}&amp;to={until}"
        for path in ("/", "/runs/", f"/runs/failures/{MAIL}/", "/pipelines/dim_cliente/"):
            for client in (page, client_as(role)):  # what was made for a viewer is not what others get
                html = client.get(path).content.decode()
            assert (way in html) is may, path
            assert ("/connections/?from" in html) is may, path
        assert "connections</a>" not in client_as(role).get("/runs/runs.csv").content.decode()
        executions = client_as(role).get("/pipelines/dim_cliente/blocks/pipeline-executions/").content.decode()
        assert executions.count("/connections/?from") == (2 if may else 0), "none for the one that succeeded"

    def test_nothing_failed_is_said(
        self, client_as: Callable[[str], Client], snapshot_stored: Callable[..., Any]
    ) -> None:
        snapshot_stored(factories.healthy_snapshot())
        CollectorState.objects.update(fingerprint_version=FINGERPRINT_VERSION)
        for path in ("/", "/runs/failures/", "/pipelines/dim_cliente/"):
            assert (
                "No failure in the executions that the portal has copied."
                in client_as("viewer").get(path).content.decode()
            )

    def test_while_failures_are_being_grouped_nobody_is_told_that_there_are_none(
        self, client_as: Callable[[str], Client], snapshot_stored: Callable[..., Any]
    ) -> None:
        snapshot_stored(factories.healthy_snapshot())
        for path in ("/", "/runs/failures/"):
            html = client_as("viewer").get(path).content.decode()
            assert "Older failures are still being regrouped" in html
            assert "No failure in the executions that the portal has copied." not in html
