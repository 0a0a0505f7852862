"""Values as text and as HTML: both languages, the viewer's zone, no value, unknown, hostile text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.template import engines
from django.utils import timezone as django_timezone
from django.utils import translation

from monitoring.rules import enums
from monitoring.rules.enums import CheckState, ExecutionStatus, PipelineStatus, ProblemCode, RunStatus, Severity
from monitoring.rules.facts import Count, Problem
from monitoring.web import formats, graphics, parts
from monitoring.web.labels import HELP
from monitoring.web.parts import LOOKS, SIGNED, sign_of
from tests.support.html import audit
from tests.unit.test_tokens import TONES

AT = datetime(2026, 1, 31, 23, 30, 5, tzinfo=UTC)
NBSP = "\N{NO-BREAK SPACE}"


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def render(text: str, **context: Any) -> str:
    return str(engines["django"].from_string(text).render(context))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.04, "< 0.1 s"),
        (0.4, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (723, "12 min 03 s"),
        (3599.6, "1 h 00 min"),
        (11_520, "3 h 12 min"),
        (86_399.7, "1 d 0 h"),
        (183_600, "2 d 3 h"),
        (90_000_000, "1,041 d 16 h"),
        (-5, "−5.0 s"),
        (-90, "−1 min 30 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    with translation.override("en"):
        assert formats.duration_text(seconds).replace(NBSP, " ") == text


@pytest.mark.parametrize(
    ("value", "english", "portuguese"),
    [
        (0, "0%", "0%"),
        (100, "100%", "100%"),
        (98.24, "98.2%", "98,2%"),
        (99.97, "99.9%", "99,9%"),
        (100.02, "100.1%", "100,1%"),
        (0.02, "0.1%", "0,1%"),
        (1234.5, "1,234.5%", "1.234,5%"),
    ],
)
def test_percent_is_100_only_when_it_is(value: float, english: str, portuguese: str) -> None:
    with translation.override("en"):
        assert formats.percent_text(value) == english
    with translation.override("pt-br"):
        assert formats.percent_text(value) == portuguese


def test_numbers_in_both_languages() -> None:
    with translation.override("en"):
        assert formats.number_text(1_234_567) == "1,234,567"
        assert formats.number_text(-0.04, 1) == "0.0"
        assert formats.number_text(-1234.5, 1) == "−1,234.5"
    with translation.override("pt-br"):
        assert formats.number_text(1_234_567) == "1.234.567"


def test_times_are_in_the_viewers_zone_and_utc_on_hover() -> None:
    with django_timezone.override(ZoneInfo("America/Sao_Paulo")), translation.override("en"):
        html = parts.when(AT)
        assert plain(html) == "31 Jan 20:30"
        assert 'datetime="2026-01-31T23:30:05Z"' in html
        assert 'title="2026-01-31 23:30:05 UTC"' in html
        assert plain(parts.when(AT, "full")) == "31 Jan 2026 20:30:05"
    with django_timezone.override(ZoneInfo("Asia/Tokyo")), translation.override("pt-br"):
        assert plain(parts.when(AT)) == "01/02 08:30"
        assert plain(parts.when(AT, "date")) == "01/02/2026"


def test_a_time_of_another_offset_is_the_same_moment() -> None:
    other = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert parts.when(other) == parts.when(AT)


def test_an_age_says_no_age_itself() -> None:
    """The same at any time of day: an unchanged block is an unchanged text."""
    with django_timezone.override(ZoneInfo("UTC")), translation.override("en"):
        assert plain(parts.age(AT)) == "31 Jan 23:30"
        assert ' data-age="portal"' in parts.age(AT, clock="portal")
        assert ' data-elapsed="warehouse"' in parts.elapsed(AT)


@pytest.mark.parametrize(
    "draw", [parts.rows, parts.number, parts.percent, parts.duration, parts.rate, parts.when, parts.age, parts.elapsed]
)
def test_no_value_is_a_dash_that_says_so(draw: Any) -> None:
    html = draw(None)
    assert "–" in html
    assert "no value" in html
    assert "0" not in plain(html)


@pytest.mark.parametrize("draw", [parts.rows, parts.percent, parts.duration, parts.rate])
def test_what_could_not_be_read_is_unknown_with_its_reason(draw: Any) -> None:
    html = draw(None, Problem(code=ProblemCode.PERMISSION_DENIED, detail="denied on <dim>"))
    assert 'class="unknown" tabindex="0"' in html
    assert "GRANT SELECT" in html.upper()
    assert "denied on &lt;dim&gt;" in html


@pytest.mark.parametrize("reason", [None, "", "because", ProblemCode.TIMEOUT, *ProblemCode])
def test_unknown_always_has_a_reason(reason: Any) -> None:
    html = parts.unknown(reason)
    (tip,) = re.findall(r'data-tip="([^"]*)"', html)
    assert len(tip) > 5
    assert tip in plain(html), "a screen reader gets it too"


def test_capped_counts_say_at_least() -> None:
    with translation.override("en"):
        assert plain(parts.rows(Count(100_000, capped=True))) == "100,000+"
        assert plain(parts.rows(Count(0))) == "0"
        assert plain(parts.rate(1234.4)).replace(NBSP, " ") == "1,234 rows/s"
        assert plain(parts.rate(0.52)) == "0.5 rows/s"


def test_zero_is_a_value() -> None:
    assert plain(parts.rows(0, "a problem")) == "0"


def test_every_status_has_a_sign_a_tone_and_a_word() -> None:
    shown = (PipelineStatus, RunStatus, ExecutionStatus, Severity, CheckState, enums.WatermarkState, enums.FailureState)
    assert set(SIGNED) == set(shown)
    for vocabulary in shown:
        for member in vocabulary:
            sign = sign_of(member)
            assert sign.tone in TONES
            assert sign.word
            html = parts.status(member)
            assert sign.word in plain(html)
            assert "<svg" in html
            assert audit(html) == []


def test_signs_of_one_vocabulary_differ_without_colour() -> None:
    for vocabulary in SIGNED:
        if vocabulary is enums.WatermarkState:
            continue  # always beside its word
        icons = [LOOKS[member][1] for member in vocabulary]
        assert len(icons) == len(set(icons)), vocabulary


class Foreign(StrEnum):
    FINE = "ok"


@pytest.mark.parametrize("value", ["ok", "success", "nonsense", "", None, Foreign.FINE])
def test_what_is_no_status_is_unknown_never_fine(value: Any) -> None:
    assert sign_of(value).tone == "unknown"


def test_an_inactive_pipeline_keeps_its_status() -> None:
    html = parts.status(PipelineStatus.FAILED, inactive=True)
    assert plain(html).split() == ["Failed", "inactive"]


def test_compact_keeps_the_word_for_screen_readers() -> None:
    html = parts.status(PipelineStatus.FAILED, compact=True)
    assert 'status__word visually-hidden">Failed' in html
    assert 'data-tip="Failed"' in html


@pytest.mark.parametrize("code", sorted(HELP))
def test_help_is_reachable_and_told(code: str) -> None:
    html = parts.help_button(code)
    assert html.startswith('<button type="button"')
    assert audit(html) == []
    assert "aria-label" in html


def test_help_without_a_definition_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        parts.help_button("no such figure")


# Pictures


def test_a_sparkline_has_gaps_where_nothing_is_known() -> None:
    html = graphics.sparkline([1, 2, None, 4, None, None, 1], label="a <trend>")
    assert html.count("<polyline") == 3
    assert 'aria-label="a &lt;trend&gt;"' in html
    assert audit(html) == []


def test_a_sparkline_spans_its_box() -> None:
    (points,) = re.findall(r'points="([^"]*)"', graphics.sparkline([0, 5, 10]))
    assert points == "0,22 50,12 100,2"


def test_a_flat_line_is_in_the_middle_and_one_point_is_no_line() -> None:
    assert 'points="0,12 100,12"' in graphics.sparkline([7, 7])
    assert "polyline" not in graphics.sparkline([7])
    assert "polyline" not in graphics.sparkline([None, 7, None])
    assert "polyline" not in graphics.sparkline([])


def test_the_last_point_is_marked_only_when_known() -> None:
    assert "sparkline__dot" in graphics.sparkline([1, 2])
    assert "sparkline__dot" not in graphics.sparkline([1, 2, None])


def test_progress_by_rows() -> None:
    html = graphics.progress(250, 1000, label="dim_cliente")
    assert 'aria-valuenow="25"' in html
    assert '<rect class="progress__bar" width="25.0%"' in html
    assert audit(html) == []


@pytest.mark.parametrize(("value", "share"), [(-5, "0"), (5000, "100")])
def test_progress_stays_in_its_box(value: float, share: str) -> None:
    assert f'aria-valuenow="{share}"' in graphics.progress(value, 1000)


def test_progress_by_time_is_grown_by_the_browser() -> None:
    html = graphics.progress(since=AT, low=30, high=60)
    assert 'data-progress-since="2026-01-31T23:30:05Z" data-progress-scale="69.0"' in html
    assert "aria-valuenow" not in html
    assert '<rect class="progress__band" x="43.5%" width="43.5%"' in html


@pytest.mark.parametrize("arguments", [{}, {"value": 5}, {"value": 5, "maximum": 0}, {"since": AT}])
def test_progress_without_a_scale_is_open_ended(arguments: dict[str, Any]) -> None:
    html = graphics.progress(**arguments)
    assert "progress--open" in html
    assert "aria-valuenow" not in html


# Tags in templates


def test_block_tags_escape_what_they_are_given() -> None:
    hostile = '"><script>alert(1)</script>'
    html = render(
        '{% card title=t id="a" note=t %}{{ t }}{% endcard %}'
        '{% callout "failed" title=t %}{{ t }}{% endcallout %}'
        '{% disclosure summary=t id="b" %}{{ t }}{% enddisclosure %}'
        '{% state "empty" title=t %}{{ t }}{% endstate %}',
        t=hostile,
    )
    assert "<script>" not in html
    assert audit(html) == []


def test_a_chart_carries_its_data_its_sentence_and_its_table() -> None:
    html = render(
        '{% chart id="c" data=d label=l %}<table><tr><td>1</td></tr></table>{% endchart %}',
        d={"type": "bar", "labels": ["</script>"]},
        l="One bar.",
    )
    assert audit(html) == []
    assert '<script id="c-data" type="application/json">' in html
    assert "</script>" not in html.split("application/json")[1].split("</script>", 1)[0]
    assert "One bar." in plain(html)
    assert "<table>" in html
    assert "data-keep" in html


@pytest.mark.parametrize(
    ("level", "tone"), [("success", "ok"), ("error", "failed"), ("warning", "warning"), ("info", "info"), ("x", "info")]
)
def test_messages_have_a_tone(level: str, tone: str) -> None:
    assert render("{{ level|tone }}", level=level) == tone
