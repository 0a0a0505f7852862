"""The database of each model, and the operations that it allows."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from etlportal.databases import WATCHED
from etlportal.guard import WarehouseReadOnly


class WarehouseRouter:
    """Reads each warehouse model from its database, and refuses writes and migrations there.

    The class attribute `database_alias` of a model names its database.
    """

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return getattr(model, "database_alias", None)

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        alias = getattr(model, "database_alias", None)
        if alias is not None:
            raise WarehouseReadOnly(f"{model.__name__} belongs to the ETL: the portal only reads {alias}.")
        return None

    def allow_relation(self, obj1: Model, obj2: Model, **hints: Any) -> bool:
        return getattr(obj1, "database_alias", "default") == getattr(obj2, "database_alias", "default")

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db not in WATCHED
