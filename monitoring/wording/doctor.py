"""The doctor's words: its headings, its verdict, and why each statement for the DBA is wanted."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from monitoring.enums import CheckState
from monitoring.policies.doctor import CheckGroup, Readiness

GROUPS: dict[CheckGroup, Any] = {
    CheckGroup.CONNECTIONS: _("Connections"),
    CheckGroup.TABLES: _("Schemas, tables and permissions"),
    CheckGroup.PIPELINES: _("Pipelines"),
    CheckGroup.PORTAL: _("The portal itself"),
}
READINESS: dict[Readiness, Any] = {
    Readiness.READY: pgettext_lazy("doctor", "Ready"),
    Readiness.WARNINGS: pgettext_lazy("doctor", "Ready, but not everything passed"),
    Readiness.NOT_READY: pgettext_lazy("doctor", "Not ready"),
}
FOR_THE_DBA = _("For the DBA: what the portal lacks, to read and run. The portal never runs it.")

_WHY: dict[str, Any] = {
    "sessions": _("A snapshot of the sessions shows every session only to a login with this permission."),
    "user": _(
        "The login cannot open this database. If it is online, the login has no user in it: this makes one that may "
        "read. If it is offline, in restore or missing, nothing here helps."
    ),
    "snapshot": _(
        "ETL_SQL_ISOLATION asks for a snapshot, which this database does not allow. It costs room in tempdb."
    ),
    "select": _("The portal reads %(name)s and may not. (A DENY, if there is one, has to be revoked as well.)"),
    "hidden": _(
        "Not all of %(name)s can be seen. Either it does not exist here, or this permission is missing: SQL Server "
        "hides what a login may not read."
    ),
    "execute": _(
        "The portal may not execute %(name)s, or it does not exist: sql/sqlserver/60_dw_procedures.sql creates it."
    ),
    "index": _(
        "%(name)s is read by this order in each look; without the index the whole table is. Building it keeps writers "
        "out: choose a quiet hour. (Enterprise edition: add WITH (ONLINE = ON).)"
    ),
    "index_online": _("%(name)s is read by this order in each look; without the index the whole table is."),
}


def why_text(code: str, values: dict[str, str]) -> str:
    """Return why a statement is wanted."""
    return str(_WHY[code]) % values


def counts_text(states: list[CheckState]) -> str:
    """Return how many checks ended how, the worst first, without those that are none."""
    told = (
        (CheckState.FAILED, lambda n: ngettext("%(n)d failed", "%(n)d failed", n)),
        (CheckState.UNKNOWN, lambda n: ngettext("%(n)d unknown", "%(n)d unknown", n)),
        (CheckState.WARNING, lambda n: ngettext("%(n)d warning", "%(n)d warnings", n)),
        (CheckState.PASSED, lambda n: ngettext("%(n)d passed", "%(n)d passed", n)),
    )
    numbers = ((states.count(state), words) for state, words in told)
    return ", ".join(words(number) % {"n": number} for number, words in numbers if number)
