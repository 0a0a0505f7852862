from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from monitoring.connections.queries import DEFAULT_WINDOW, NONE, WINDOWS, Window
from monitoring.connections.texts import COLUMNS
from monitoring.rules.login_events import Figures
from monitoring.web.filters import TableForm
from monitoring.web.formats import machine_text, number_text, time_text

MOST_CHOICES = 100
LONGEST_NAME = 256
SHOWN_NAME = 60
"""Characters of a value in a list of choices."""
SESSION = "session_id"
MOST_DAYS = 14
"""A longer range is cut, with a message."""
DAY = timedelta(days=1)
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class WindowForm(forms.Form):
    """The window: one of WINDOWS that ends now, or a range from `from` to `to`.

    A time without an offset is in the user's time zone. A range with one end is a day. If a value cannot be used,
    `problems` has a message and the window is the default.
    """

    use_required_attribute = False

    def __init__(self, data: QueryDict) -> None:
        super().__init__(label_suffix="")
        for name, text in (("from", _("From")), ("to", _("Until"))):
            widget = forms.DateTimeInput(attrs={"type": "datetime-local"})
            self.fields[name] = forms.CharField(label=text, required=False, widget=widget)
        self.problems: list[str] = []
        texts = [data.get(name, "").strip() for name in ("from", "to")]
        self.window = self._range(*texts) if any(texts) else self._named(data.get("window", ""))
        # The browser's input takes a local time without an offset.
        self.initial = {name: f"{timezone.localtime(end):%Y-%m-%dT%H:%M}" for name, end in self._ends}

    @property
    def _ends(self) -> list[tuple[str, datetime]]:
        return [] if isinstance(self.window, str) else list(zip(("from", "to"), self.window, strict=True))

    @property
    def asked(self) -> dict[str, str]:
        if isinstance(self.window, str):
            return {"window": self.window if self.window != DEFAULT_WINDOW else ""}
        return {name: machine_text(end) for name, end in self._ends}

    def _named(self, key: str) -> Window:
        if key and key not in WINDOWS:
            self.problems.append(gettext("There is no window “%(name)s”. Showing 24 hours.") % {"name": key[:20]})
        return key if key in WINDOWS else DEFAULT_WINDOW

    def _range(self, *texts: str) -> Window:
        since, until = (self._moment(text) for text in texts)
        if self.problems:
            return DEFAULT_WINDOW
        since = since or (until or timezone.now()) - DAY
        until = until or since + DAY
        if since >= until:
            self.problems.append(gettext("The range ends before it starts. Showing 24 hours."))
            return DEFAULT_WINDOW
        if until - since > MOST_DAYS * DAY:
            since = until - MOST_DAYS * DAY
            text = ngettext(
                "A range can cover at most %(days)d day. This one starts at %(when)s.",
                "A range can cover at most %(days)d days. This one starts at %(when)s.",
                MOST_DAYS,
            )
            self.problems.append(text % {"days": MOST_DAYS, "when": time_text(since, "full")})
        return since, until

    def _moment(self, text: str) -> datetime | None:
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
            found = timezone.make_aware(found) if found.tzinfo is None else found
            if EARLIEST <= found <= LATEST:
                return found.replace(microsecond=0)
        except (ValueError, OverflowError):
            pass
        wrong = gettext("“%(text)s” is not a date and time. Showing 24 hours.") % {"text": text[:40]}
        self.problems.append(wrong)
        return None


class EventsForm(TableForm):
    """Exact filters. The choices are the values in the window (`facets`), and the value in the URL."""

    def __init__(self, data: QueryDict, *, facets: Mapping[str, Iterable[Figures]]) -> None:
        super().__init__(data, sortable=frozenset())
        del self.fields["sort"]
        for name, label in COLUMNS.items():
            self.fields[name] = forms.CharField(
                label=label,
                required=False,
                max_length=LONGEST_NAME,
                strip=False,
                widget=forms.Select(choices=_choices(facets.get(name, ()), data.get(name, ""))),
                error_messages={
                    "max_length": _("Names have at most %(limit_value)d characters. The filter was ignored.")
                },
            )
        wrong = _("No session has this number. The filter was ignored.")
        self.fields[SESSION] = forms.IntegerField(
            label=_("Session"),
            required=False,
            min_value=-32_768,
            max_value=32_767,
            localize=False,
            error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), wrong),
        )

    @property
    def narrowing(self) -> dict[str, str]:
        names = (*COLUMNS, SESSION)
        return {name: str(value) for name in names if (value := self.values.get(name)) not in (None, "")}


def _choices(values: Iterable[Figures], asked: str) -> list[tuple[str, str]]:
    events = {each.value or NONE: each.events for each in islice(values, MOST_CHOICES)}
    if asked:
        events.setdefault(asked, 0)
    words = {value: value if len(value) <= SHOWN_NAME else f"{value[:SHOWN_NAME]}…" for value in events}
    words[NONE] = pgettext("login event", "(none)")
    named = [(value, f"{words[value]} ({number_text(count)})") for value, count in events.items()]
    return [("", pgettext("login event", "All")), *named]
