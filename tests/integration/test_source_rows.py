"""The newest source rows: masked for all, unmasked with the permission on request, read once for all."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from django.urls import reverse
from django.utils import timezone

from monitoring.models import PipelineSettings, TrailEntry
from monitoring.rules.facts import Watermark
from monitoring.rules.masking import BULLET
from monitoring.warehouse.catalog import Column, Table
from monitoring.warehouse.names import TableName, parse_table
from tests import factories
from tests.support.htmx import blocks, refresh
from tests.support.queries import queries
from tests.support.warehouse import NOW, Warehouse

SECRETS = ("Maria Souza", "maria.souza", "123.456.789-01", "98765", "1980-02-03", "Rua das Flores")


@pytest.fixture
def customer(warehouse: Warehouse) -> Warehouse:
    region = warehouse.insert(
        "core.regions", region_name="Sul", state_name="Paraná", state_code="PR", city="Curitiba", status="ATIVO",
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    warehouse.insert(
        "core.customers", full_name="Maria Souza", customer_type="PESSOA_FISICA", document_number="123.456.789-01",
        email="maria.souza@example.com", phone="(41) 98765-4321", birth_date="1980-02-03", gender="F", credit_score=700,
        address_line="Rua das Flores, 10", district="Centro", city="Curitiba", state_code="PR", zip_code="80000-000",
        region_id=region, status="ATIVO", created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return warehouse


@pytest.fixture
def stored(snapshot_stored: Any) -> None:
    snapshot_stored(factories.snapshot(factories.pipeline()))


ROWS = "/pipelines/dim_cliente/blocks/pipeline-sample/"
UNMASK = "/pipelines/dim_cliente/sample/unmask/"


@pytest.mark.parametrize("role", ["viewer", "operator", "auditor", "admin"])
def test_personal_data_is_masked_for_every_role(role: str, client_as: Any, stored: None, customer: Warehouse) -> None:
    html = client_as(role).get(ROWS).content.decode()
    assert not [secret for secret in SECRETS if secret in html]
    assert f"{BULLET * 5}.{BULLET * 5}@example.com" in html
    assert "-01" in html  # the document's last characters
    assert "Curitiba" in html
    assert ("Show personal data" in html) is (role in ("auditor", "admin"))


def test_the_page_asks_for_the_rows_only_when_it_is_shown(client_as: Any, stored: None, customer: Warehouse) -> None:
    client = client_as("viewer")
    with queries(dw=0, oltp=0):
        html = client.get("/pipelines/dim_cliente/").content.decode()
    assert f'hx-get="{ROWS}" hx-trigger="intersect once"' in html
    with queries(dw=0, oltp=2):
        client.get(ROWS)
    with queries(dw=0, oltp=0):  # the next viewer gets the same reading
        client_as("operator").get(ROWS)
    with queries(dw=0, oltp=0):
        assert "Curitiba" in client.get("/pipelines/dim_cliente/?rows=1").content.decode()


def test_a_refresh_leaves_the_rows_alone_until_the_watermark_moves(
    client_as: Any, stored: None, customer: Warehouse, snapshot_stored: Any
) -> None:
    client = client_as("viewer")
    page = client.get("/pipelines/dim_cliente/")
    late = factories.late_pipeline("dim_cliente")
    snapshot_stored(factories.snapshot(late))
    with queries(oltp=0):
        answer = refresh(client, page, "/pipelines/dim_cliente/")
    assert rows_key(answer) == rows_key(page), "static/js/live.js keeps the rows"
    moved = factories.control_row(watermark=Watermark(factories.NOW, 2000))
    snapshot_stored(factories.snapshot(factories.pipeline(control=moved)))
    with queries(oltp=0):
        answer = refresh(client, page, "/pipelines/dim_cliente/")
    assert rows_key(answer) != rows_key(page)
    assert f'hx-get="{ROWS}" hx-trigger="intersect once"' in answer.content.decode(), "it asks for the new rows"
    assert rows_key(client.get(ROWS)) == rows_key(answer)


def rows_key(answer: Any) -> str | None:
    root = blocks(answer.content.decode())["pipeline-sample"].find(id="pipeline-sample")
    assert root is not None
    return root.attrs["data-rows"]


def test_unmasking_is_for_who_may_for_ten_minutes_and_written_down(
    client_as: Any, stored: None, customer: Warehouse
) -> None:
    auditor, viewer = client_as("auditor"), client_as("viewer")
    start = timezone.now()
    with time_machine.travel(start, tick=False) as clock:
        shown = auditor.post(UNMASK, headers={"hx-request": "true"}).content.decode()
        assert all(secret in shown for secret in SECRETS)
        assert "Personal data is shown" in shown
        assert "Maria Souza" in auditor.get(ROWS).content.decode()
        assert "Maria Souza" not in viewer.get(ROWS).content.decode()
        assert "Maria Souza" not in auditor.get("/pipelines/dim_produto/blocks/pipeline-sample/").content.decode()
        row = TrailEntry.objects.get(action="unmasked")
        assert (row.object, row.user_name, row.address, row.at) == ("dim_cliente", "auditor", "127.0.0.1", start)
        assert row.detail == {"until": (start + timedelta(minutes=10)).isoformat()}
        clock.shift(timedelta(minutes=9, seconds=59))
        assert "Maria Souza" in auditor.get(ROWS).content.decode()
        clock.shift(timedelta(seconds=1))
        assert "Maria Souza" not in auditor.get(ROWS).content.decode()


def test_masking_again_at_once(client_as: Any, stored: None, customer: Warehouse) -> None:
    auditor = client_as("auditor")
    assert auditor.post(UNMASK).url == "/pipelines/dim_cliente/?rows=1#pipeline-sample"
    assert "Maria Souza" in auditor.get("/pipelines/dim_cliente/?rows=1").content.decode()
    auditor.post(UNMASK, {"again": "1"})
    assert "Maria Souza" not in auditor.get(ROWS).content.decode()


@pytest.mark.parametrize("role", ["viewer", "operator", ""])
def test_who_may_not_unmask_cannot(role: str, client_as: Any, stored: None, customer: Warehouse) -> None:
    client = client_as(role)
    response = client.post(UNMASK)
    assert response.status_code == (403 if role else 302)
    assert not TrailEntry.objects.filter(action="unmasked").exists()
    if role:
        session = client.session
        session["unmasked"] = {"dim_cliente": (timezone.now() + timedelta(hours=1)).isoformat()}
        session.save()
        assert "Maria Souza" not in client.get(ROWS).content.decode()


def test_unmasking_needs_a_post_with_its_token(users: Any, stored: None, customer: Warehouse) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(users["auditor"], backend="monitoring.accounts.UserBackend")
    assert client.get(UNMASK).status_code == 405
    assert client.post(UNMASK).status_code == 403
    assert not TrailEntry.objects.filter(action="unmasked").exists()


def test_rows_are_read_once_for_all_and_rendered_with_the_token_of_each(
    users: Any, stored: None, customer: Warehouse
) -> None:
    from django.test import Client

    tokens = []
    for name in ("auditor", "admin"):
        client = Client(enforce_csrf_checks=True)
        client.force_login(users[name], backend="monitoring.accounts.UserBackend")
        with queries(oltp=0 if tokens else 2):
            html = client.get(ROWS).content.decode()
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w{64})"', html)
        tokens.append((client, token))
    (first, one), (second, _) = tokens
    assert second.post(UNMASK, {"csrfmiddlewaretoken": one}).status_code == 403
    for client, token in tokens:
        assert client.post(UNMASK, {"csrfmiddlewaretoken": token}).status_code == 302
    assert "Maria Souza" in first.get(ROWS).content.decode()


@pytest.mark.parametrize("rows", [ROWS, ROWS.replace("dim_cliente", "DIM_Cliente"), "/pipelines/dim_cliente/?rows=1"])
def test_what_one_unmasked_nobody_else_sees(rows: str, client_as: Any, stored: None, customer: Warehouse) -> None:
    """Neither before nor after, at no spelling of the address, though both may unmask and share what is masked."""
    auditor, admin = client_as("auditor"), client_as("admin")
    auditor.post(UNMASK)
    assert "Maria Souza" in auditor.get(rows).content.decode()
    assert "Maria Souza" not in admin.get(rows).content.decode()
    assert "Maria Souza" in auditor.get(rows).content.decode()
    kept: Any = caches["local"]
    assert "Curitiba" in repr(kept._cache)
    assert "Maria Souza" not in repr(kept._cache), "what somebody unmasked is kept for nobody"
    auditor.post(UNMASK, {"again": "1"})
    assert "Maria Souza" not in auditor.get(rows).content.decode()


def test_who_masks_again_in_one_window_does_so_in_all(client_as: Any, stored: None, customer: Warehouse) -> None:
    auditor, page = client_as("auditor"), "/pipelines/dim_cliente/"
    auditor.post(UNMASK)
    other = auditor.get(f"{page}?rows=1")
    assert refresh(auditor, other, f"{page}?rows=1").status_code == 204
    auditor.post(UNMASK, {"again": "1"})
    answer = refresh(auditor, other, f"{page}?rows=1")
    assert rows_key(answer) != rows_key(other)
    html = answer.content.decode()
    assert "Curitiba" in html
    assert "Maria Souza" not in html


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_a_file_is_always_masked(role: str, client_as: Any, stored: None, customer: Warehouse) -> None:
    client = client_as(role)
    if role == "auditor":
        client.post(UNMASK)
    text = client.get(reverse("monitoring:pipeline-sample-export", args=("dim_cliente", "csv"))).content.decode()
    assert not [secret for secret in SECRETS if secret in text]
    assert "Curitiba" in text
    assert text.removeprefix("\ufeff").startswith("customer_id,full_name,")


def test_further_columns_can_be_masked(client_as: Any, stored: None, customer: Warehouse, snapshot_stored: Any) -> None:
    assert "Curitiba" in client_as("viewer").get(ROWS).content.decode()
    client, page = client_as("viewer"), "/pipelines/dim_cliente/?rows=1"
    opened = client.get(page)
    assert "Curitiba" in opened.content.decode()
    PipelineSettings.objects.create(entity_name="dim_cliente", masked_columns="city, state_code")
    assert "Curitiba" not in client_as("viewer").get(ROWS).content.decode()
    snapshot_stored(factories.snapshot(factories.late_pipeline("dim_cliente")))
    answer = refresh(client, opened, page)  # a page that is open has it with its next change
    assert rows_key(answer) != rows_key(opened)
    assert "Curitiba" not in answer.content.decode()


def test_any_value_of_any_type_is_shown(client_as: Any, snapshot_stored: Any, warehouse: Warehouse) -> None:
    columns = ", ".join(f"c{number} TEXT" for number in range(70))
    warehouse.execute("oltp", f"CREATE TABLE [core].[odd] (id BIGINT, v, updated_at DATETIME2(0), {columns})")
    for number, value in enumerate((b"\x00\xff" * 99, "x" * 5000, 1.5, None, "", "<script>", "line\nbreak", 2**60)):
        warehouse.execute("oltp", "INSERT INTO [core].[odd] (id, v, updated_at) VALUES (?, ?, ?)", (number, value, NOW))
    snapshot_stored(
        factories.snapshot(
            factories.pipeline(
                "odd", control=factories.control_row("odd", source_table="core.odd", source_pk_column="id")
            )
        )
    )
    html = client_as("viewer").get("/pipelines/odd/blocks/pipeline-sample/").content.decode()
    assert "0x" + "00FF" * 16 + "…" in html
    assert "x" * 200 + "…" in html
    assert "x" * 201 not in html
    assert "&lt;script&gt;" in html
    assert "line␊break" in html
    assert '<span class="null">NULL</span>' in html
    assert "13 more columns are not shown" in html
    ids = re.findall(r'<td class="num"><span class="stored">(\d)</span>', html)
    assert ids == ["7", "6", "5", "4", "3", "2", "1", "0"]  # newest first: equal times by the key


@pytest.mark.parametrize(
    ("source", "key", "said"),
    [
        ("core.not_there", "id", "The table does not exist"),
        ("nowhere.customers", "id", "The table does not exist"),
        ("core.customers; DROP TABLE x", "id", "not a table"),
        ("core.customers", "no_such_key", "A column that is needed does not exist"),
        ("core.customers", "customer_id; --", "A column that is needed does not exist"),
        ("", "", "not a table"),
    ],
)
def test_what_cannot_be_read_says_why(
    source: str, key: str, said: str, client_as: Any, snapshot_stored: Any, customer: Warehouse
) -> None:
    control = factories.control_row("odd", source_table=source, source_pk_column=key)
    snapshot_stored(factories.snapshot(factories.pipeline("odd", control=control)))
    html = client_as("viewer").get("/pipelines/odd/blocks/pipeline-sample/").content.decode()
    assert "The source could not be read" in html
    assert said in html


@pytest.mark.parametrize(("base", "masked"), [("crm.customers", True), ("crm.colours", False)])
def test_a_synonym_hides_nobody(db: None, monkeypatch: pytest.MonkeyPatch, base: str, masked: bool) -> None:
    """The name in a table of people is a person's, whatever the synonym for that table is called."""
    from monitoring.pipelines import source_rows

    table = Table(TableName("core", "abc"), columns={"name": Column("name", "VARCHAR")}, base=parse_table(base))
    monkeypatch.setattr(source_rows, "newest_rows", lambda *asked: (table, (), [("Maria",)]))
    sample = source_rows.source_sample(factories.control_row(source_table="core.abc"), PipelineSettings())
    assert (sample.masked, sample.rows) == ((("name",), (("•••••",),)) if masked else ((), (("Maria",),)))
