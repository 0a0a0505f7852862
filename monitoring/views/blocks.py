"""Pages and their blocks: one way to render, refresh and replace them.

A page is a list of blocks. A block is a template with one root element (`id` = the block's name)
and a function that makes its context. The same block answers in four ways, with the same HTML:

- inside its page, on a full load;
- alone, at its own URL (`monitoring:<name>`);
- alone, when htmx asks the page's URL for it (`HX-Target: live-<name>`: filter, sort, page a table);
- together with the others that changed, when static/js/live.js refreshes the page (`X-Live`).

A refresh sends the version it has. Where nothing changed the answer is 204 without a body; else it
holds only the blocks whose HTML differs from what the browser has.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.generic import View

from monitoring.access import VIEW
from monitoring.collector.on_demand import ensure_fresh
from monitoring.selectors.shared import BeingMade, shared
from monitoring.selectors.snapshot import Current, current
from monitoring.sight import may

logger = logging.getLogger(__name__)

SAME_SECONDS = 60
"""How long the HTML of a block that is the same for all may be shown again."""

_OF_THE_MOMENT = re.compile(r'<time[^>]* data-ticked[^>]*>[^<]*</time>|<input[^>]* name="csrfmiddlewaretoken"[^>]*>')

STAND_IN = secrets.token_urlsafe(24)
"""Stands for the reader's CSRF token in HTML that is kept for all; of this process, so that no data can hold it."""

PREFIX = "live-"
"""The id of a `<live-block>` is this and the block's name: what htmx sends as HX-Target."""


class Permitted(PermissionRequiredMixin):
    """Asks for what monitoring/access.py says that most pages and blocks need, unless a subclass says otherwise."""

    permission_required: ClassVar[tuple[str, ...]] = (VIEW,)
    raise_exception = True

    def has_permission(self) -> bool:
        return may(self.request.user, *self.get_permission_required())


class Block(Permitted, View):
    """One piece of a page. Subclasses set `name`, `template_name`, perhaps `permission_required`,
    and implement `context`. Permission is checked wherever the block is rendered."""

    name: ClassVar[str]
    template_name: ClassVar[str]
    follows_snapshot: ClassVar[bool] = True
    """False: the block also shows what the snapshot does not cover; it is rendered at each refresh."""
    same_for_all: ClassVar[bool] = False
    """True: who may see as much of the data (monitoring/scope.py) sees the same block in that language, zone and
    address, but for `rights` and `stamp`. It is then rendered once per sample, however many look."""
    follows_address: ClassVar[bool] = True
    """False: it is the same on every page, whatever is filtered there, and rendered once for all of them."""
    rights: ClassVar[tuple[str, ...]] = ()
    """Permissions that the HTML depends on, beside those that it takes to see the block."""
    keep_seconds: float = SAME_SECONDS
    """How long the HTML may be shown again. A block whose context tells of a failed reading sets 0."""

    def context(self, current: Current) -> dict[str, Any]:
        """Return the template's variables. `self.request` and `self.kwargs` are set."""
        raise NotImplementedError

    def stamp(self, current: Current) -> str | None:
        """Return what the HTML depends on that the snapshot does not have; None: it is this reader's own."""
        return "" if self.same_for_all and current.snapshot is not None else None

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        state = current()
        other = self.instead(state)
        return _private(HttpResponse(self.render(state))) if other is None else other

    def instead(self, state: Current) -> HttpResponse | None:
        """Return what takes the block's place where it alone is asked for, as Page.instead does for a page."""
        return None

    def render(self, current: Current, *, wait: bool = True) -> SafeString:
        """Return the block inside its `<live-block>` with the etag of its HTML.

        A block that fails becomes a fragment that says so: it never takes the page down.
        Raises BeingMade if another request renders the same block and `wait` is False.
        """
        try:
            stamp = self.stamp(current)
            if stamp is None:
                return self._whole(current)
            html = shared(
                self._key(current, stamp),
                lambda: self._whole(current, csrf_token=STAND_IN),
                fresh=lambda _: self.keep_seconds,
                wait=wait,
            )
            return self._own(html)
        except BeingMade:
            raise
        except Exception:
            logger.exception("block %s failed", self.name)
            failed = render_to_string("components/_block_failed.html", {"name": self.name}, self.request)
            return self._wrapped(current, failed)

    def etag(self, current: Current, html: str) -> str:
        """Return what tells a refresh whether the block changed: of its HTML, unless a block knows better."""
        return _etag(html)

    def _own(self, html: SafeString) -> SafeString:
        """Return what is kept for all as this reader's own: with their token in its forms."""
        if STAND_IN not in html:
            return html
        # A template made the one, the other is letters and digits.
        return SafeString(html.replace(STAND_IN, get_token(self.request)))  # nosec B703

    def _whole(self, current: Current, **more: str) -> SafeString:
        context = {"current": current, "snapshot": current.snapshot, **more, **self.context(current)}
        return self._wrapped(current, render_to_string(self.template_name, context, self.request))

    def _wrapped(self, current: Current, html: str) -> SafeString:
        return format_html(
            '<live-block id="{}{}" name="{}" etag="{}">{}</live-block>',
            PREFIX,
            self.name,
            self.name,
            self.etag(current, html),
            SafeString(html),  # nosec B703 - rendered by a template
        )

    def _key(self, current: Current, stamp: str) -> str:
        parts = (
            _sampled(self.request, current),
            self.request.get_full_path() if self.follows_address else "",
            stamp,
            *(each for each in self.rights if may(self.request.user, each)),
        )
        return f"block:{self.name}:{hashlib.blake2b(chr(10).join(parts).encode(), digest_size=12).hexdigest()}"


class Page(Permitted, View):
    """A page of blocks. Subclasses set `name`, `template_name`, `blocks`; the template places
    each block with `{{ blocks.<name with _ for -> }}`."""

    name: ClassVar[str]
    template_name: ClassVar[str]
    blocks: ClassVar[tuple[type[Block], ...]] = ()

    def context(self, current: Current) -> dict[str, Any]:
        """Return extra variables for the page's own template. Raise Http404 for what does not exist."""
        return {}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        state = ensure_fresh(current())
        if "X-Live" in request.headers:
            version = self.version(state)
            try:
                response = self._unchanged(version)
                if response is None and (other := self.instead(state)) is not None:
                    return other
                response = response or self._refresh(state, version)
            except BeingMade:
                return _private(self._later(state))
            response["X-Live"] = version
        elif (other := self.instead(state)) is not None:
            return other
        elif request.htmx and (block := self._block(request.htmx.target)):  # type: ignore[attr-defined]
            response = HttpResponse(block.render(state))
        else:
            response = self._whole(state)
        return _private(_dated(response, state))

    def instead(self, state: Current) -> HttpResponse | None:
        """Return what takes this page's place for now, where what it is about cannot be read. Raise Http404 for what
        does not exist. Not asked while a refresh finds that nothing changed."""
        return None

    def visible_blocks(self, classes: Iterable[type[Block]] | None = None) -> list[Block]:
        """Return those of this page's blocks (of `classes`) that the user may see, set up for this request."""
        instances = [self._setup(block_class) for block_class in (self.blocks if classes is None else classes)]
        return [block for block in instances if block.has_permission()]

    def version(self, state: Current) -> str:
        """Return what the whole page depends on, as a short text: data, reader, address."""
        request = self.request
        parts = (
            state.version,
            str(state.stale),
            str(state.collecting),
            str(request.user.pk),
            translation.get_language() or "",
            timezone.get_current_timezone_name(),
            request.get_full_path(),
        )
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()

    def _whole(self, state: Current) -> HttpResponse:
        context = self.context(state)
        rendered = {block.name.replace("-", "_"): block.render(state) for block in self.visible_blocks()}
        html = render_to_string(
            self.template_name,
            {
                "current": state,
                "snapshot": state.snapshot,
                "blocks": rendered,
                "page_name": self.name,
                "live_version": self.version(state),
                "live_clock": {"now": state.now.isoformat(), "skew": _skew(state)},
                **context,
            },
            self.request,
        )
        return HttpResponse(html)

    def _unchanged(self, version: str) -> HttpResponse | None:
        """Answer 204 where the browser has this version of the page and all of its blocks, else None.

        It is the answer to nearly every request: no block is set up, let alone rendered.
        """
        if self.request.headers["X-Live"] != version or self._wanted_anyway():
            return None
        return HttpResponse(status=204)

    def _refresh(self, state: Current, version: str) -> HttpResponse:
        """Answer live.js: 204 when nothing changed, else the changed blocks.

        `X-Live` is the version that the browser has; `X-Live-Etags` its blocks, "name=etag,...".
        """
        classes, known = self.blocks, self._known
        if self.request.headers["X-Live"] == version:
            classes = self._wanted_anyway()
        changed = []
        for block in self.visible_blocks(classes):
            html = block.render(state, wait=False)
            if f'etag="{known.get(block.name, "")}"' not in html[:200]:
                changed.append(html)
        return HttpResponse("".join(changed)) if changed else HttpResponse(status=204)

    def _later(self, state: Current) -> HttpResponse:
        """Answer that nothing can be shown yet: somebody else's request renders the new blocks just now.

        After a sample many ask at once, and each that waited would hold a thread: they would keep those waiting who
        want nothing new. The browser keeps what it has, as old as it is, and asks again as usual.
        """
        response = HttpResponse(status=204)
        response["X-Live"] = ""
        return _clocked(response, state)

    @cached_property
    def _known(self) -> dict[str, str]:
        etags = self.request.headers.get("X-Live-Etags", "")
        return dict(pair.split("=", 1) for pair in etags.split(",") if "=" in pair)

    def _wanted_anyway(self) -> tuple[type[Block], ...]:
        """The blocks to look at although the version is the same: they show what it does not cover, or have an empty
        etag, because the browser left part of an older answer aside while text in it was selected."""
        return tuple(each for each in self.blocks if not each.follows_snapshot or self._known.get(each.name) == "")

    def _block(self, name: str | None) -> Block | None:
        name = (name or "").removeprefix(PREFIX)
        return next((block for block in self.visible_blocks() if block.name == name), None)

    def _setup(self, block_class: type[Block]) -> Block:
        block = block_class()
        block.setup(self.request, *self.args, **self.kwargs)
        return block


def _sampled(request: HttpRequest, current: Current) -> str:
    """Return what all shared blocks of a page depend on, put together once in a request."""
    found: dict[tuple[object, ...], str] = request.__dict__.setdefault("_sampled", {})
    parts = (current.version, current.ticked_at, current.stale, current.collecting, translation.get_language())
    if parts not in found:
        found[parts] = "\n".join(map(str, (*parts, timezone.get_current_timezone_name())))
    return found[parts]


def _etag(html: str) -> str:
    """Return the block's etag. How old the figures are is left out: static/js/live.js moves those
    times (`data-ticked`) by itself, also when no block changed. So is the token of a form, which is
    another in every rendering; an older one stays good."""
    return hashlib.blake2b(_OF_THE_MOMENT.sub("", html).encode(), digest_size=8).hexdigest()


def _skew(state: Current) -> float:
    """Return how many seconds the warehouse's clock is ahead of ours: it dates what the blocks show."""
    connections = state.snapshot.connections if state.snapshot else ()
    return next(
        (c.clock_skew_seconds for c in connections if c.alias == "dw" and c.clock_skew_seconds is not None), 0.0
    )


def _dated(response: HttpResponse, state: Current) -> HttpResponse:
    """Say how old the figures are: by both clocks, for static/js/live.js and ages.js."""
    _clocked(response, state)
    if state.sampled_at is not None and state.ticked_at is not None:
        response["X-Sampled-At"] = state.sampled_at.isoformat()
        response["X-Ticked-At"] = state.ticked_at.isoformat()
        response["X-Figures-At"] = (state.figures_seen_at or state.ticked_at).isoformat()
    return response


def _clocked(response: HttpResponse, state: Current) -> HttpResponse:
    response["X-Clock"] = state.now.isoformat()
    response["X-Clock-Skew"] = str(_skew(state))
    return response


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "private, no-store"
    patch_vary_headers(response, ["HX-Request", "HX-Target", "X-Live"])
    return response
