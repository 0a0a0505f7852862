"""A pyodbc for machines on which the real one cannot be loaded: everything is as usual, but nobody connects.

mssql-django refuses to be imported without pyodbc, and then each use of a watched database is another
kind of error than those of a database that does not answer. With this in its place there is one kind:
SQLSTATE IM003, the driver could not be loaded. Once the real one can be, the next connection takes it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from etlportal.backends.sqlserver.odbc import driver_manager_problem


class _Pyodbc(ModuleType):
    """DB-API's names, and a number's name for each of ODBC's numbers."""

    version = "5.0.0"
    pooling = False

    class Error(Exception):
        pass

    class InterfaceError(Error):
        pass

    class DatabaseError(Error):
        pass

    class DataError(DatabaseError):
        pass

    class OperationalError(DatabaseError):
        pass

    class IntegrityError(DatabaseError):
        pass

    class InternalError(DatabaseError):
        pass

    class ProgrammingError(DatabaseError):
        pass

    class NotSupportedError(DatabaseError):
        pass

    def __getattr__(self, name: str) -> str:
        if name.startswith("SQL_"):
            return name
        raise AttributeError(name)

    def connect(self, *args: Any, **kwargs: Any) -> Any:
        try:
            real = importlib.import_module("pyodbc")
        except ImportError as error:
            raise self.InterfaceError("IM003", f"[IM003] {driver_manager_problem() or error} (0)") from None
        real.pooling = False
        # mssql-django keeps hold of this module: from here on its names are the real one's.
        vars(self).update({name: value for name, value in vars(real).items() if not name.startswith("__")})
        return real.connect(*args, **kwargs)


@contextmanager
def stand_in() -> Iterator[None]:
    """Let `import pyodbc` succeed inside this block. Outside it, whoever asks is told the truth."""
    try:
        importlib.import_module("pyodbc")
    except ImportError:
        sys.modules["pyodbc"] = _Pyodbc("pyodbc")
        try:
            yield
        finally:
            del sys.modules["pyodbc"]
    else:
        yield
