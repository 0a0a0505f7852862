"""What a reader may ask of the login events through the URL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from monitoring.filters import TableForm
from monitoring.selectors.connections import NONE, EventFilter, Facet
from monitoring.templatetags.formats import number_text

MOST_CHOICES = 100
LONGEST_NAME = 256
SHOWN_NAME = 60
PLACES = ("after", "before")
"""Where in the list a page begins: another filter begins at the newest event again."""


class EventsForm(TableForm):
    """The login events: the exact values of login, host, program, database and session status.

    The choices are what occurs in the window (`facets`: column to values with their events), so that
    no table is read to find them; a value of the address that does not occur stays choosable.
    """

    LABELS = {
        "login_name": _("Login"),
        "host_name": _("Host"),
        "program_name": _("Program"),
        "database_name": _("Database"),
        "status": _("Session status"),
    }

    def __init__(self, data: QueryDict, *, facets: Mapping[str, Iterable[Facet]], **kwargs: Any) -> None:
        super().__init__(data, sortable=frozenset(), **kwargs)
        del self.fields["sort"]
        for name, label in self.LABELS.items():
            values = [(facet.value, facet.events) for facet in facets.get(name, ())][:MOST_CHOICES]
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

    def others(self, data: QueryDict) -> list[tuple[str, str]]:
        return [(name, value) for name, value in super().others(data) if name not in PLACES]

    @property
    def narrowing(self) -> dict[str, str]:
        """The columns and the values that the table is narrowed to."""
        return {name: value for name in self.LABELS if (value := self.values.get(name, ""))}

    @property
    def wanted(self) -> EventFilter:
        """What was asked for and could be used."""
        return EventFilter(**self.narrowing)


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
