"""What the admin of a table that people only look at has in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from monitoring import scope
from monitoring.admin import columns, raw
from monitoring.admin.addresses import Related, detail_url
from monitoring.admin.exporting import Exporting, row_json
from monitoring.admin.paging import KeyedChangeList
from monitoring.admin.period import parse_key, rows_of
from monitoring.selectors.snapshot import current
from monitoring.warehouse.errors import problem_from
from monitoring.wording.problems import problem_text


def searchable(model: type[Model], names: Iterable[str]) -> list[str]:
    """Return those of the columns in which this reader may look for a text (monitoring/models/fields.py)."""
    sight = scope.sight()
    fields = [(name, model._meta.get_field(name)) for name in names]
    return [name for name, field in fields if not hasattr(field, "searchable") or field.searchable(sight)]


class OfThePortalAdmin(admin.ModelAdmin):
    """A table about the portal as a whole: closed to who sees some pipelines only, for it names the others."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return scope.pipelines() is None and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return scope.pipelines() is None and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return scope.pipelines() is None and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return scope.pipelines() is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return scope.pipelines() is None and super().has_delete_permission(request, obj)


class ReadOnlyAdmin(Exporting, admin.ModelAdmin):
    """Looking only: two pages (list and detail), GET only, every column, nothing that writes."""

    actions = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    hidden_fields: tuple[str, ...] = ()
    replaced_fields: dict[str, Any] = {}
    more_fields: tuple[str, ...] = ()

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        """Return the list and the detail, each as a file too: a table that is only read has no other page."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name=f"{name}_changelist"),
            path("export.<str:kind>", view(self.export), name=f"{name}_export"),
            path("<path:object_id>/change/", view(self.change_view), name=f"{name}_change"),
            path("<path:object_id>/row.json", view(self.row_json), name=f"{name}_json"),
        ]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return self.shown_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return self.shown_fields

    @cached_property
    def shown_fields(self) -> list[Any]:
        """Every column, in the table's order: names, or functions that show them."""
        names = [field.name for field in self.opts.concrete_fields if field.name not in self.hidden_fields]
        shown = [self.replaced_fields.get(name) or columns.detail(self.model, name) for name in names]
        return [*shown, *self.more_fields]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        _only_get(request)
        return self._readable(request, lambda: super(ReadOnlyAdmin, self).changelist_view(request, extra_context))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        _only_get(request)
        return self._readable(
            request, lambda: super(ReadOnlyAdmin, self).change_view(request, object_id, form_url, extra_context)
        )

    def export(self, request: HttpRequest, kind: str) -> HttpResponse:
        _only_get(request)
        return self._readable(request, lambda: self.export_view(request, kind), status=503)

    def row_json(self, request: HttpRequest, object_id: str) -> HttpResponse:
        _only_get(request)
        return self._readable(request, lambda: self.json_view(request, object_id), status=503)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        row = kwargs.get("obj")
        newer, older = self.neighbours(request, row)
        own = {
            "portal_links": [(text, url) for text, url in self.links(request, row) if url],
            "related": self.related(request, row),
            "newer_row": newer,
            "older_row": older,
            "stored": list(raw.stored(row)),
            "json": row_json(row),
            "json_url": "../row.json",
        }
        return super().render_change_form(request, {**context, **own}, *args, **kwargs)

    def links(self, request: HttpRequest, obj: Any) -> list[tuple[Any, str | None]]:
        """Return where to go from here: (words, address or None)."""
        return []

    def related(self, request: HttpRequest, obj: Any) -> list[Related]:
        """Return the small tables to show under the row."""
        return []

    def neighbours(self, request: HttpRequest, obj: Any) -> tuple[str | None, str | None]:
        """Return the addresses of the rows before and after this one in the list, None where there is none."""
        return None, None

    def _readable(self, request: HttpRequest, view: Any, status: int = 200) -> HttpResponse:
        """Answer with the view, or with what is wrong with the database and what to do.

        `status`: of the latter. The portal works, and says what it knows: to a reader of pages that is an answer.
        """
        try:
            response = view()
            return response.render() if hasattr(response, "render") else response
        except Error as error:
            alias = getattr(self.model, "database_alias", "default")
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": _("This table cannot be read now"),
                "words": problem_text(problem_from(error, alias)),
                "current": current(),
            }
            return TemplateResponse(request, "admin/monitoring/unreachable.html", context, status=status).render()


def _only_get(request: HttpRequest) -> None:
    if request.method not in {"GET", "HEAD"}:
        raise PermissionDenied


class KeyedAdmin(ReadOnlyAdmin):
    """The list of a table that grows for ever: paged by key, filtered only inside a period.

    `page_key`: the primary key. `period_model`, `period_at`, `period_key`: the indexed time column
    that turns a period into keys; `period_column`: the listed table's column that those keys bound.
    `run_key`: the indexed column holding a run's number, if any. `search_texts`: the columns that a
    text is looked for in, inside the period only.
    """

    change_list_template = "admin/monitoring/keyed_list.html"
    change_form_template = "admin/monitoring/detail.html"
    show_facets = admin.ShowFacets.ALLOW
    sortable_by = ()
    page_key: str
    period_model: type[Model] | None = None
    period_at: str
    period_key: str
    period_column: str
    run_key: str | None = None
    search_texts: tuple[str, ...] = ()

    @property
    def search_fields(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.page_key, *self.search_texts)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeyedChangeList]:
        return KeyedChangeList

    def period_source(self) -> dict[str, Any]:
        """Return where a period becomes keys (arguments of `key_range`)."""
        return {"rows": rows_of(self.period_model or self.model), "at": self.period_at, "key": self.period_key}

    def neighbours(self, request: HttpRequest, obj: Any) -> tuple[str | None, str | None]:
        """One seek on the key to each side."""
        key, here, rows = self.page_key, getattr(obj, self.page_key), rows_of(self.model)
        newer = rows.filter(**{f"{key}__gt": here}).order_by(key).values_list(key, flat=True)[:1]
        older = rows.filter(**{f"{key}__lt": here}).order_by(f"-{key}").values_list(key, flat=True)[:1]
        found = (next(iter(newer), None), next(iter(older), None))
        return detail_url(request, self.model, found[0]), detail_url(request, self.model, found[1])

    def searched_key(self, term: str) -> int | None:
        """Return the key that the search names ("123" or "#123"), or None for a text."""
        return parse_key(term.strip().removeprefix("#"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = term.strip()
        if not term:
            return queryset, False
        key = self.searched_key(term)
        if key is not None:
            return queryset.filter(**{self.key_column(term): key}), False
        wanted = Q()
        for name in searchable(self.model, self.search_texts):
            wanted |= Q(**{f"{name}__icontains": term})
        return (queryset.filter(wanted) if wanted else queryset.none()), False

    def key_column(self, term: str) -> str:
        """Return the indexed column that a searched number means."""
        return self.page_key
