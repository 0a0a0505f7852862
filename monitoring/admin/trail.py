"""The trail in the admin: what people did, by period, action, outcome, user, address and object."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from monitoring import wording
from monitoring.admin.columns import key, moment
from monitoring.admin.filters import KnownFilter, WindowFilter
from monitoring.admin.readonly import KeyedAdmin, OfThePortalAdmin
from monitoring.enums import TrailAction, TrailOutcome
from monitoring.models import TrailEntry


class _CodeFilter(KnownFilter):
    """One of a vocabulary's codes, in the reader's words."""

    vocabulary: type[TrailAction] | type[TrailOutcome]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(code.value, wording.label(code)) for code in self.vocabulary]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(**{self.parameter_name: value})


class ActionFilter(_CodeFilter):
    title, parameter_name, vocabulary = _("action"), "action", TrailAction
    column = "action"


class OutcomeFilter(_CodeFilter):
    title, parameter_name, vocabulary = _("outcome"), "outcome", TrailOutcome
    column = "outcome"


@admin.register(TrailEntry)
class TrailEntryAdmin(KeyedAdmin, OfThePortalAdmin):
    page_key = period_key = period_column = "id"
    period_at = "at"
    number = key("id")
    list_display = (number, moment("at"), "user_name", "address", "action_words", "object", "outcome_words")
    list_display_links = (number,)
    list_filter = (WindowFilter, ActionFilter, OutcomeFilter)
    search_texts = ("user_name", "address", "object")
    search_help_text = _("An entry's number; or a user, address or object within the period (7 days unless chosen).")
    hidden_fields = ("action", "outcome", "detail")
    more_fields = ("action_words", "outcome_words", "detail_json")

    @admin.display(description=_("action"))
    def action_words(self, row: TrailEntry) -> Any:
        return wording.label(TrailAction(row.action)) if row.action in set(TrailAction) else row.action

    @admin.display(description=_("outcome"))
    def outcome_words(self, row: TrailEntry) -> Any:
        return wording.label(TrailOutcome(row.outcome)) if row.outcome in set(TrailOutcome) else row.outcome

    @admin.display(description=_("detail"))
    def detail_json(self, row: TrailEntry) -> str:
        return json.dumps(row.detail, ensure_ascii=False, sort_keys=True)
