"""Words for what an auditor asks: what was found, with its evidence. Definitions are in help.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from monitoring.enums import AuditQuestion
from monitoring.policies.auditor import Evidence
from monitoring.policies.cooccurrence import Factor
from monitoring.policies.sessions import FACETS
from monitoring.wording.units import duration, moment

COLUMNS: Mapping[str, Any] = {
    "login_name": _("Login"),
    "host_name": _("Host"),
    "program_name": _("Program"),
    "database_name": _("Database"),
    "status": _("Session status"),
    "client_net_address": _("Address"),
    "encrypt_option": _("Encrypted"),
    "auth_scheme": _("Authentication"),
}
"""What each column of the login events is called."""


def evidence_text(evidence: Evidence) -> str:
    """Return who or what was found: each column with its value."""
    found = [_pair(column, value) for column, value in evidence.values.items()]
    if evidence.session_id is not None:
        found.append(gettext("%(column)s: %(value)s") % {"column": gettext("Session"), "value": evidence.session_id})
    return ", ".join(found)


def factor_text(factor: Factor) -> str:
    """Return the factor's column and value."""
    return _pair(factor.column, factor.value)


def _pair(column: int, value: str | None) -> str:
    return gettext("%(column)s: %(value)s") % {
        "column": COLUMNS[FACETS[column]],
        "value": value or pgettext("login event", "(none)"),
    }


def evidence_detail(evidence: Evidence, remembered_since: datetime | None) -> str:
    """Return what more there is to say of it, or why it is not certain."""
    if evidence.question is AuditQuestion.NEW_IDENTITY:
        return _new(evidence, remembered_since)
    if evidence.question is AuditQuestion.UNUSUAL_HOUR and evidence.hour is not None:
        days = round(evidence.day_count or 0)
        text = ngettext(
            "from the hour of %(when)s on; seen on %(days)d day before, never around this hour of the week",
            "from the hour of %(when)s on; seen on %(days)d days before, never around this hour of the week",
            days,
        )
        return text % {"when": moment(evidence.hour), "days": days}
    if evidence.question is AuditQuestion.LONG_SESSION and evidence.day_count is not None:
        return gettext("had been open for %(duration)s") % {"duration": duration(evidence.day_count * 86_400)}
    if evidence.question is AuditQuestion.UNENCRYPTED:
        return gettext("not encrypted")
    return gettext("neither the runner's program nor the portal's")


def _new(evidence: Evidence, remembered_since: datetime | None) -> str:
    if evidence.certain:
        return gettext("new: not seen in the 30 days before the window")
    if remembered_since is None:
        return gettext("unknown: nothing is remembered of the time before the window yet")
    return gettext("unknown: not seen since %(when)s, further back nothing is remembered") % {
        "when": moment(remembered_since)
    }
