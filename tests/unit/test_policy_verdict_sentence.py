"""The sentence that opens every page: which one, and what it holds."""

from __future__ import annotations

import pytest

from monitoring.rules.enums import ExecutionStatus, Rule, SentenceCode, Severity
from monitoring.rules.overview import verdict_sentence
from monitoring.rules.preflight import ObjectReading
from tests import factories as make
from tests.factories import NOW, ago


def test_nothing_sampled_yet():
    for stale in (False, True):
        sentence = verdict_sentence(None, stale=stale)
        assert (sentence.code, sentence.severity) == (SentenceCode.NOTHING_SAMPLED, Severity.UNKNOWN)


def test_stale_figures_are_not_all_well():
    sentence = verdict_sentence(make.healthy_snapshot(), stale=True)
    assert (sentence.code, sentence.severity, sentence.since) == (SentenceCode.STALE, Severity.UNKNOWN, NOW)


@pytest.mark.parametrize(
    ("down", "names"),
    [
        ({"dw": make.unreachable("dw")}, ("dw",)),
        ({"oltp": make.unreachable("oltp")}, ("oltp",)),
        ({"dw": make.unreachable("dw"), "oltp": make.unreachable("oltp")}, ("dw", "oltp")),
    ],
)
def test_unreachable_names_the_databases(down, names):
    sentence = verdict_sentence(make.snapshot(make.failed_pipeline(), **down, stale_since=ago(hours=1)))
    assert (sentence.code, sentence.severity) == (SentenceCode.UNREACHABLE, Severity.CRITICAL)
    assert (sentence.names, sentence.since) == (names, ago(hours=1))
    assert sentence.problem == make.unreachable().problem


def test_unread_audit_tables():
    sentence = verdict_sentence(make.snapshot(problem=make.problem()))
    assert (sentence.code, sentence.severity) == (SentenceCode.NOT_READ, Severity.UNKNOWN)


def test_no_pipelines():
    assert verdict_sentence(make.snapshot(pipelines=())).code is SentenceCode.NO_PIPELINES


def test_none_active():
    sentence = verdict_sentence(make.snapshot(make.inactive_pipeline()))
    assert (sentence.code, sentence.severity) == (SentenceCode.NONE_ACTIVE, Severity.UNKNOWN)


def test_all_well_counts_the_active_ones():
    sentence = verdict_sentence(make.snapshot(make.pipeline(), make.running_pipeline(), make.inactive_pipeline()))
    assert (sentence.code, sentence.severity, sentence.active) == (SentenceCode.ALL_WELL, Severity.OK, 2)


def test_attention_names_the_worst_verdict_of_the_two_worst_pipelines():
    sentence = verdict_sentence(make.troubled_snapshot())
    assert (sentence.code, sentence.severity) == (SentenceCode.ATTENTION, Severity.CRITICAL)
    assert (sentence.attention, sentence.unknown, sentence.active) == (3, 1, 6)
    assert [(each.entity_name, each.rule) for each in sentence.worst] == [
        ("dim_fantasma", Rule.NO_RECENT_RUN),
        ("dim_equipe", Rule.FAILED),
    ]


def test_attention_of_a_warning_is_a_warning():
    sentence = verdict_sentence(make.snapshot(make.pipeline(), make.late_pipeline()))
    assert (sentence.code, sentence.severity, sentence.attention) == (SentenceCode.ATTENTION, Severity.WARNING, 1)


def test_what_cannot_be_judged_is_not_all_well():
    sentence = verdict_sentence(make.snapshot(make.pipeline(), make.unread_pipeline()))
    assert (sentence.code, sentence.severity) == (SentenceCode.UNKNOWN, Severity.UNKNOWN)
    assert (sentence.names, sentence.unknown, sentence.active) == (("dim_regiao",), 1, 2)
    strange = make.pipeline(newest=make.execution(status=ExecutionStatus.UNKNOWN))
    assert verdict_sentence(make.snapshot(strange)).code is SentenceCode.UNKNOWN


def test_an_inactive_pipeline_needs_no_attention():
    off = make.failed_pipeline(control=make.control_row("dim_equipe", is_active=False))
    assert verdict_sentence(make.snapshot(make.pipeline(), off)).code is SentenceCode.ALL_WELL


def test_a_failed_preflight_of_healthy_pipelines():
    checks = make.passed_preflight(schemas=(ObjectReading(name="ctl", exists=False),))
    sentence = verdict_sentence(make.snapshot(preflight=checks))
    assert (sentence.code, sentence.severity, sentence.checks) == (SentenceCode.PREFLIGHT, Severity.WARNING, 1)
    assert sentence.worst[0].values["check"] == "dw.schema.ctl"
