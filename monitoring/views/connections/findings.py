"""What an auditor asks, what is there around failures, and the runs of the window."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext

from monitoring.enums import CheckState, ExecutionStatus, RunStatus
from monitoring.filters import TableForm
from monitoring.policies import cooccurrence
from monitoring.policies.auditor import Answer, Evidence
from monitoring.policies.cooccurrence import Factor
from monitoring.policies.sessions import FACETS
from monitoring.selectors import connections as audit
from monitoring.selectors.factors import Factors, factors, window_runs
from monitoring.selectors.run_lines import ExecutionLine, RunLine
from monitoring.selectors.snapshot import Current
from monitoring.sight import may
from monitoring.tables.audit import FactorsTable, FindingsTable, WindowRunsTable
from monitoring.views.connections.base import SEE, Asked, ConnectionsBlock, ConnectionsExport, audit_url, words_of
from monitoring.web import export
from monitoring.wording import label

SHOWN = 25
EACH_SHOWN = 12
AROUND = timedelta(minutes=5)
NOT_GOOD = (RunStatus.FAILED, RunStatus.PARTIAL)


class Found(Asked):
    """What was found, as tables whose rows lead to their events."""

    def findings_table(self, most: int | None = None) -> tuple[TableForm, FindingsTable]:
        """`most`: so many of each question, so that no question with much hides the next."""
        form = TableForm(self.request.GET, prefix="findings", sortable=FindingsTable.sortable())
        rows = [evidence for answer in self.activity.answers for evidence in answer.found[:most]]
        table = FindingsTable(
            rows,
            url_of=self._evidence_url,
            remembered_since=self.activity.remembered_since,
            order_by=form.values.get("sort") or "question",
        )
        return form, table

    def _evidence_url(self, row: Evidence) -> str:
        narrowed = {FACETS[column]: value or audit.NONE for column, value in row.values.items()}
        if row.session_id is not None:
            narrowed["session_id"] = str(row.session_id)
        if row.hour is not None and row.until is not None:
            return f"{audit_url(*self._inside(row.hour, row.until), **narrowed)}#connections-events"
        return f"{self.bare_url(**narrowed)}#connections-events"

    def _inside(self, since: datetime, until: datetime) -> tuple[datetime, datetime]:
        """Return the part of whole hours that lies in the window: what was counted."""
        bounds = self.activity.bounds
        if bounds is None:
            return since, until
        return max(since, bounds.since), until if bounds.until is None else min(until, bounds.until)

    @cached_property
    def factors(self) -> Factors:
        return factors(self.activity)

    def factors_table(self) -> tuple[TableForm, FactorsTable]:
        form = TableForm(self.request.GET, prefix="factors", sortable=FactorsTable.sortable())
        order = form.values.get("sort") or "-lift"
        return form, FactorsTable(self.factors.found or (), url_of=self._factor_url, order_by=order)

    def _factor_url(self, row: Factor) -> str:
        return f"{self.bare_url(**{FACETS[row.column]: row.value})}#connections-events"


class ConnectionsFindings(Found, ConnectionsBlock):
    name = "connections-findings"
    template_name = "monitoring/connections/_findings.html"

    def context(self, current: Current) -> dict[str, Any]:
        form, table = self.findings_table(EACH_SHOWN)
        table.caption = gettext("What an auditor asks")
        total = sum(len(answer.found) for answer in self.activity.answers)
        if total > len(table.rows):
            table.cut = len(table.rows)
        return {
            "activity": self.activity,
            "form": form,
            "table": table,
            "total": total,
            "answers": [
                {
                    "answer": each,
                    "state": _state(each),
                    "question": each.question,
                    "label": label(each.question),
                    "help": f"audit_{each.question}",
                }
                for each in self.activity.answers
            ],
            "exports": export.links(self.request, "monitoring:connections-findings-export"),
        }


class ConnectionsFactors(Found, ConnectionsBlock):
    name = "connections-factors"
    template_name = "monitoring/connections/_factors.html"

    def context(self, current: Current) -> dict[str, Any]:
        form, table = self.factors_table()
        table.caption = gettext("More frequent around failures")
        total = len(table.rows)
        table.stop_at(SHOWN)
        if self.factors.problem is not None:
            self.keep_seconds = 0
        return {
            "factors": self.factors,
            "words": words_of(self.factors.problem),
            "form": form,
            "table": table,
            "total": total,
            "least_failures": cooccurrence.LEAST_FAILURES,
            "least_controls": cooccurrence.LEAST_CONTROLS,
            "exports": export.links(self.request, "monitoring:connections-factors-export"),
        }


class ConnectionsRuns(ConnectionsBlock):
    name = "connections-runs"
    template_name = "monitoring/connections/_runs.html"

    def context(self, current: Current) -> dict[str, Any]:
        found = window_runs(self.activity)
        table = WindowRunsTable(found.lines, url_of=around_run)
        table.caption = gettext("Runs of this window")
        return {"activity": self.activity, "table": table, "more": found.total - len(found.lines)}


def around_run(line: RunLine | ExecutionLine) -> str:
    """Return the address of the connections from 5 minutes before its start to 5 minutes after its end."""
    return audit_url(line.started_at - AROUND, (line.finished_at or line.started_at + AROUND) + AROUND)


def around_failed(request: HttpRequest) -> Callable[[Any], str] | None:
    """Return what gives the address of the connections around a failed run or execution; None: not for this reader."""
    return _around_failed if may(request.user, SEE) else None


def _around_failed(row: RunLine | ExecutionLine) -> str:
    return around_run(row) if row.status in (*NOT_GOOD, ExecutionStatus.FAILED) else ""


class FindingsExport(Found, ConnectionsExport):
    file_name = "connections-findings"

    def window_table(self) -> FindingsTable:
        return self.findings_table()[1]


class FactorsExport(Found, ConnectionsExport):
    file_name = "connections-factors"

    def window_table(self) -> FactorsTable:
        return self.factors_table()[1]


def _state(answer: Answer) -> CheckState:
    """Nothing found is fine only where everything could be judged."""
    if any(each.certain for each in answer.found):
        return CheckState.WARNING
    return CheckState.UNKNOWN if answer.unknown or answer.found else CheckState.PASSED
