"""Small HTML that is drawn hundreds of times a page, remembered per reader's language and zone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

from django.templatetags.static import static
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext

from monitoring.rules.enums import (
    CheckState,
    ExecutionStatus,
    FailureState,
    PipelineStatus,
    ProblemCode,
    RunStatus,
    Severity,
    WatermarkState,
)
from monitoring.rules.error_text import ErrorText
from monitoring.rules.facts import Count, Problem
from monitoring.web import formats
from monitoring.web import labels as web_labels
from monitoring.web.help import HELP
from monitoring.web.problems import code_text, problem_text

P = ParamSpec("P")
R = TypeVar("R")

ROOM = 2048
"""How many results each function keeps; the least used goes first. Times, numbers and runs fill it: 4 MB in all."""


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Remember what `function` returned for the same arguments, language and zone.

    For pure functions of hashable arguments whose only hidden inputs are those two. Arguments of
    different types never share a result: members of two vocabularies with one text are equal.
    """

    @lru_cache(maxsize=ROOM, typed=True)
    def keyed(language: str, zone: str, *args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return keyed(translation.get_language() or "", timezone.get_current_timezone_name(), *args, **kwargs)

    wrapper.forget = keyed.cache_clear  # type: ignore[attr-defined]
    return wrapper


TONES = (
    "ok",
    "running",
    "failed",
    "partial",
    "structure",
    "never",
    "inactive",
    "unknown",
    "warning",
    "critical",
    "info",
)
"""Every tone that static/css/tokens.css defines, in both themes."""


@dataclass(frozen=True, slots=True)
class Sign:
    tone: str
    icon: str
    word: str


_OK, _RUNNING, _FAILED = ("ok", "check"), ("running", "play"), ("failed", "x")
_WARNING, _UNKNOWN = ("warning", "exclamation"), ("unknown", "question")

# By class first: members of different vocabularies with the same text are equal and hash alike.
_LOOKS: dict[type[StrEnum], dict[Any, tuple[str, str]]] = {
    PipelineStatus: {
        PipelineStatus.UNKNOWN: _UNKNOWN,
        PipelineStatus.STRUCTURE_MISSING: ("structure", "puzzle"),
        PipelineStatus.RUNNING: _RUNNING,
        PipelineStatus.FAILED: _FAILED,
        PipelineStatus.OK: _OK,
        PipelineStatus.NEVER_RUN: ("never", "circle"),
    },
    RunStatus: {
        RunStatus.RUNNING: _RUNNING,
        RunStatus.SUCCESS: _OK,
        RunStatus.FAILED: _FAILED,
        RunStatus.PARTIAL: ("partial", "circle-half"),
        RunStatus.UNKNOWN: _UNKNOWN,
    },
    ExecutionStatus: {
        ExecutionStatus.RUNNING: _RUNNING,
        ExecutionStatus.SUCCESS: _OK,
        ExecutionStatus.FAILED: _FAILED,
        ExecutionStatus.UNKNOWN: _UNKNOWN,
    },
    Severity: {
        Severity.OK: _OK,
        Severity.UNKNOWN: _UNKNOWN,
        Severity.WARNING: _WARNING,
        Severity.CRITICAL: ("critical", "exclamation-circle"),
    },
    CheckState: {
        CheckState.PASSED: _OK,
        CheckState.WARNING: _WARNING,
        CheckState.FAILED: _FAILED,
        CheckState.UNKNOWN: _UNKNOWN,
    },
    FailureState: {
        FailureState.NEW: ("warning", "exclamation"),
        FailureState.RECURRING: ("failed", "arrow-counterclockwise"),
        FailureState.GONE: _OK,
        FailureState.UNKNOWN: _UNKNOWN,
    },
    WatermarkState: {
        WatermarkState.CURRENT: _OK,
        WatermarkState.REWOUND: ("warning", "arrow-counterclockwise"),
        WatermarkState.STOPPED: ("failed", "stop"),
        WatermarkState.STALLED: ("warning", "pause"),
        WatermarkState.FALLING_BEHIND: ("warning", "arrow-down"),
        WatermarkState.DRAINING: ("running", "hourglass"),
        WatermarkState.NOT_ENOUGH_HISTORY: ("never", "hourglass"),
        WatermarkState.UNKNOWN: _UNKNOWN,
    },
}


def sign_of(value: StrEnum | str | None) -> Sign:
    """Return the sign of a member; whatever is not one (foreign text, None) is unknown, never fine."""
    look = _LOOKS.get(type(value), {}).get(value)  # type: ignore[arg-type]
    if look is None:
        return Sign(*_UNKNOWN, web_labels.label(PipelineStatus.UNKNOWN))
    return Sign(*look, web_labels.label(value))  # type: ignore[arg-type]


def inactive_sign() -> Sign:
    """Return the sign that stands beside the status of a pipeline that is switched off."""
    return Sign("inactive", "pause", web_labels.inactive())


SPRITE = "vendor/bootstrap-icons-1.13.2/sprite.svg"


@remembered
def icon(name: str, css: str = "") -> SafeString:
    """Return a decorative icon of the sprite: whatever it means, words beside it say."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        css,
        static(SPRITE),
        name,
    )


@remembered
def status(value: StrEnum | str | None, *, inactive: bool = False, compact: bool = False) -> SafeString:
    """Return a badge: sign, word and colour. `compact` leaves the word to screen readers and the tooltip."""
    sign = sign_of(value)
    badge = format_html(
        '<span class="status tone-{}"{}><span class="status__sign">{}</span>'
        '<span class="status__word{}">{}</span></span>',
        sign.tone,
        format_html(' data-tip="{}"', sign.word) if compact else "",
        icon(sign.icon),
        " visually-hidden" if compact else "",
        sign.word,
    )
    if not inactive:
        return badge
    off = inactive_sign()
    return format_html(
        '<span class="status-pair">{} <span class="status tone-{}"><span class="status__sign">{}</span>'
        '<span class="status__word{}">{}</span></span></span>',
        badge,
        off.tone,
        icon(off.icon),
        " visually-hidden" if compact else "",
        off.word,
    )


@remembered
def none(why: str = "") -> SafeString:
    """Return the dash of "has no value", with the explanation."""
    why = str(why or gettext("no value"))
    return format_html(
        '<span class="none" data-tip="{}"><span aria-hidden="true">–</span>'
        '<span class="visually-hidden">{}</span></span>',
        why,
        why,
    )


def error_text(error: ErrorText, shown: int) -> SafeString:
    """Return the first `shown` characters of the server's words; the whole message on hover."""
    return cut_text(error.words or error.text, shown, whole=error.text)


def cut_text(text: str, shown: int, *, whole: str = "") -> SafeString:
    """Return the first `shown` characters of a text; `whole`, or all of the text, on hover."""
    cut = Truncator(text).chars(shown)
    return format_html('<span class="error-text" tabindex="0" data-tip="{}">{}</span>', whole or text, cut)


def unknown(problem: Problem | ProblemCode | str | None = None) -> SafeString:
    """Return the hatched "unknown", its reason on hover, on focus and for screen readers."""
    reason = _reason(problem)
    return format_html(
        '<span class="unknown" tabindex="0" data-tip="{}"><span class="unknown__word">{}</span>'
        '<span class="visually-hidden">: {}</span></span>',
        reason,
        gettext("unknown"),
        reason,
    )


def _reason(problem: Problem | ProblemCode | str | None) -> str:
    """Return what happened and what to do, in one sentence or a few."""
    if isinstance(problem, str) and not isinstance(problem, ProblemCode) and problem:
        return str(problem)
    words = code_text(problem) if isinstance(problem, ProblemCode) else problem_text(problem or None)
    return " ".join(part for part in words[:3] if part)


def value(content: Any, problem: Problem | ProblemCode | str | None = None, why: str = "") -> SafeString:
    """Return `content`; when it is None: unknown beside a problem, else the dash."""
    if content is None or content == "":
        return unknown(problem) if problem else none(why)
    return format_html("{}", content)


def rows(count: int | Count | None, problem: Problem | ProblemCode | str | None = None) -> SafeString:
    """Return a number of rows; one that was counted to a cap shows as "100,000+"."""
    if count is None:
        return value(None, problem)
    if isinstance(count, Count):
        text = formats.number_text(count.value)
        if not count.capped:
            return format_html('<span class="figure">{}</span>', text)
        return format_html(
            '<span class="figure" data-tip="{}">{}+</span>', gettext("at least this many: counting stops here"), text
        )
    return format_html('<span class="figure">{}</span>', formats.number_text(count))


@remembered
def number(amount: float | None, decimals: int = 0, problem: Problem | ProblemCode | str | None = None) -> SafeString:
    """Return a plain number with the language's separators."""
    if amount is None:
        return value(None, problem)
    return format_html('<span class="figure">{}</span>', formats.number_text(amount, decimals))


@remembered
def percent(amount: float | None, problem: Problem | ProblemCode | str | None = None) -> SafeString:
    """Return percent (0 to 100) with one decimal at most."""
    if amount is None:
        return value(None, problem)
    return format_html('<span class="figure">{}</span>', formats.percent_text(amount))


@remembered
def duration(seconds: float | None, problem: Problem | ProblemCode | str | None = None) -> SafeString:
    """Return a duration in its two largest units."""
    if seconds is None:
        return value(None, problem)
    return format_html('<span class="figure nowrap">{}</span>', formats.duration_text(seconds))


def rate(per_second: float | None, problem: Problem | ProblemCode | str | None = None) -> SafeString:
    """Return rows per second."""
    if per_second is None:
        return value(None, problem)
    decimals = 1 if 0 < abs(per_second) < 9.95 else 0
    text = ngettext("%(number)s row/s", "%(number)s rows/s", 1 if per_second == 1 else 2) % {
        "number": formats.number_text(per_second, decimals)
    }
    return format_html('<span class="figure nowrap">{}</span>', text)


def when(moment: datetime | None, style: formats.TimeStyle = "short", why: str = "") -> SafeString:
    """Return an absolute time in the viewer's zone, with UTC on hover."""
    return none(why) if moment is None else _time(moment, "", style)


def age(moment: datetime | None, why: str = "", *, clock: str = "warehouse", ticked: bool = False) -> SafeString:
    """Return a time that the browser shows as an age ("3 min ago") and keeps ticking.

    `clock`: whose clock the time is by, "warehouse" or "portal". `ticked`: it is the time of the
    newest sample, which live.js moves on although the block around it stays.
    """
    return none(why) if moment is None else _time(moment, "age", "short", clock, ticked=ticked)


def elapsed(since: datetime | None, why: str = "", *, clock: str = "warehouse") -> SafeString:
    """Return a start that the browser shows as the time since then ("12 min 03 s")."""
    return none(why) if since is None else _time(since, "elapsed", "short", clock)


@remembered
def _time(
    moment: datetime, ticking: str, style: formats.TimeStyle, clock: str = "", *, ticked: bool = False
) -> SafeString:
    return format_html(
        '<time datetime="{}"{}{} title="{}">{}</time>',
        formats.machine_text(moment),
        format_html(' data-{}="{}" class="ticking"', ticking, clock) if ticking else "",
        SafeString(" data-ticked") if ticked else "",
        formats.utc_text(moment),
        formats.time_text(moment, style),
    )


@remembered
def help_button(code: str) -> SafeString:
    """Return the "?" that shows what a figure means (METRICS), to pointer, keyboard and screen reader.

    Raises KeyError for a figure without a definition.
    """
    text = str(HELP[code])
    return format_html(
        '<button type="button" class="help" data-tip="{}" aria-label="{}">{}</button>',
        text,
        gettext("What this means: %(text)s") % {"text": text},
        icon("question"),
    )
