"""Texts: one for every code, none that raises, none that becomes outdated on the server."""

from __future__ import annotations

import ast
import re
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from django.utils import timezone, translation
from django.utils.html import strip_tags

from monitoring.rules import enums
from monitoring.rules.alerts import preflight_verdicts
from monitoring.rules.enums import CheckState, ErrorClass, PipelineStatus, ProblemCode, Rule, SentenceCode, Severity
from monitoring.rules.error_text import parse
from monitoring.rules.facts import Check, Count, Verdict
from monitoring.rules.overview import Sentence, verdict_sentence
from monitoring.rules.preflight import ObjectReading, collector_check
from monitoring.web import alert_texts as web_alert_texts
from monitoring.web import check_texts as web_check_texts
from monitoring.web import formats as web_formats
from monitoring.web import labels as web_labels
from monitoring.web import parts
from monitoring.web import preflight as web_headline
from monitoring.web import problems as web_problems
from monitoring.web.check_texts import LABELS as CHECK_LABELS
from tests import factories as make
from tests.factories import NOW, ago

VOCABULARIES = [
    member
    for member in vars(enums).values()
    if isinstance(member, type) and issubclass(member, enums.StrEnum) and list(member) and member is not enums.Grain
]
"""Every vocabulary that pages show. A grain is an internal name."""


@pytest.fixture(autouse=True)
def _english_in_utc():
    with translation.override("en"), timezone.override("UTC"):
        yield


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda vocabulary: vocabulary.__name__)
def test_every_member_of_every_vocabulary_has_a_word(vocabulary):
    assert set(web_labels.LABELS[vocabulary]) == set(vocabulary)
    for member in vocabulary:
        assert web_labels.label(member).strip()


def test_words_follow_the_language():
    with translation.override("pt-br"):
        portuguese = web_labels.label(PipelineStatus.OK)
    assert (web_labels.label(PipelineStatus.OK), portuguese) == ("OK", "OK")
    assert web_labels.label(PipelineStatus.STRUCTURE_MISSING) == "Missing tables"


def test_no_module_translates_while_it_is_imported():
    """A word made at import would stay in the first reader's language."""
    for path in Path(parts.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        eager = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
            for alias in node.names
            if not alias.name.endswith("_lazy")
        }
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                continue
            called = {
                node.func.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert not called & eager, path.name


def plain(html: str, now: datetime = NOW) -> str:
    """Return the words of a sentence as of `now`: times written out, running times as a duration."""

    def words(time: re.Match[str]) -> str:
        at = datetime.fromisoformat(time[1])
        running = " data-elapsed=" in time[0]
        return web_formats.duration((now - at).total_seconds()) if running else web_formats.time_text(at)

    return unescape(strip_tags(re.sub(r'<time datetime="([^"]+)"[^>]*>[^<]*</time>', words, html)))


class TestSentence:
    def test_places_may_come_in_any_order(self):
        values = {"who": parts.pipeline_link("dim_x"), "at": parts.when(NOW)}
        found = parts.sentence("%(at)s: %(who)s!", values)
        assert found == f"{values['at']}: {values['who']}!"
        assert plain(found) == "15 May 12:00: dim_x!"

    def test_a_sentence_goes_into_a_sentence(self):
        inner = parts.sentence("%(who)s late", {"who": parts.pipeline_link("a")})
        outer = parts.sentence("1 of 2: %(inner)s.", {"inner": inner})
        assert outer == f"1 of 2: {parts.pipeline_link('a')} late."

    def test_an_age_ticks_in_the_browser(self):
        found = parts.sentence("late for %(age)s", {"age": parts.elapsed(ago(hours=3, minutes=12))})
        assert plain(found) == "late for 3 h 12 min"
        assert plain(found, NOW - timedelta(days=1)) == "late for 0 s"

    def test_words_are_never_taken_for_places_or_markup(self):
        hostile = "%(who)s 100% <b>"
        found = parts.sentence("%(name)s <i> %(who)s", {"name": hostile, "who": parts.pipeline_link(hostile)})
        assert plain(found) == "%(who)s 100% <b> <i> %(who)s 100% <b>"
        assert "<b>" not in found and "<i>" not in found

    def test_no_values_leave_percent_signs_alone(self):
        assert parts.sentence("100 % of it") == "100 % of it"


class TestUnits:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (None, "unknown"),
            (float("nan"), "unknown"),
            (-5, "0 s"),
            (0, "0 s"),
            (59.9, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3599, "59 min 59 s"),
            (3600, "1 h"),
            (11_520, "3 h 12 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 d"),
            (187_200, "2 d 4 h"),
            (86_400 * 1500, "1,500 d"),
        ],
    )
    def test_duration(self, seconds, text):
        assert web_formats.duration(seconds) == text

    def test_numbers_have_separators_and_unknown_says_so(self):
        assert web_formats.number(1234567) == "1,234,567"
        assert web_formats.number(12.345, 1) == "12.3"
        assert web_formats.number(None) == "unknown"
        with translation.override("pt-br"):
            assert web_formats.number(1234567.5, 1) == "1.234.567,5"

    def test_counts(self):
        assert web_formats.count(Count(100_000, capped=True)) == "100,000+"
        assert web_formats.count(Count(0)) == "0"
        assert web_formats.count(7) == "7"
        assert web_formats.count(None) == "unknown"

    def test_percent_and_speed(self):
        assert web_formats.percent(99.0) == "99%"
        assert web_formats.percent(98.54) == "98.5%"
        assert web_formats.percent(None) == "unknown"
        assert web_formats.speed(9.96) == "10.0 rows/s"
        assert web_formats.speed(1234.4) == "1,234 rows/s"
        assert web_formats.speed(None) == "unknown"

    def test_no_moment_is_unknown(self):
        assert web_formats.moment(None) == "unknown"


class TestSentences:
    @pytest.mark.parametrize(
        ("snapshot", "stale", "expected"),
        [
            (None, False, "No sample yet: the collector has not run."),
            (
                make.snapshot(),
                True,
                "The figures are from 15 May 12:00: the collector has taken no sample since.",
            ),
            (make.unreachable_snapshot(), False,
             "DW has not answered since 15 May 11:00 (server unreachable). Showing the last known figures."),
            (make.snapshot(oltp=make.unreachable("oltp", problem=None)), False, "OLTP does not answer."),
            (make.snapshot(dw=make.unreachable("dw"), oltp=make.unreachable("oltp")), False,
             "DW and OLTP do not answer: server unreachable."),
            (make.snapshot(problem=make.problem()), False,
             "The control and audit tables could not be read: time-out."),
            (make.snapshot(pipelines=()), False, "ctl.etl_control lists no pipelines yet."),
            (make.snapshot(make.inactive_pipeline()), False, "No pipeline is active, so nothing is evaluated."),
            (make.snapshot(), False, "The one active pipeline is healthy."),
            (make.healthy_snapshot(), False, "All 3 active pipelines are healthy."),
            (
                make.snapshot(make.pipeline(), make.late_pipeline()),
                False,
                "1 of 2 pipelines needs attention: fact_vendas has been late for 3 h 12 min.",
            ),
            (
                make.snapshot(make.pipeline(), make.late_pipeline(), make.failed_pipeline()),
                False,
                "2 of 3 pipelines need attention: dim_equipe has been failing since 15 May 11:35, "
                "fact_vendas has been late for 3 h 12 min.",
            ),
            (
                make.troubled_snapshot(),
                False,
                "3 of 6 pipelines need attention: dim_fantasma has never finished a run, dim_equipe has been failing "
                "since 15 May 11:35, and 1 more. 1 cannot be evaluated.",
            ),
            (make.snapshot(make.pipeline(), make.unread_pipeline()), False,
             "1 of 2 pipelines cannot be evaluated: dim_regiao."),
            (
                make.snapshot(*[make.unread_pipeline(name) for name in "abcde"]),
                False,
                "5 of 5 pipelines cannot be evaluated: a, b, c, and 2 more.",
            ),
            (
                make.snapshot(preflight=make.passed_preflight(schemas=(ObjectReading(name="ctl", exists=False),))),
                False,
                "The pipelines are healthy, but 1 pre-flight check failed.",
            ),
        ],
    )  # fmt: skip
    def test_what_it_says(self, snapshot, stale, expected):
        assert plain(web_headline.sentence_text(verdict_sentence(snapshot, stale=stale))) == expected

    @pytest.mark.parametrize("code", SentenceCode)
    def test_every_code_has_a_sentence(self, code):
        assert str(web_headline.sentence_text(Sentence(code=code, severity=Severity.OK))).endswith(".")

    def test_names_can_be_linked_and_times_tick(self):
        found = web_headline.sentence_text(verdict_sentence(make.snapshot(make.pipeline(), make.late_pipeline())))
        assert parts.pipeline_link("fact_vendas") in found
        assert parts.elapsed(ago(hours=3, minutes=12)) in found


SINCE = ago(hours=3, minutes=12)


def of(rule: Rule, severity: Severity = Severity.WARNING, since=SINCE, **values) -> Verdict:
    return Verdict(rule=rule, severity=severity, entity_name="dim_x", since=since, values=values or None)


class TestVerdicts:
    @pytest.mark.parametrize(
        ("verdict", "clause", "reason"),
        [
            (
                of(Rule.FAILED, run_id=7, error_class="deadlock", error="x"),
                "dim_x has been failing since 15 May 08:48",
                "Run 7 failed (Deadlock): Two sessions waited for each other, and the server ended this one.",
            ),
            (of(Rule.FAILED, run_id=7, error_class="other", error=None), None, "Run 7 failed and does not say why."),
            (
                of(Rule.FAILED, since=None, run_id=7, error_class=None),
                "dim_x failed",
                "The control row says that its last run failed; the run itself is no longer stored.",
            ),
            (
                of(Rule.LATE_WATERMARK, limit_minutes=120, eligible=100_000, capped=1),
                "dim_x has been late for 3 h 12 min",
                "100,000+ rows are waiting; the oldest has been waiting for 3 h 12 min, the limit is 2 h.",
            ),
            (
                of(Rule.LATE_WATERMARK, limit_minutes=120, eligible=1, capped=0),
                None,
                "1 row is waiting; the oldest has been waiting for 3 h 12 min, the limit is 2 h.",
            ),
            (
                of(Rule.NO_RECENT_RUN, hours=24),
                "dim_x has not finished a run for 3 h 12 min",
                "Its latest run finished 3 h 12 min ago; the limit is 1 d.",
            ),
            (
                of(Rule.NO_RECENT_RUN, hours=None),
                "dim_x has never finished a run",
                "It is active, but no run of it has ever finished.",
            ),
            (
                of(Rule.RECURRENT_FAILURE, failures=3, executions=9, percent=100 / 3),
                "dim_x failed in 33% of its executions",
                "3 of 9 executions of the last 7 days failed (33%).",
            ),
            (
                of(Rule.STUCK_RUN, run_id=7, limit_seconds=1800.0, orphan=None),
                "dim_x has been running for 3 h 12 min",
                "Run 7 has been running for 3 h 12 min; the limit is 30 min.",
            ),
            (
                of(Rule.STUCK_RUN, run_id=7, limit_seconds=1800.0, orphan="later_run"),
                "dim_x has a run that never ended, started 15 May 08:48",
                "Run 7 is still marked as running after 3 h 12 min, but a later run has finished: it was killed.",
            ),
            (
                of(Rule.STUCK_RUN, run_id=7, limit_seconds=1800.0, orphan="no_session"),
                None,
                "Run 7 is still marked as running after 3 h 12 min, but no runner is connected.",
            ),
            (
                of(Rule.STALLED_WATERMARK, runs=3, succeeded=3, eligible=9),
                "dim_x runs, but its watermark has not moved since 15 May 08:48",
                "The watermark did not move over 3 finished runs, all of them successes. 9 rows are waiting.",
            ),
            (
                of(Rule.STALLED_WATERMARK, runs=3, succeeded=1, eligible=9),
                None,
                "The watermark did not move over 3 finished runs. 9 rows are waiting.",
            ),
            (
                of(Rule.UNUSUAL_VOLUME, value=9000.0, median=1000.0, low=481.0, high=1519.0),
                "dim_x moved unusually many rows",
                "Its latest success extracted 9,000 rows; the typical range is 481 to 1,519 (median 1,000).",
            ),
            (of(Rule.UNUSUAL_VOLUME, value=9.0, median=1000.0), "dim_x moved unusually few rows", None),
            (
                of(Rule.UNUSUAL_DURATION, value=900.0, median=60.0, low=0.0, high=120.0),
                "dim_x took unusually long",
                "Its latest success took 15 min; the typical range is 0 s to 2 min (median 1 min).",
            ),
            (of(Rule.UNUSUAL_DURATION, value=1.0, median=900.0), "dim_x was unusually quick", None),
            (
                of(Rule.SILENT_NO_OP, runs=2, eligible=9),
                "dim_x succeeds without loading the waiting rows",
                "Its last 2 successes extracted nothing, although rows were waiting before they started. "
                "9 rows are waiting.",
            ),
            (
                of(Rule.COVERAGE_DROP, percent=78.9, median=99.0, points=20.1),
                "dim_x lost 20.1 points of coverage",
                "Coverage is 78.9%; its median of 7 days is 99%.",
            ),
            (
                of(Rule.STRUCTURE, part="target", table="dim.X"),
                "dim_x has no target table",
                "The table dim.X does not exist.",
            ),
            (of(Rule.STRUCTURE, part="source", table="core.x"), "dim_x has no source table", None),
            (
                of(Rule.STRUCTURE, part="mapping", table="a -> b"),
                "dim_x has an invalid table name",
                "“a -> b” is not a mapping of the form schema.table.",
            ),
            (
                of(Rule.PREFLIGHT, check="dw.schema.ctl", problem=None),
                "dim_x: “Schema ctl” failed",
                "The check “Schema ctl” failed.",
            ),
            (
                of(Rule.FAILED, Severity.UNKNOWN, status_text="aborted"),
                "dim_x cannot be evaluated",
                "The audit tables contain the unknown status “aborted”.",
            ),
            (
                of(Rule.LATE_WATERMARK, Severity.UNKNOWN, problem="permission_denied"),
                "dim_x cannot be evaluated",
                "It could not be evaluated: permission denied.",
            ),
            (Verdict(rule="odd", severity=Severity.WARNING), "odd cannot be evaluated", "odd"),
        ],
    )
    def test_what_it_says(self, verdict, clause, reason):
        if clause is not None:
            assert plain(web_alert_texts.verdict_clause(verdict)) == clause
        if reason is not None:
            assert plain(web_alert_texts.verdict_text(verdict)) == reason

    @pytest.mark.parametrize("rule", Rule)
    @pytest.mark.parametrize("severity", Severity)
    @pytest.mark.parametrize("language", ["en", "pt-br"])
    def test_every_rule_has_all_its_words_also_without_values(self, rule, severity, language):
        with translation.override(language):
            bare = Verdict(rule=rule, severity=severity)
            assert web_alert_texts.verdict_label(bare)
            assert str(web_alert_texts.verdict_clause(bare))
            assert str(web_alert_texts.verdict_text(bare))
            assert web_alert_texts.verdict_next(bare)

    def test_what_cannot_be_judged_is_not_called_by_its_rule(self):
        assert (
            web_alert_texts.verdict_label(of(Rule.STRUCTURE, Severity.UNKNOWN, problem="timeout"))
            == "Cannot be evaluated"
        )
        assert web_alert_texts.verdict_label(of(Rule.STRUCTURE)) == "Missing tables"

    def test_the_next_step_knows_the_cause(self):
        failed = of(Rule.FAILED, run_id=7, error_class="log_full", error="x")
        assert web_alert_texts.verdict_next(failed) == web_problems.class_text(ErrorClass.LOG_FULL)[1]
        (unreachable,) = preflight_verdicts(make.passed_preflight(dw=make.unreachable("dw")), {"dw": 3})
        assert web_alert_texts.verdict_next(unreachable) == web_problems.code_text(ProblemCode.UNREACHABLE).to_do
        unread = of(Rule.STRUCTURE, Severity.UNKNOWN, problem="timeout")
        assert web_alert_texts.verdict_next(unread) == web_problems.code_text(ProblemCode.TIMEOUT).to_do


class TestProblemsChecksAndFailures:
    @pytest.mark.parametrize("code", ProblemCode)
    def test_every_problem_says_what_happened_and_what_to_do(self, code):
        words = web_problems.problem_text(make.problem(code, detail="driver's words"))
        assert words.what.endswith(".") and words.to_do.endswith(".")
        assert words.detail == "SQLSTATE HYT00, error 0: driver's words"

    def test_no_problem_given_is_not_read(self):
        assert web_problems.problem_text(None) == web_problems.code_text(ProblemCode.NOT_READ)

    def test_every_check_of_the_preflight_has_a_label_and_says_what_to_do(self):
        terms = make.terms(isolation="snapshot", isolation_wanted="snapshot")
        preflight = make.passed_preflight(
            make.pipeline(),
            required=("dim_cliente",),
            dw=make.connection("dw", terms=terms),
            oltp=make.connection("oltp", terms=terms),
        )
        checks = (*preflight.checks, collector_check(1.0))
        for check in checks:
            passed = web_check_texts.check_text(check)
            assert passed.to_do == ""
            assert passed.label != check.code and "%(" not in passed.label
            failed = web_check_texts.check_text(Check(code=check.code, state=CheckState.FAILED, values=check.values))
            assert failed.to_do
        codes = {check.code for check in checks}
        for key in CHECK_LABELS:
            assert any(code == key or (key.endswith(".") and code.startswith(key)) for code in codes), key

    def test_labels_name_the_object(self):
        assert web_check_texts.check_label("dw.table.audit.etl_run") == "Table audit.etl_run with its columns"
        assert web_check_texts.check_label("no.such.check") == "no.such.check"

    @pytest.mark.parametrize(
        ("check", "detail"),
        [
            (Check(code="dw.connection", state=CheckState.PASSED, values={"database": "DW", "server": "s"}), "DW on s"),
            (Check(code="dw.connection", state=CheckState.PASSED), "? on ?"),
            (Check(code="dw.connection", state=CheckState.PASSED, values={"database": "dw", "server": ""}), "dw"),
            (Check(code="dw.clock", state=CheckState.PASSED, values={"seconds": -0.003}), "0.0 s"),
            (Check(code="dw.clock", state=CheckState.WARNING, values={"seconds": -45.26}), "−45.3 s"),
            (Check(code="dw.isolation", state=CheckState.WARNING), "The database does not allow it."),
            (
                Check(code="server.encryption", state=CheckState.WARNING, values={"encrypted": 0, "verified": 1}),
                "Traffic to and from the server is not encrypted.",
            ),
            (
                Check(code="server.encryption", state=CheckState.WARNING, values={"encrypted": 1, "verified": 0}),
                "Encrypted, but any certificate is trusted: another server could answer in its place.",
            ),
            (
                Check(code="server.encryption", state=CheckState.PASSED, values={"encrypted": 1, "verified": 1}),
                "Encrypted, the certificate verified.",
            ),
            (Check(code="dw.table.x", state=CheckState.FAILED, values={"missing": "a, b"}), "Missing columns: a, b"),
            (Check(code="dw.table.x", state=CheckState.FAILED, values={"exists": 0}), "It does not exist."),
            (Check(code="dw.table.x", state=CheckState.UNKNOWN), "It could not be checked."),
            (Check(code="pipelines.active", state=CheckState.PASSED, values={"active": 8, "pipelines": 9}), "8 of 9"),
            (
                Check(code="pipeline.active", state=CheckState.PASSED, values={"active": 0}),
                "Switched off: not evaluated.",
            ),
            (Check(code="pipeline.mapping", state=CheckState.PASSED, values={"source": "a", "target": "b"}), "a → b"),
            (Check(code="pipeline.source", state=CheckState.FAILED, values={"table": "core.x"}), "core.x"),
            (
                Check(code="required.ready", state=CheckState.FAILED, values={"listed": 0}),
                "ctl.etl_control has no such pipeline.",
            ),
            (collector_check(None), "It has never run."),
            (collector_check(999), "Its last sample is older than 1 min."),
            (
                Check(code="pipeline.source", state=CheckState.UNKNOWN, problem=make.problem()),
                "The query timed out.",
            ),
        ],
    )
    def test_what_a_check_found(self, check, detail):
        assert web_check_texts.check_text(check).detail == detail

    def test_what_is_missing_is_told_by_the_check_not_by_the_driver(self):
        gone = make.problem(ProblemCode.OBJECT_MISSING)
        schema = web_check_texts.check_text(Check(code="dw.schema.ctl", state=CheckState.FAILED, problem=gone))
        assert schema.to_do.startswith("Create the schema")
        slow = web_check_texts.check_text(Check(code="dw.schema.ctl", state=CheckState.UNKNOWN, problem=make.problem()))
        assert slow.to_do == web_problems.code_text(ProblemCode.TIMEOUT).to_do
        (verdict,) = preflight_verdicts(
            make.passed_preflight(schemas=(ObjectReading(name="ctl", exists=False, problem=gone),)), {}
        )
        assert web_alert_texts.verdict_next(verdict) == schema.to_do

    def test_what_could_not_be_found_out_asks_for_no_repair(self):
        words = web_check_texts.check_text(Check(code="pipeline.ready", state=CheckState.UNKNOWN))
        assert words.to_do == web_problems.code_text(ProblemCode.NOT_READ).to_do

    def test_a_required_pipeline_that_is_not_listed_has_its_own_advice(self):
        missing = Check(code="required.active", state=CheckState.FAILED, values={"listed": 0})
        assert "REQUIRED_PIPELINES" in web_check_texts.check_text(missing).to_do

    def test_a_connections_facts(self):
        checks = make.passed_preflight().checks
        facts = dict(web_check_texts.connection_facts(next(check for check in checks if check.code == "dw.connection")))
        assert facts["Answered in"] == "1.5 ms"
        assert facts["Clock difference"] == "0.2 s"
        assert "PWD" not in facts["Connection"].upper()
        assert web_check_texts.connection_facts(Check(code="dw.connection", state=CheckState.FAILED)) == ()

    @pytest.mark.parametrize("error_class", ErrorClass)
    def test_every_class_has_a_meaning_and_advice(self, error_class):
        meaning, advice = web_problems.class_text(error_class)
        assert meaning.endswith(".") and advice.endswith(".")

    def test_a_failure_names_what_the_message_names(self):
        words = web_problems.advice_for(parse(make.UNIQUE_ERROR))
        assert words.title == "Duplicate key"
        assert words.names == ("table or object dim.DIM_CLIENTE, constraint UQ_DIM_CLIENTE_original, key or value 4711")
        assert web_problems.advice_for(parse("")).meaning == "The run says that it failed, but not why."


def test_every_figure_has_its_definition():
    assert all(str(definition).endswith(".") for definition in web_labels.HELP.values())
