"""Pages and their blocks: one way to render, refresh and replace them.

A page is a list of blocks. A block is a template with one root element (`id` = the block's name) and a function that
makes its context. The same HTML answers four kinds of request:

- the whole page;
- the block's own address (`monitoring:<name>`);
- htmx asks the page's address for one block (`HX-Target: live-<name>`: filter, sort, page a table);
- htmx refreshes the page (static/js/live.js): the `X-Live` header has the version that the browser shows. The answer
  is 204 without a body if that is still the version, else all blocks and the new version.

Blocks are swapped out of band by idiomorph: see `hx-swap-oob` below.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any, ClassVar

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.generic import View

from monitoring.access import VIEW, may
from monitoring.collector.loop import ensure_fresh
from monitoring.collector.snapshot import Current, current
from monitoring.web.cache import RenderInProgress, cached_once

logger = logging.getLogger(__name__)

PREFIX = "live-"
"""The id of a `<live-block>` is this and the block's name. htmx sends it as HX-Target."""
VERSION_HEADER = "X-Live"


class LiveView(PermissionRequiredMixin, View):
    permission_required: tuple[str, ...] = (VIEW,)
    raise_exception = True

    def has_permission(self) -> bool:
        return may(self.request.user, *self.get_permission_required())

    def version(self, state: Current) -> str:
        """Return a text that changes when anything shown changes. Override it to add what is not in the snapshot."""
        return f"{state.version} {state.stale} {state.collecting}"

    def replacement(self, state: Current) -> HttpResponse | None:
        """Return another response, or None. Not called if the version is the same. May raise Http404."""
        return None

    def digest(self, *parts: object) -> str:
        text = "\n".join(map(str, (translation.get_language(), timezone.get_current_timezone_name(), *parts)))
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class Block(LiveView):
    """One part of a page. The permission is checked wherever the block is rendered."""

    name: ClassVar[str]
    template_name: ClassVar[str]
    same_for_all: ClassVar[bool] = False
    """True: the HTML depends only on the version, the pipeline scope, language, time zone, address and `rights`. It is
    then rendered once for all users and cached. A block with a form (CSRF token) leaves this False."""
    follows_address: ClassVar[bool] = True
    """False: the HTML is the same on every page and with every filter."""
    rights: ClassVar[tuple[str, ...]] = ()
    """Permissions that change the HTML, beside those that it takes to see the block."""
    keep_seconds: float = 60
    """How long the HTML may be cached. A block that could not read something sets 0 while it makes its context."""

    def context(self, current: Current) -> dict[str, Any]:
        """Return the template's variables. `self.request` and `self.kwargs` are set."""
        raise NotImplementedError

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        state = current()
        return self.replacement(state) or _private(HttpResponse(self.render(state)))

    @classmethod
    def as_answer(cls, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Return the response to a POST that htmx sent from the block."""
        block = cls()
        block.setup(request, **kwargs)
        return block.get(request, **kwargs) if block.has_permission() else block.handle_no_permission()

    def render(self, state: Current, *, wait: bool = True) -> SafeString:
        """Return the block inside its `<live-block>`, or a message if the block fails.

        Raises RenderInProgress if `wait` is False and another request renders the same block.
        """
        try:
            if not self.same_for_all or state.snapshot is None:
                return self._rendered(state)
            key = f"block:{self.name}:{self._key(state)}"
            make, fresh = (lambda: self._rendered(state)), (lambda _: self.keep_seconds)
            # Refreshes render one block at a time in a process: short requests would wait for the interpreter's lock.
            return cached_once(key, make, fresh=fresh, wait=wait, lock="" if wait else "block:lock")
        except RenderInProgress:
            raise
        except Exception:
            logger.exception("block %s failed", self.name)
            return self._wrapped(render_to_string("components/_block_failed.html", {"name": self.name}, self.request))

    def _key(self, state: Current) -> str:
        address = self.request.get_full_path() if self.follows_address else ""
        rights = (each for each in self.rights if may(self.request.user, each))
        # `ticked_at` is no part of the version: it is shown, and moved on by the browser while nothing else changes.
        return self.digest(self.version(state), state.ticked_at, address, *rights)

    def _rendered(self, state: Current) -> SafeString:
        context = {"current": state, "snapshot": state.snapshot, **self.context(state)}
        return self._wrapped(render_to_string(self.template_name, context, self.request))

    def _wrapped(self, html: str) -> SafeString:
        return format_html(
            '<live-block id="{0}{1}" name="{1}" hx-swap-oob="morph">{2}</live-block>',
            PREFIX,
            self.name,
            SafeString(html),  # nosec B703 - rendered by a template
        )


class Page(LiveView):
    """A page of blocks. The template places each block with `{{ blocks.<name with _ for -> }}`."""

    name: ClassVar[str]
    template_name: ClassVar[str]
    blocks: ClassVar[tuple[type[Block], ...]] = ()

    def context(self, current: Current) -> dict[str, Any]:
        """Return extra variables for the page's own template. Raise Http404 for what does not exist."""
        return {}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        state = ensure_fresh(current())
        if VERSION_HEADER in request.headers:
            return self._refresh(state)
        if (replacement := self.replacement(state)) is not None:
            return replacement
        block = self._block(request.htmx.target) if request.htmx else None  # type: ignore[attr-defined]
        response = HttpResponse(block.render(state)) if block else self._whole(state)
        return _dated(response, state)

    def visible_blocks(self) -> list[Block]:
        blocks = [block_class() for block_class in self.blocks]
        for block in blocks:
            block.setup(self.request, *self.args, **self.kwargs)
        return [block for block in blocks if block.has_permission()]

    def _refresh(self, state: Current) -> HttpResponse:
        """Return all blocks, or 204 if the browser shows the current version or another request is rendering it.

        After a sample many browsers ask at once. They ask again at their next interval instead of waiting.
        """
        shown, version = self.request.headers[VERSION_HEADER], self._version(state)
        if shown == version:
            return _dated(HttpResponse(status=204), state)
        try:
            if (replacement := self.replacement(state)) is not None:
                return replacement
            html = "".join(block.render(state, wait=False) for block in self.visible_blocks())
        except RenderInProgress:
            return _dated(HttpResponse(status=204), state, sampled=False)
        return _dated(HttpResponse(html, headers={VERSION_HEADER: version}), state)

    def _version(self, state: Current) -> str:
        return self.digest(self.version(state), self.request.user.pk, self.request.get_full_path())

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
                "live_version": self._version(state),
                "live_clock": {"now": state.now.isoformat(), "skew": _skew(state)},
                **context,
            },
            self.request,
        )
        return HttpResponse(html)

    def _block(self, name: str | None) -> Block | None:
        name = (name or "").removeprefix(PREFIX)
        return next((block for block in self.visible_blocks() if block.name == name), None)


def _skew(state: Current) -> float:
    connections = state.snapshot.connections if state.snapshot else ()
    return next(
        (c.clock_skew_seconds for c in connections if c.alias == "dw" and c.clock_skew_seconds is not None), 0.0
    )


def _dated(response: HttpResponse, state: Current, *, sampled: bool = True) -> HttpResponse:
    """Add the age of the figures and both clocks, for static/js/live.js and ages.js."""
    if sampled and state.sampled_at is not None and state.ticked_at is not None:
        response["X-Sampled-At"] = state.sampled_at.isoformat()
        response["X-Ticked-At"] = state.ticked_at.isoformat()
        response["X-Figures-At"] = (state.figures_seen_at or state.ticked_at).isoformat()
    response["X-Clock"] = state.now.isoformat()
    response["X-Clock-Skew"] = str(_skew(state))
    return _private(response)


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "private, no-store"
    patch_vary_headers(response, ["HX-Request", "HX-Target", VERSION_HEADER])
    return response
