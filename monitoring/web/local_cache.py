"""The cache of this process's own memory: what pages may keep for some seconds, at no cost to a database.

Django's default cache is shared by all processes (etlportal/caches.py): for limits, not for pages.
"""

from __future__ import annotations

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.utils.connection import ConnectionProxy

cache: BaseCache = ConnectionProxy(caches, "local")  # type: ignore[assignment]
