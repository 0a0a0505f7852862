"""What a reader may ask of the login events through the URL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from monitoring.connections.queries import DEFAULT_WINDOW, MOST_DAYS, NONE, WINDOWS, EventFilter, Window
from monitoring.connections.texts import COLUMNS
from monitoring.rules.sessions import Figures
from monitoring.web.audit_links import utc_stamp
from monitoring.web.filters import TableForm
from monitoring.web.formats import number_text, time_text

MOST_CHOICES = 100
LONGEST_NAME = 256
SHOWN_NAME = 60
SESSION = "session_id"
PLACES = ("after", "before")
"""Where in the list a page begins: another filter begins at the newest event again."""
DAY = timedelta(days=1)
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


# Nobody changes them: each refresh would make its own else.
_ENDS = {
    name: forms.CharField(label=label, required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    for name, label in (("from", _("From")), ("to", _("Until")))
}


class WindowForm(forms.Form):
    """Which window: one of WINDOWS that ends now, or a range from `from` to `to`.

    A time without an offset is the reader's own. With one end only, the range is a day. What cannot be
    used is said in `problems`, and the usual window is shown.
    """

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, label_suffix="")
        self.use_required_attribute = False
        self.problems: list[str] = []
        self.fields.update(_ENDS)
        self.window = self._window()
        if self.window.since is not None:
            # The input takes the reader's own time without an offset, whatever the address has.
            ends = {"from": self.window.since, "to": self.window.until}
            self.data = {name: timezone.localtime(end).strftime("%Y-%m-%dT%H:%M") for name, end in ends.items() if end}
        else:
            self.data = {}

    @property
    def asked(self) -> dict[str, str]:
        """The part of an address that asks for this window."""
        if self.window.since is None or self.window.until is None:
            return {"window": self.window.key if self.window.key != DEFAULT_WINDOW else ""}
        return {"from": utc_stamp(self.window.since), "to": utc_stamp(self.window.until)}

    def _window(self) -> Window:
        texts = [self.data.get(name, "").strip() for name in ("from", "to")]
        if not any(texts):
            key = self.data.get("window", "")
            if key and key not in WINDOWS:
                self.problems.append(gettext("There is no window “%(name)s”: 24 hours are shown.") % {"name": key[:20]})
            return Window(key=key if key in WINDOWS else DEFAULT_WINDOW)
        since, until = (self._moment(text) for text in texts)
        if self.problems:
            return Window()
        since = since or (until or timezone.now()) - DAY
        until = until or since + DAY
        if since >= until:
            self.problems.append(gettext("The range ends before it begins: 24 hours are shown."))
            return Window()
        if until - since > MOST_DAYS * DAY:
            since = until - MOST_DAYS * DAY
            text = ngettext(
                "A range has at most %(days)d day: it begins at %(when)s here.",
                "A range has at most %(days)d days: it begins at %(when)s here.",
                MOST_DAYS,
            )
            self.problems.append(text % {"days": MOST_DAYS, "when": time_text(since, "full")})
        return Window(since=since, until=until)

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
        wrong = gettext("“%(text)s” is no date and time: 24 hours are shown.") % {"text": text[:40]}
        self.problems.append(wrong)
        return None


class EventsForm(TableForm):
    """The login events: the exact values of login, host, program, database, session status and the like.

    The choices are what occurs in the window (`facets`: column to values with their events), so that
    no table is read to find them; a value of the address that does not occur stays choosable.
    """

    LABELS = COLUMNS

    def __init__(self, data: QueryDict, *, facets: Mapping[str, Iterable[Figures]], **kwargs: Any) -> None:
        super().__init__(data, sortable=frozenset(), **kwargs)
        del self.fields["sort"]
        for name, label in self.LABELS.items():
            values = [(each.value or NONE, each.events) for each in facets.get(name, ())][:MOST_CHOICES]
            asked = data.get(name, "")
            if asked and asked not in dict(values):
                values.append((asked, 0))
            self.fields[name] = forms.CharField(
                label=label,
                required=False,
                max_length=LONGEST_NAME,
                strip=False,
                widget=forms.Select(choices=_choices(values)),
                error_messages={"max_length": _("No name has more than %(limit_value)d characters: it is not used.")},
            )
        self.fields[SESSION] = forms.IntegerField(
            label=_("Session"),
            required=False,
            min_value=-32_768,
            max_value=32_767,
            localize=False,
            error_messages=dict.fromkeys(
                ("invalid", "min_value", "max_value"), _("No session has this number: it is not used.")
            ),
        )

    def others(self, data: QueryDict) -> list[tuple[str, str]]:
        return [(name, value) for name, value in super().others(data) if name not in PLACES]

    @property
    def narrowing(self) -> dict[str, str]:
        """The columns and the values that the table is narrowed to."""
        session = self.values.get(SESSION)
        found = {name: value for name in self.LABELS if (value := self.values.get(name, ""))}
        return found if session is None else {**found, SESSION: str(session)}

    @property
    def wanted(self) -> EventFilter:
        """What was asked for and could be used."""
        columns = {name: value for name, value in self.narrowing.items() if name != SESSION}
        return EventFilter(**columns, session_id=self.values.get(SESSION))


def _choices(values: Iterable[tuple[str, int]]) -> list[tuple[str, str]]:
    words = {NONE: pgettext("login event", "(none)")}
    named = [(value, words.get(value, value), number_text(events)) for value, events in values]
    return [
        ("", pgettext("login event", "All")),
        *(
            (value, f"{text if len(text) <= SHOWN_NAME else text[:SHOWN_NAME] + '…'} ({count})")
            for value, text, count in named
        ),
    ]
