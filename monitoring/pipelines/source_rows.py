"""The newest source rows of a pipeline: masked, read on demand and cached for all users."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from monitoring.access import UNMASK, may
from monitoring.collector.snapshot import Current, current
from monitoring.models import PipelineSettings
from monitoring.pipelines.base import Context, PipelineBlock, subject_or_404
from monitoring.pipelines.queries import Subject, cache_key, settings_of
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import ControlRow, Problem
from monitoring.rules.masking import LENGTH, cell, kind_of, mask
from monitoring.warehouse.names import InvalidName, parse_table
from monitoring.warehouse.probes import UPDATED_AT
from monitoring.warehouse.reader import ReadFailed
from monitoring.warehouse.source_rows import COLUMNS, newest_rows
from monitoring.web import export, parts
from monitoring.web.activity import UnmaskView, unmasked_until
from monitoring.web.cache import cached_once
from monitoring.web.problems import problem_text
from monitoring.web.tables import Column, PortalTable

KEPT_SECONDS, PROBLEM_SECONDS = 15, 5
"""Cache time of rows and of a failed read, for all users of this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSample:
    """`rows`: newest first. `personal`: columns with personal data. `cut_columns`: number of columns left out.

    `masked`, `numeric`: the columns whose values are hidden, and those with numbers only.
    """

    columns: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    ordered_by: tuple[str, ...] = ()
    cut_columns: int = 0
    read_at: datetime
    milliseconds: float = 0.0
    problem: Problem | None = None


def source_sample(control: ControlRow, settings: PipelineSettings, *, unmasked: bool = False) -> SourceSample:
    """Read with at most two statements on oltp. Unmasked rows are never cached."""
    if unmasked:
        return _read(control, settings, unmasked=True)
    # Everything that the rows and their masks depend on.
    source = control.entity_name, control.source_table, control.source_pk_column
    return cached_once(
        cache_key("rows", *source, settings.watermark_expression, settings.masked_columns),
        lambda: _read(control, settings, unmasked=False),
        fresh=lambda sample: PROBLEM_SECONDS if sample.problem else KEPT_SECONDS,
    )


def _read(control: ControlRow, settings: PipelineSettings, *, unmasked: bool) -> SourceSample:
    started = time.perf_counter()
    try:
        source = parse_table(control.source_table)
        table, order, rows = newest_rows(source, control.source_pk_column, settings.watermark_expression or UPDATED_AT)
    except InvalidName as error:
        problem = Problem(code=ProblemCode.NAME_INVALID, detail=error.text)
        return SourceSample(read_at=timezone.now(), problem=problem)
    except ReadFailed as failure:
        return SourceSample(read_at=timezone.now(), problem=failure.problem)
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    columns = tuple(column.name for column in table.columns.values())[:COLUMNS]
    kinds = [kind_of(name, f"{source} {table.base or ''}", settings.personal_columns) for name in columns]
    personal = tuple(name for name, kind in zip(columns, kinds, strict=True) if kind is not None)
    if unmasked:
        kinds = [None] * len(columns)
    shown = [
        [value if kind is None else mask(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in rows
    ]
    return SourceSample(
        columns=columns,
        personal=personal,
        masked=() if unmasked else personal,
        numeric=tuple(name for name, *values in zip(columns, *shown, strict=True) if _numeric(values)),
        rows=tuple(tuple(cell(value) for value in row) for row in shown),
        ordered_by=order,
        cut_columns=len(table.columns) - len(columns),
        read_at=timezone.now(),
        milliseconds=milliseconds,
    )


def _numeric(values: Iterable[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float | Decimal) for value in known)


class CellColumn(Column):
    def __init__(self, name: str, sample: SourceSample) -> None:
        super().__init__(verbose_name=name, orderable=False, css="num" if name in sample.numeric else "")
        self.personal, self.masked = name in sample.personal, name in sample.masked

    @property
    def header(self) -> SafeString | str | None:
        if not self.personal:
            return format_html('<span class="mono">{}</span>', self.verbose_name)
        return format_html(
            '<span class="mono">{}</span> <span class="tag" data-tip="{}">{}</span>',
            self.verbose_name,
            gettext("holds personal data"),
            gettext("personal"),
        )

    def render(self, value: str | None) -> SafeString:
        if value is None:
            return format_html('<span class="null">{}</span>', "NULL")
        if value == "":
            return parts.none(gettext("an empty text"))
        css = "masked" if self.masked else "stored"
        if len(value) <= LENGTH:
            return format_html('<span class="{}">{}</span>', css, value)
        tip = gettext("cut after %(number)s characters") % {"number": LENGTH}
        return format_html('<span class="{}" data-tip="{}">{}</span>', css, tip, value)

    def value(self, value: str | None) -> str | None:
        return value


class SourceRowsTable(PortalTable):
    presorted = True

    class Meta:
        attrs = {"class": "table table--rows"}

    @classmethod
    def of(cls, sample: SourceSample) -> SourceRowsTable:
        columns = [(f"c{index}", CellColumn(name, sample)) for index, name in enumerate(sample.columns)]
        rows: list[dict[str, Any]] = [{f"c{index}": cell for index, cell in enumerate(row)} for row in sample.rows]
        return cls(rows, extra_columns=columns)


class PipelineSample(PipelineBlock):
    name = "pipeline-sample"
    same_for_all = False  # it has a form
    template_name = "monitoring/pipelines/_sample.html"
    with_rows = False
    """False: a placeholder loads the rows when it becomes visible."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.with_rows = True
        return super().get(request, *args, **kwargs)

    def of_subject(self, current: Current, subject: Subject) -> Context:
        name, control = subject.name, subject.control
        settings = settings_of(name)
        until = unmasked_until(self.request, name, current.now)
        context: Context = {
            # The page keeps its rows while this digest of what they depend on stays the same.
            "rows_key": cache_key(
                control and control.watermark, settings.watermark_expression, settings.masked_columns, until
            ),
            "control": control,
            "may_unmask": may(self.request.user, UNMASK),
            "until": until,
            "mask_again_in": round((until - current.now).total_seconds()) + 1 if until else None,
            "sample": None,
            "table": None,
            "words": None,
        }
        # A browser without JavaScript asks with ?rows=1.
        if control is None or not (self.with_rows or self.request.GET.get("rows") == "1"):
            return context
        sample = source_sample(control, settings, unmasked=until is not None)
        context["sample"] = sample
        if sample.problem is not None:
            return {**context, "words": problem_text(sample.problem)}
        table = SourceRowsTable.of(sample)
        table.caption = gettext("Table of the latest source rows")
        exports = export.links(self.request, "monitoring:pipeline-sample-export", entity=name)
        return {**context, "table": table, "exports": exports}


class Unmask(UnmaskView):
    def subject(self) -> str:
        return subject_or_404(current(), self.kwargs["entity"]).name

    def answer(self, subject: str) -> HttpResponse:
        if self.request.htmx:  # type: ignore[attr-defined]
            return PipelineSample.as_answer(self.request, **self.kwargs)
        return HttpResponseRedirect(f"{reverse('monitoring:pipeline', args=(subject,))}?rows=1#pipeline-sample")


class SampleExport(export.TableExport):
    """Always masked, because a file may leave the organisation."""

    def get_table(self, current: Current) -> SourceRowsTable:
        subject = subject_or_404(current, self.kwargs["entity"])
        if subject.control is None:
            raise export.Unreadable(problem_text(subject.problem or Problem(code=ProblemCode.NOT_READ)))
        sample = source_sample(subject.control, settings_of(subject.name))
        if sample.problem is not None:
            raise export.Unreadable(problem_text(sample.problem))
        self.file_name, self.sampled_at = f"source-rows-{subject.name}", sample.read_at
        return SourceRowsTable.of(sample)
