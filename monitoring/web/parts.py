"""Small pieces of HTML. Those that a page draws hundreds of times are cached per language and time zone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache, wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext, pgettext

from monitoring.rules import enums
from monitoring.rules.enums import PipelineStatus, ProblemCode
from monitoring.rules.error_text import ErrorText
from monitoring.rules.facts import Count, Problem
from monitoring.web import formats
from monitoring.web import labels as web_labels
from monitoring.web.problems import code_text, problem_text

P = ParamSpec("P")
R = TypeVar("R")

Why = Problem | ProblemCode | str | None
ROOM = 2048  # results of each function, 4 MB in all


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Cache the results by arguments, language and time zone. For pure functions of hashable arguments.

    `typed`, because members of different enums can be equal texts.
    """

    @lru_cache(maxsize=ROOM, typed=True)
    def keyed(language: str, zone: str, *args: Any, **kwargs: Any) -> R:
        return function(*args, **kwargs)

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return keyed(translation.get_language() or "", timezone.get_current_timezone_name(), *args, **kwargs)  # type: ignore[arg-type]

    wrapper.forget = keyed.cache_clear  # type: ignore[attr-defined]
    return wrapper


class Sign(NamedTuple):
    tone: str
    icon: str
    word: str | Promise


SIGNED = (
    *(enums.PipelineStatus, enums.RunStatus, enums.ExecutionStatus, enums.Severity, enums.CheckState),
    *(enums.FailureState, enums.WatermarkState),
)

_OK, _UNKNOWN = ("ok", "check"), ("unknown", "question")
# Tone and icon by value: members of different enums with the same value have the same sign.
LOOKS: dict[str, tuple[str, str]] = {
    "ok": _OK,
    "success": _OK,
    "passed": _OK,
    "gone": _OK,
    "current": _OK,
    "unknown": _UNKNOWN,
    "running": ("running", "play"),
    "draining": ("running", "hourglass"),
    "failed": ("failed", "x"),
    "stopped": ("failed", "stop"),
    "recurring": ("failed", "arrow-counterclockwise"),
    "partial": ("partial", "circle-half"),
    "structure_missing": ("structure", "puzzle"),
    "never_run": ("never", "circle"),
    "not_enough_history": ("never", "hourglass"),
    "warning": ("warning", "exclamation"),
    "new": ("warning", "exclamation"),
    "rewound": ("warning", "arrow-counterclockwise"),
    "stalled": ("warning", "pause"),
    "falling_behind": ("warning", "arrow-down"),
    "critical": ("critical", "exclamation-circle"),
}


def sign_of(value: StrEnum | str | None) -> Sign:
    """Return the sign of a member. None and a text that is no member are unknown."""
    if not isinstance(value, SIGNED):
        return Sign(*_UNKNOWN, web_labels.label(PipelineStatus.UNKNOWN))
    return Sign(*LOOKS[value], web_labels.label(value))


SPRITE = "vendor/bootstrap-icons-1.13.2/sprite.svg"


@remembered
def icon(name: str, css: str = "") -> SafeString:
    """Return a decorative icon. Text beside it gives its meaning."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        css,
        static(SPRITE),
        name,
    )


@remembered
def status(value: StrEnum | str | None, *, inactive: bool = False, compact: bool = False) -> SafeString:
    """Return a badge: sign, word and colour. `compact` leaves the word to screen readers and the tooltip."""
    badge = _badge(sign_of(value), compact=compact, tip=compact)
    if not inactive:
        return badge
    off = Sign("inactive", "pause", pgettext("pipeline", "inactive"))
    return format_html('<span class="status-pair">{} {}</span>', badge, _badge(off, compact=compact))


def _badge(sign: Sign, *, compact: bool, tip: bool = False) -> SafeString:
    return format_html(
        '<span class="status tone-{}"{}><span class="status__sign">{}</span>'
        '<span class="status__word{}">{}</span></span>',
        sign.tone,
        format_html(' data-tip="{}"', sign.word) if tip else "",
        icon(sign.icon),
        " visually-hidden" if compact else "",
        sign.word,
    )


@remembered
def none(why: str = "") -> SafeString:
    return format_html(
        '<span class="none" data-tip="{0}"><span aria-hidden="true">–</span>'
        '<span class="visually-hidden">{0}</span></span>',
        why or gettext("no value"),
    )


def error_text(error: ErrorText, shown: int) -> SafeString:
    return cut_text(error.words or error.text, shown, whole=error.text)


def cut_text(text: str, shown: int, *, whole: str = "") -> SafeString:
    """Return the first `shown` characters of a text; `whole`, or all of the text, on hover."""
    cut = Truncator(text).chars(shown)
    return format_html('<span class="error-text" tabindex="0" data-tip="{}">{}</span>', whole or text, cut)


def unknown(problem: Why = None) -> SafeString:
    if isinstance(problem, str) and not isinstance(problem, ProblemCode) and problem:
        reason = str(problem)
    else:
        words = code_text(problem) if isinstance(problem, ProblemCode) else problem_text(problem or None)
        reason = " ".join(part for part in words[:3] if part)
    return format_html(
        '<span class="unknown" tabindex="0" data-tip="{0}"><span class="unknown__word">{1}</span>'
        '<span class="visually-hidden">: {0}</span></span>',
        reason,
        gettext("unknown"),
    )


def _missing(problem: Why) -> SafeString:
    return unknown(problem) if problem else none()


def _figure(text: str, css: str = "figure") -> SafeString:
    return format_html('<span class="{}">{}</span>', css, text)


def rows(count: int | Count | None, problem: Why = None) -> SafeString:
    """Return a number of rows; "100,000+" if counting stopped at the cap."""
    if count is None:
        return _missing(problem)
    if isinstance(count, Count) and count.capped:
        tip = gettext("at least this many: counting stops here")
        text = formats.number_text(count.value)
        return format_html('<span class="figure" data-tip="{}">{}+</span>', tip, text)
    return _figure(formats.number_text(count.value if isinstance(count, Count) else count))


@remembered
def number(amount: float | None, decimals: int = 0, problem: Why = None) -> SafeString:
    return _missing(problem) if amount is None else _figure(formats.number_text(amount, decimals))


@remembered
def percent(amount: float | None, problem: Why = None) -> SafeString:
    return _missing(problem) if amount is None else _figure(formats.percent_text(amount))


@remembered
def duration(seconds: float | None, problem: Why = None) -> SafeString:
    return _missing(problem) if seconds is None else _figure(formats.duration_text(seconds), "figure nowrap")


def rate(per_second: float | None, problem: Why = None) -> SafeString:
    if per_second is None:
        return _missing(problem)
    decimals = 1 if 0 < abs(per_second) < 9.95 else 0
    text = ngettext("%(number)s row/s", "%(number)s rows/s", 1 if per_second == 1 else 2)
    return _figure(text % {"number": formats.number_text(per_second, decimals)}, "figure nowrap")


def when(moment: datetime | None, style: formats.TimeStyle = "short", why: str = "") -> SafeString:
    """Return an absolute time in the viewer's zone, with UTC on hover."""
    return none(why) if moment is None else _time(moment, "", style)


def age(moment: datetime | None, why: str = "", *, clock: str = "warehouse", ticked: bool = False) -> SafeString:
    """Return a time that the browser shows as an age ("3 min ago") and updates.

    `clock`: the clock that the time is from, "warehouse" or "portal". `ticked`: the time of the newest sample, which
    live.js moves on while the block stays.
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
def pipeline_link(name: str) -> SafeString:
    return format_html('<a class="entity" href="{}">{}</a>', reverse("monitoring:pipeline", args=(name,)), name)


@remembered
def run_link(run_id: int | None) -> SafeString:
    if run_id is None:
        return none(gettext("no run yet"))
    return format_html('<a href="{}" class="figure">#{}</a>', reverse("monitoring:run", args=(run_id,)), run_id)


def sentence(template: str | Promise, values: Mapping[str, Any] | None = None) -> SafeString:
    """Return a translated text as HTML. `values` fill its `%(name)s` places and may be HTML."""
    text: str = conditional_escape(str(template))
    if values:
        text %= {name: conditional_escape(each) for name, each in values.items()}
    return SafeString(text)  # nosec B703 - all parts are escaped


@remembered
def help_button(code: str) -> SafeString:
    """Return the "?" that shows the definition of a figure. Raises KeyError for a figure without one."""
    text = str(web_labels.HELP[code])
    return format_html(
        '<button type="button" class="help" data-tip="{}" aria-label="{}">{}</button>',
        text,
        gettext("What this means: %(text)s") % {"text": text},
        icon("question"),
    )
