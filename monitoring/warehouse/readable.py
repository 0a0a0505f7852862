"""A value of any type of SQL Server as something that the driver carries and a page can show.

The driver fails on sql_variant and on CLR types (geography, hierarchyid, a customer's own); a long text
or document would make a row as long as it is.
"""

from __future__ import annotations

_TEXT = frozenset({"CHAR", "VARCHAR", "NCHAR", "NVARCHAR", "TEXT", "NTEXT", "XML"})
_BINARY = frozenset({"BINARY", "VARBINARY", "IMAGE", "TIMESTAMP", "ROWVERSION"})
_CLR = frozenset({"CLR", "GEOGRAPHY", "GEOMETRY", "HIERARCHYID"})
CARRIED = frozenset(
    {
        *("BIT", "TINYINT", "SMALLINT", "INT", "BIGINT", "DECIMAL", "NUMERIC", "MONEY", "SMALLMONEY", "FLOAT", "REAL"),
        *("DATE", "TIME", "DATETIME", "DATETIME2", "SMALLDATETIME", "UNIQUEIDENTIFIER"),
    }
)
"""Types that the driver carries as they are, and that are never long."""


def readable(name: str, declared: str, *, text: int, binary: int) -> str:
    """Return T-SQL for the column `name` of type `declared`, cut at `text` characters and `binary` bytes."""
    if declared in CARRIED:
        return name
    cut = {
        **dict.fromkeys(_TEXT, f"LEFT(CAST({name} AS NVARCHAR(MAX)), {text})"),
        **dict.fromkeys(_BINARY, f"SUBSTRING(CAST({name} AS VARBINARY(MAX)), 1, {binary})"),
        **dict.fromkeys(_CLR, f"LEFT({name}.ToString(), {text})"),
        "DATETIMEOFFSET": f"CAST({name} AS NVARCHAR(40))",
        # Bytes taken for characters would be no text: they are written in hexadecimal digits.
        "SQL_VARIANT": (
            f"CASE WHEN SQL_VARIANT_PROPERTY({name}, 'BaseType') IN ('binary', 'varbinary', 'timestamp')"
            f" THEN CONVERT(NVARCHAR({text}), CONVERT(VARBINARY({binary}), {name}), 1)"
            f" ELSE TRY_CAST({name} AS NVARCHAR({text})) END"
        ),
    }
    # A type of the future (json, vector): text if the server can make it text, else NULL.
    return cut.get(declared) or f"LEFT(TRY_CAST({name} AS NVARCHAR(MAX)), {text})"
