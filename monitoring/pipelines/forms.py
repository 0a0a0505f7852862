"""What a reader may ask of one pipeline's executions through the URL."""

from __future__ import annotations

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import ExecutionStatus
from monitoring.web.filters import TableForm
from monitoring.web.parts import sign_of


def execution_status_choices() -> list[tuple[str, str]]:
    """Return every execution status with its word in the reader's language."""
    return [(status.value, str(sign_of(status).word)) for status in ExecutionStatus]


class ExecutionsForm(TableForm):
    """The executions of one pipeline: by status."""

    status = forms.MultipleChoiceField(
        label=_("Status"),
        required=False,
        choices=lazy(execution_status_choices, list)(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("There is no status “%(value)s”: all statuses are shown.")},
    )

    @property
    def statuses(self) -> list[ExecutionStatus]:
        """The statuses that were asked for and exist."""
        return [ExecutionStatus(value) for value in self.values.get("status", [])]
