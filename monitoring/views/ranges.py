"""How far back trends reach, in words."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

RANGE_LABELS = {
    "24h": _("24 hours"),
    "7d": _("7 days"),
    "30d": _("30 days"),
    "1y": _("1 year"),
    "5y": _("5 years"),
}
