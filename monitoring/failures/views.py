from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from monitoring.access import CONNECTIONS, UNMASK, may
from monitoring.collector.snapshot import Current, current
from monitoring.failures.tables import FailureGroupsForm, FailureGroupsTable, GroupExecutionsTable, GroupPartsTable
from monitoring.models import RunEntityCopy
from monitoring.models.executions import listed_executions
from monitoring.rules.error_text import parse
from monitoring.rules.masking import BULLET, mask_logins
from monitoring.web import export, keyset
from monitoring.web.activity import UnmaskView, unmasked_until
from monitoring.web.blocks import Block, Page
from monitoring.web.errors import NothingHere
from monitoring.web.failure_groups import (
    FailureGroup,
    FailureGroups,
    days_sentence,
    executions,
    failure_group,
    failure_groups,
)
from monitoring.web.filters import filters
from monitoring.web.formats import short_day
from monitoring.web.links import AROUND, around_failed, audit_url
from monitoring.web.preflight import OPENING
from monitoring.web.problems import advice_for

EXECUTIONS_SHOWN = 25
FIELD = "run_entity_id"


class FailureGroupsBlock(Block):
    name = "failure-groups"
    template_name = "monitoring/failures/_groups.html"
    same_for_all = True

    def context(self, current: Current) -> dict[str, Any]:
        form, table, found = groups_table(self.request, current)
        return {
            **filters(self.request, form, gettext("Filter the failures"), reverse("monitoring:failures")),
            "table": table,
            "found": found,
            "names": sorted({name for row in found.rows for name in row.pipelines}),
            "exports": export.links(self.request, "monitoring:failure-groups-export"),
        }


class FailuresPage(Page):
    name = "failures"
    template_name = "monitoring/failures.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, FailureGroupsBlock)


class GroupBlock(Block):
    def replacement(self, state: Current) -> HttpResponse | None:
        group_or_404(self.request, state, self.kwargs["fingerprint"])
        return None

    def context(self, current: Current) -> dict[str, Any]:
        group = group_or_404(self.request, current, self.kwargs["fingerprint"])
        return {"group": group, **self.filled(current, group)}

    def filled(self, current: Current, group: FailureGroup) -> dict[str, Any]:
        raise NotImplementedError


class FailureGroupFacts(GroupBlock):
    name = "failure-group-facts"
    template_name = "monitoring/failures/_facts.html"

    def filled(self, current: Current, group: FailureGroup) -> dict[str, Any]:
        error, until = group.error, unmasked_until(self.request, subject_of(group.fingerprint), timezone.now())
        if until is not None:
            message = RunEntityCopy.objects.values_list("error_message", flat=True).get(pk=group.newest_id)
            error = parse(message if may(self.request.user, CONNECTIONS) else mask_logins(message))
        return {
            "error": error,
            "words": advice_for(error),
            "until": until,
            "may_unmask": may(self.request.user, UNMASK) and BULLET in group.error.text,
            "connections_url": audit_url(group.last_seen - AROUND, group.last_seen + AROUND)
            if may(self.request.user, CONNECTIONS)
            else "",
        }


class FailureGroupDays(GroupBlock):
    name = "failure-group-days"
    template_name = "monitoring/failures/_days.html"
    same_for_all = True

    def filled(self, current: Current, group: FailureGroup) -> dict[str, Any]:
        days = [(short_day(day), number) for day, number in group.days]
        labels, numbers = zip(*days, strict=True)
        return {
            "chart": {
                "type": "bar",
                "unit": gettext("failures"),
                "labels": labels,
                "datasets": [{"label": gettext("Failures"), "tone": "failed", "data": numbers}],
            },
            "rows": days[::-1],
            "sentence": days_sentence(group.days),
            "table": GroupPartsTable(group.parts),
        }


class FailureGroupExecutions(GroupBlock):
    name = "failure-group-executions"
    template_name = "monitoring/failures/_executions.html"
    same_for_all = True
    rights = (CONNECTIONS,)

    def filled(self, current: Current, group: FailureGroup) -> dict[str, Any]:
        request, here = self.request, reverse("monitoring:failure-group", args=(group.fingerprint,))
        found = executions(group.fingerprint)
        listed = keyset.listed(request, here, found, field=FIELD, descending=True, size=EXECUTIONS_SHOWN)
        table = GroupExecutionsTable(listed_executions(listed["page"].rows, logins=may(request.user, CONNECTIONS)))
        table.around = around_failed(request)
        return {
            **listed,
            "table": table,
            "exports": export.links(
                request, "monitoring:failure-group-executions-export", fingerprint=group.fingerprint
            ),
        }


GROUP_BLOCKS: tuple[type[Block], ...] = (FailureGroupFacts, FailureGroupDays, FailureGroupExecutions)


class FailureGroupPage(Page):
    name = "failure-group"
    template_name = "monitoring/failure_group.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *GROUP_BLOCKS)

    def replacement(self, state: Current) -> HttpResponse | None:
        group_or_404(self.request, state, self.kwargs["fingerprint"])
        return None

    def context(self, current: Current) -> dict[str, Any]:
        group = group_or_404(self.request, current, self.kwargs["fingerprint"])
        return {"group": group, "words": advice_for(group.error)}


class FailureGroupExecutionsExport(export.TableExport):
    """Always masked, because a file may leave the organisation."""

    def get_table(self, current: Current) -> GroupExecutionsTable:
        fingerprint = self.kwargs["fingerprint"]
        group_or_404(self.request, current, fingerprint)
        self.file_name, self.sampled_at = f"failure-{fingerprint}", current.sampled_at
        copies = executions(fingerprint).order_by(f"-{FIELD}")[: export.ROWS_TO_READ]
        return GroupExecutionsTable(listed_executions(copies, logins=may(self.request.user, CONNECTIONS)))


class FailureUnmask(UnmaskView):
    def subject(self) -> str:
        group_or_404(self.request, current(), self.kwargs["fingerprint"])
        return subject_of(self.kwargs["fingerprint"])

    def answer(self, subject: str) -> HttpResponse:
        return HttpResponseRedirect(reverse("monitoring:failure-group", args=(self.kwargs["fingerprint"],)))


def subject_of(fingerprint: str) -> str:
    """Return the group's name in the activity log and in the session. No pipeline can have this name."""
    return f"failure/{fingerprint}"


def groups_table(request: HttpRequest, current: Current) -> tuple[FailureGroupsForm, FailureGroupsTable, FailureGroups]:
    """Return the form, the table of the groups that match, and all groups."""
    found = failure_groups(current, logins=may(request.user, CONNECTIONS))
    form = FailureGroupsForm(request.GET, sortable=FailureGroupsTable.sortable())
    return form, FailureGroupsTable(form.apply(found.rows), order_by=form.order), found


def group_or_404(request: HttpRequest, current: Current, fingerprint: str) -> FailureGroup:
    """Return the group, read once per request. Raises NothingHere if there is none."""
    cached: dict[str, FailureGroup | None] = request.__dict__.setdefault("_failure_groups", {})
    if fingerprint not in cached:
        cached[fingerprint] = failure_group(fingerprint, current, logins=may(request.user, CONNECTIONS))
    group = cached[fingerprint]
    if group is None:
        raise NothingHere(gettext("The portal has no failure “%(name)s”.") % {"name": fingerprint[:20]})
    return group
