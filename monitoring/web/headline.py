"""The sentence that opens every page, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from monitoring.rules.enums import SentenceCode
from monitoring.rules.overview import Sentence
from monitoring.web.alert_texts import verdict_clause
from monitoring.web.labels import label
from monitoring.web.texts import Text, entity, text, time

NAMES_SHOWN = 3
_DATABASES = {"dw": "DW", "oltp": "OLTP"}


def sentence_text(sentence: Sentence) -> Text:
    """Return the sentence in the active language."""
    values: dict[str, Any] = {
        "active": sentence.active,
        "attention": sentence.attention,
        "checks": sentence.checks,
        "count": sentence.unknown,
        "at": time(sentence.since) if sentence.since else "",
        "reason": label(sentence.problem.code) if sentence.problem else "",
        "names": _(" and ").join(_DATABASES.get(alias, alias) for alias in sentence.names),
    }
    if sentence.code is SentenceCode.ATTENTION:
        clauses = [verdict_clause(verdict) for verdict in sentence.worst]
        values["listed"] = _listed(clauses, sentence.attention - len(clauses))
    elif sentence.code is SentenceCode.UNKNOWN:
        shown = sentence.names[:NAMES_SHOWN]
        values["listed"] = _listed((entity(name) for name in shown), len(sentence.names) - len(shown))
    said = text(_template(sentence), values)
    if sentence.code is SentenceCode.ATTENTION and sentence.unknown:
        said += text(
            ngettext(" %(count)s cannot be evaluated.", " %(count)s cannot be evaluated.", sentence.unknown), values
        )
    return said


def _template(sentence: Sentence) -> str:
    templates = {
        SentenceCode.NOTHING_SAMPLED: _("No sample yet: the collector has not run."),
        SentenceCode.STALE: (
            _("The figures are from %(at)s: the collector has taken no sample since.")
            if sentence.since
            else _("The figures are out of date: the collector is not running.")
        ),
        SentenceCode.UNREACHABLE: _unreachable(sentence),
        SentenceCode.NOT_READ: _("The control and audit tables could not be read: %(reason)s."),
        SentenceCode.NO_PIPELINES: _("ctl.etl_control lists no pipelines yet."),
        SentenceCode.NONE_ACTIVE: _("No pipeline is active, so nothing is evaluated."),
        SentenceCode.ATTENTION: ngettext(
            "%(attention)s of %(active)s pipelines needs attention: %(listed)s.",
            "%(attention)s of %(active)s pipelines need attention: %(listed)s.",
            sentence.attention,
        ),
        SentenceCode.UNKNOWN: ngettext(
            "%(count)s of %(active)s pipelines cannot be evaluated: %(listed)s.",
            "%(count)s of %(active)s pipelines cannot be evaluated: %(listed)s.",
            sentence.unknown,
        ),
        SentenceCode.PREFLIGHT: ngettext(
            "The pipelines are healthy, but %(checks)s pre-flight check failed.",
            "The pipelines are healthy, but %(checks)s pre-flight checks failed.",
            sentence.checks,
        ),
        SentenceCode.ALL_WELL: ngettext(
            "The one active pipeline is healthy.", "All %(active)s active pipelines are healthy.", sentence.active
        ),
    }
    return templates[sentence.code]


def _unreachable(sentence: Sentence) -> str:
    count = len(sentence.names)
    if sentence.since and sentence.problem:
        return ngettext(
            "%(names)s has not answered since %(at)s (%(reason)s). Showing the last known figures.",
            "%(names)s have not answered since %(at)s (%(reason)s). Showing the last known figures.",
            count,
        )
    if sentence.since:
        return ngettext(
            "%(names)s has not answered since %(at)s. Showing the last known figures.",
            "%(names)s have not answered since %(at)s. Showing the last known figures.",
            count,
        )
    if sentence.problem:
        return ngettext("%(names)s does not answer: %(reason)s.", "%(names)s do not answer: %(reason)s.", count)
    return ngettext("%(names)s does not answer.", "%(names)s do not answer.", count)


def _listed(items: Iterable[Any], more: int) -> Text:
    """Return "a, b, and 2 more"."""
    first, *rest = [*items] or [Text()]
    listed = text("%(first)s", {"first": first})
    for item in rest:
        listed = text(_("%(first)s, %(second)s"), {"first": listed, "second": item})
    if more > 0:
        listed = text(
            ngettext("%(first)s, and %(more)s more", "%(first)s, and %(more)s more", more),
            {"first": listed, "more": more},
        )
    return listed
