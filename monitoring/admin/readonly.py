"""Admin of read-only tables: a list and a row's page, GET only, every column, with exports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from etlportal.budget import budget
from monitoring.admin import fields, paging
from monitoring.collector.snapshot import current
from monitoring.warehouse.errors import problem_from
from monitoring.web import export
from monitoring.web.problems import problem_text
from monitoring.web.sheets import MEDIA_TYPES, Sheet

Links = list[tuple[Any, str | None]]
View = Callable[..., Any]


def never(self: admin.ModelAdmin, request: HttpRequest, obj: Model | None = None) -> bool:
    return False


class Related(NamedTuple):
    """A small table under a row. `rows`: (URL or None, name, cells). `note`: the limits of the search."""

    title: Any
    headers: list[Any]
    rows: list[tuple[str | None, str, list[Any]]]
    note: str = ""


def url_or_none(name: str, *args: Any) -> str | None:
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return None


def may_see(request: HttpRequest, model: type[Model]) -> bool:
    return request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def list_url(request: HttpRequest, model: type[Model], **query: Any) -> str | None:
    if not may_see(request, model):
        return None
    return f"{reverse(f'admin:{model._meta.app_label}_{model._meta.model_name}_changelist')}?{urlencode(query)}"


def detail_url(request: HttpRequest, model: type[Model], key: Any) -> str | None:
    if key in (None, "") or not may_see(request, model):
        return None
    return url_or_none(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", quote(key))


def reads(status: int = 200) -> Callable[[View], View]:
    """Refuse anything but a read, and describe a database problem with `status`.

    `status` is 200 for a page, which then shows what the portal knows.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def read(self: ReadOnlyAdmin, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method not in {"GET", "HEAD"}:
                raise PermissionDenied
            try:
                response = view(self, request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse):
                    response.render()
                return response
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

        return read

    return decorate


class ReadOnlyAdmin(admin.ModelAdmin):
    actions = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 1_000
    list_max_show_all = 0
    paginator = paging.UncountedPaginator
    change_list_template = "admin/monitoring/whole_list.html"
    change_form_template = "admin/monitoring/detail.html"
    own_parameters: tuple[str, ...] = ("q", "o")
    hidden_fields: tuple[str, ...] = ()
    more_fields: tuple[str, ...] = ()

    has_add_permission = has_change_permission = has_delete_permission = never

    def get_urls(self) -> list[Any]:
        """Return the URLs of list and row, and their exports. There are no others."""
        name, view = f"{self.opts.app_label}_{self.opts.model_name}", self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name=f"{name}_changelist"),
            path("export.<str:kind>", view(self.export_view), name=f"{name}_export"),
            path("<path:object_id>/change/", view(self.change_view), name=f"{name}_change"),
            path("<path:object_id>/row.json", view(self.json_view), name=f"{name}_json"),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[paging.ReadOnlyChangeList]:
        return paging.ReadOnlyChangeList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [fields.shown(self.model, str(name), cut=True) for name in self.list_display]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return self.shown_fields

    get_readonly_fields = get_fields

    @cached_property
    def shown_fields(self) -> list[Any]:
        names = [field.name for field in fields.fields_of(self.model) if field.name not in self.hidden_fields]
        return [*(fields.shown(self.model, name) for name in names), *self.more_fields]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        return row if row is None else fields.mask_rows([row])[0]

    @reads()
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self.read_parameters(request)
        return super().changelist_view(request, extra_context)

    change_view = reads()(admin.ModelAdmin.change_view)

    @reads(status=503)
    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        self.read_parameters(request)
        if kind not in MEDIA_TYPES:
            raise Http404(f"no export as {kind[:20]}")
        if not self.has_view_permission(request):
            raise PermissionDenied
        return export.send(request, lambda: self._sheet(request, kind), kind)

    @reads(status=503)
    def json_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None:
            raise Http404("no such row")
        return HttpResponse(fields.row_json(row, types=True), content_type="application/json; charset=utf-8")

    def read_parameters(self, request: HttpRequest) -> None:
        """Drop unknown and unreadable parameters from `request.GET`, and report them in messages.

        Django would accept any `?column__contains=x` as a filter and scan the table.
        """
        specs: Any = self.list_filter
        filters = {spec.parameter_name: spec for spec in specs}
        kept = request.GET.copy()
        for name, value in request.GET.items():
            if name in filters and value and filters[name].accepts(str(value)):
                continue
            if name not in self.own_parameters:
                del kept[name]
                if value or name not in filters:
                    self.warn_left_out(request, name)
        request.GET = kept  # type: ignore[assignment]

    def warn_left_out(self, request: HttpRequest, name: str) -> None:
        text = gettext("“%(name)s” is not valid and was ignored.") % {"name": name[:60]}
        messages.warning(request, text)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        row: Any = kwargs.get("obj")
        newer, older = self.neighbours(request, row)
        own = {
            "portal_links": [(text, url) for text, url in self.links(request, row) if url],
            "related": self.related(request, row),
            "newer_row": newer,
            "older_row": older,
            "stored": list(fields.stored(row)),
            "json": fields.row_json(row),
            "json_url": "../row.json",
        }
        return super().render_change_form(request, {**context, **own}, *args, **kwargs)

    def links(self, request: HttpRequest, obj: Any) -> Links:
        return []

    def related(self, request: HttpRequest, obj: Any) -> list[Related]:
        return []

    def neighbours(self, request: HttpRequest, obj: Any) -> tuple[str | None, str | None]:
        return None, None

    def _sheet(self, request: HttpRequest, kind: str) -> Sheet:
        """Return the list's rows with stored values; spreadsheets have no NULL text."""
        columns, null = fields.fields_of(self.model), None if kind == "jsonl" else "NULL"
        with budget(paging.EXPORT_SECONDS, anew=True):
            found = self.get_changelist_instance(request)

        def rows() -> Iterator[list[Any]]:
            for row in found.paginator.all_rows():
                values = (fields.value_of(row, field) for field in columns)
                yield [null if value is None else value for value in values]

        return Sheet(fields.table_name(self.model), [str(field.column) for field in columns], rows(), timezone.now())


class KeyedAdmin(ReadOnlyAdmin):
    """A growing table: paged by primary key, filtered only inside a period.

    `period_at` is the indexed time column that turns a period into keys. If it belongs to another table `period_model`,
    `period_key` is that table's key, an indexed column here too. A number
    is searched in `period_key`, with # or without one in the key; texts in all of `search_fields` but the first.
    """

    change_list_template = "admin/monitoring/keyed_list.html"
    list_per_page = 50
    sortable_by = ()
    own_parameters = ("q", *paging.PLACE)
    period_model: type[Model] | None = None
    period_at: str
    period_key: str = ""

    @property
    def key(self) -> str:
        return str(self.opts.pk.attname)

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return [f"-{self.key}"]

    def read_parameters(self, request: HttpRequest) -> None:
        """Move the cursor from `request.GET` to `request.place`: links to other filters begin at the newest page."""
        super().read_parameters(request)
        request.place, unread = paging.Place.parse(request.GET)  # type: ignore[attr-defined]
        kept = request.GET.copy()
        for name in {*unread, paging.OLDER, paging.NEWER} & kept.keys():
            del kept[name]
        request.GET = kept  # type: ignore[assignment]
        for name in unread:
            self.warn_left_out(request, name)

    def get_paginator(
        self, request: HttpRequest, queryset: QuerySet[Any], per_page: int, *args: Any, **kwargs: Any
    ) -> paging.KeysetPaginator:
        return paging.KeysetPaginator(
            queryset,
            per_page,
            admin=self,
            place=getattr(request, "place", paging.Place()),
            filtered=self.needs_a_period(request),
        )

    def needs_a_period(self, request: HttpRequest) -> bool:
        """Return whether there is a filter or a text search: only the key is indexed."""
        term = request.GET.get("q", "").strip()
        filters: Any = self.list_filter
        names = {spec.parameter_name for spec in filters} - {paging.WINDOW}
        return bool(names & request.GET.keys()) or (bool(term) and paging.parse_key(term.removeprefix("#")) is None)

    def neighbours(self, request: HttpRequest, obj: Any) -> tuple[str | None, str | None]:
        rows = self.model._default_manager.order_by()
        newer = rows.filter(pk__gt=obj.pk).order_by("pk").values_list("pk", flat=True).first()
        older = rows.filter(pk__lt=obj.pk).order_by("-pk").values_list("pk", flat=True).first()
        return detail_url(request, self.model, newer), detail_url(request, self.model, older)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = term.strip()
        if not term:
            return queryset, False
        key = paging.parse_key(term.removeprefix("#"))
        if key is not None:
            of_period = self.period_key and not term.startswith("#")
            return queryset.filter(**{self.period_key if of_period else self.key: key}), False
        wanted = Q()
        for name in fields.searchable(self.model, self.search_fields[1:]):
            wanted |= Q(**{f"{name}__icontains": term})
        return (queryset.filter(wanted) if wanted else queryset.none()), False
