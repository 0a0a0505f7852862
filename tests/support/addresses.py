"""The portal's addresses, read from the URL configuration, so that new pages and blocks are included."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from monitoring.web.blocks import Block, Page


def _patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from _patterns(entry, f"{entry.namespace}:" if entry.namespace else prefix)
        elif entry.name:
            yield f"{prefix}{entry.name}", entry


ADDRESSES = {name: pattern for name, pattern in _patterns(get_resolver()) if name.startswith("monitoring:")}
"""Patterns by name, "monitoring:summary" and so on."""


def _of(kind: type[Page] | type[Block]) -> list[str]:
    return sorted(
        name for name, each in ADDRESSES.items() if issubclass(getattr(each.callback, "view_class", object), kind)
    )


PAGES, BLOCKS = _of(Page), _of(Block)
