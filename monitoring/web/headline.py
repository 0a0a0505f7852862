"""The sentence that opens every page, in words."""

from __future__ import annotations

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
    say = {
        SentenceCode.NOTHING_SAMPLED: _nothing,
        SentenceCode.STALE: _stale,
        SentenceCode.UNREACHABLE: _unreachable,
        SentenceCode.NOT_READ: _not_read,
        SentenceCode.NO_PIPELINES: _no_pipelines,
        SentenceCode.NONE_ACTIVE: _none_active,
        SentenceCode.ATTENTION: _attention,
        SentenceCode.UNKNOWN: _unknown,
        SentenceCode.PREFLIGHT: _preflight,
        SentenceCode.ALL_WELL: _all_well,
    }
    return say[sentence.code](sentence)


def _nothing(sentence: Sentence) -> Text:
    return text(_("No sample yet: the collector has not run."))


def _stale(sentence: Sentence) -> Text:
    if sentence.since is None:
        return text(_("The figures are out of date: the collector is not running."))
    values = {"at": time(sentence.since)}
    return text(_("The figures are from %(at)s: the collector has taken no sample since."), values)


def _unreachable(sentence: Sentence) -> Text:
    names = _(" and ").join(_DATABASES.get(alias, alias) for alias in sentence.names)
    reason = label(sentence.problem.code) if sentence.problem else ""
    values: dict[str, object] = {"names": names, "reason": reason}
    count = len(sentence.names)
    if sentence.since is not None:
        values["at"] = time(sentence.since)
        return text(
            ngettext(
                "%(names)s has not answered since %(at)s (%(reason)s). Showing the last known figures.",
                "%(names)s have not answered since %(at)s (%(reason)s). Showing the last known figures.",
                count,
            )
            if reason
            else ngettext(
                "%(names)s has not answered since %(at)s. Showing the last known figures.",
                "%(names)s have not answered since %(at)s. Showing the last known figures.",
                count,
            ),
            values,
        )
    if reason:
        return text(
            ngettext("%(names)s does not answer: %(reason)s.", "%(names)s do not answer: %(reason)s.", count), values
        )
    return text(ngettext("%(names)s does not answer.", "%(names)s do not answer.", count), values)


def _not_read(sentence: Sentence) -> Text:
    reason = label(sentence.problem.code) if sentence.problem else ""
    return text(_("The control and audit tables could not be read: %(reason)s."), {"reason": reason})


def _no_pipelines(sentence: Sentence) -> Text:
    return text(_("ctl.etl_control lists no pipelines yet."))


def _none_active(sentence: Sentence) -> Text:
    return text(_("No pipeline is active, so nothing is evaluated."))


def _attention(sentence: Sentence) -> Text:
    clauses = [verdict_clause(verdict) for verdict in sentence.worst]
    more = sentence.attention - len(clauses)
    values: dict[str, object] = {"attention": sentence.attention, "active": sentence.active}
    listed = clauses[0] if clauses else Text()
    for clause in clauses[1:]:
        listed = text(_("%(first)s, %(second)s"), {"first": listed, "second": clause})
    if more > 0:
        others = ngettext("%(first)s, and %(more)s more", "%(first)s, and %(more)s more", more)
        listed = text(others, {"first": listed, "more": more})
    opening = ngettext(
        "%(attention)s of %(active)s pipelines needs attention: %(listed)s.",
        "%(attention)s of %(active)s pipelines need attention: %(listed)s.",
        sentence.attention,
    )
    said = text(opening, {**values, "listed": listed})
    if sentence.unknown:
        unknown = ngettext(" %(count)s cannot be evaluated.", " %(count)s cannot be evaluated.", sentence.unknown)
        said += text(unknown, {"count": sentence.unknown})
    return said


def _unknown(sentence: Sentence) -> Text:
    shown = sentence.names[:NAMES_SHOWN]
    listed = text("%(name)s", {"name": entity(shown[0])}) if shown else Text()
    for name in shown[1:]:
        listed = text(_("%(first)s, %(second)s"), {"first": listed, "second": entity(name)})
    more = len(sentence.names) - len(shown)
    if more > 0:
        others = ngettext("%(first)s, and %(more)s more", "%(first)s, and %(more)s more", more)
        listed = text(others, {"first": listed, "more": more})
    opening = ngettext(
        "%(count)s of %(active)s pipelines cannot be evaluated: %(listed)s.",
        "%(count)s of %(active)s pipelines cannot be evaluated: %(listed)s.",
        sentence.unknown,
    )
    return text(opening, {"count": sentence.unknown, "active": sentence.active, "listed": listed})


def _preflight(sentence: Sentence) -> Text:
    opening = ngettext(
        "The pipelines are healthy, but %(checks)s pre-flight check failed.",
        "The pipelines are healthy, but %(checks)s pre-flight checks failed.",
        sentence.checks,
    )
    return text(opening, {"checks": sentence.checks})


def _all_well(sentence: Sentence) -> Text:
    said = ngettext(
        "The one active pipeline is healthy.", "All %(active)s active pipelines are healthy.", sentence.active
    )
    return text(said, {"active": sentence.active})
