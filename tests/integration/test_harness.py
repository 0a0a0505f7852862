"""The strict fixtures of tests/conftest.py: each of them fails a bad test."""

from __future__ import annotations

import socket
import warnings

import pytest
from django.contrib.auth.models import Permission
from django.db import connections
from django.template import Context, Origin, Template, engines

from etlportal.guard import WarehouseReadOnly
from monitoring.models import EtlControl, RunCopy
from tests.support.html import audit
from tests.support.queries import counted, queries
from tests.support.templates import TEMPLATES
from tests.support.warehouse import Warehouse, tables

FAILS = pytest.fail.Exception


def ours(text: str, **context: object) -> str:
    """Render a template as if it were one of the portal's own."""
    origin = Origin(str(TEMPLATES / "t.html"))
    return Template(text, origin=origin, engine=engines["django"].engine).render(Context(context))


@pytest.mark.parametrize(
    "text",
    ["{{ absent }}", "{{ known.absent }}", "{{ absent|default:'x' }}", "{% with a=absent %}{{ a }}{% endwith %}"],
)
def test_an_undefined_variable_snaps(text: str) -> None:
    with pytest.raises(FAILS, match="undefined template variable"):
        ours(text, known="yes")


def test_a_known_variable_and_a_question_do_not() -> None:
    assert ours("{{ known }}{% if absent %}x{% endif %}", known="yes") == "yes"


def test_a_librarys_template_may_leave_blanks() -> None:
    assert engines["django"].from_string("[{{ absent }}{{ absent|default:'x' }}]").render({}) == "[x]"


@pytest.mark.parametrize(
    ("html", "told"),
    [
        ("<script>alert(1)</script>", "inline <script>"),
        ("<style>p {}</style>", "inline <style>"),
        ('<p style="color: red">x</p>', "style="),
        ('<p onclick="x()">x</p>', "inline handler"),
        ('<p hx-on:click="x()">x</p>', "inline handler"),
        ('<a href=" JavaScript:x()">x</a>', "javascript:"),
        ('<p id="a"></p><p id="a"></p>', "used twice"),
        ("<div><span></div>", "</div> where <span>"),
        ("<div>", "never closed"),
        ("</p>", "nothing is open"),
        ('<p class="a" class="b"></p>', "repeats an attribute"),
    ],
)
def test_bad_html_is_told(html: str, told: str) -> None:
    assert [problem for problem in audit(html) if told in problem]


def test_good_html_is_not() -> None:
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><script src="/a.js" defer></script></head><body>'
        '<ul><li>a<li>b</ul><table><tr><td>x<br></table><script type="application/json" id="d">{}</script>'
        "</body></html>"
    )
    assert audit(page) == []


def test_the_network_is_out_of_reach() -> None:
    with pytest.raises((RuntimeError, UserWarning), match="allowed: "), socket.socket() as probe:
        probe.connect(("192.0.2.1", 80))


def test_a_warning_is_an_error() -> None:
    with pytest.raises(DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


@pytest.mark.django_db
def test_a_slice_of_unordered_rows_snaps() -> None:
    with pytest.raises(FAILS, match="unordered"):
        RunCopy.objects.order_by()[:3]
    assert list(RunCopy.objects.all()[:3]) == []


@pytest.mark.failing_block
def test_a_failed_block_can_be_wanted() -> None:
    import logging

    logging.getLogger("monitoring.web.blocks").error("wanted")


def test_statements_are_counted_per_alias(warehouse: Warehouse) -> None:
    with counted() as seen:
        list(EtlControl.objects.all())
        RunCopy.objects.count()
    assert seen.counts() == {"default": 1, "dw": 1, "oltp": 0}
    with pytest.raises(AssertionError, match="dw: 1 statements, expected 2"), queries(dw=2):
        list(EtlControl.objects.all())


def _rows() -> int:
    return sum(
        connections[alias].connection.execute(f"SELECT count(*) FROM [{schema}].[{name}]").fetchone()[0]
        for alias in ("dw", "oltp")
        for schema, name in tables(alias)
    )


class TestIsolation:
    """In this order: rows of a rolled-back test and of a committing test are gone in the next."""

    def test_1_rows_are_seen_by_the_test_that_put_them(self, warehouse: Warehouse) -> None:
        assert _rows() == 0
        warehouse.all_controls()
        warehouse.execution()
        assert EtlControl.objects.count() == 9
        assert _rows() == 11

    def test_2_and_are_gone_in_the_next(self, warehouse: Warehouse) -> None:
        assert _rows() == 0

    @pytest.mark.django_db(transaction=True)
    def test_3_rows_that_are_committed_are_seen_by_other_connections(self, warehouse: Warehouse) -> None:
        warehouse.control()
        connections["dw"].close()
        assert EtlControl.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_4_and_are_gone_too(self, warehouse: Warehouse) -> None:
        assert _rows() == 0
        assert Permission.objects.filter(group__name="auditor", codename="unmask").exists(), "roles are back"

    def test_5_the_guard_is_back_after_a_row(self, warehouse: Warehouse) -> None:
        warehouse.control()
        with pytest.raises(WarehouseReadOnly), connections["dw"].cursor() as cursor:
            cursor.execute("DELETE FROM [ctl].[etl_control]")
