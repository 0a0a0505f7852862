"""Parsing of driver messages (SQLSTATE, native number, severity, words), and the class of each number.

Handles pyodbc (also wrapped by SQLAlchemy), pymssql, PHP, Management Studio in the server's languages, SqlClient, Java
and Spring. Each pattern is bounded, so that the cost of a message does not depend on its shape.

Sources of the numbers: Microsoft's "Database engine events and errors", the ODBC appendix "ODBC error codes".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitoring.rules.enums import ErrorClass

UNINFORMATIVE = frozenset({0, 3621, 8180, 16945, 20002, 20018})
"""Numbers that only accompany another one: "the statement has been terminated", "could not be prepared"."""

_NUMBERS: dict[ErrorClass, tuple[int, ...]] = {
    ErrorClass.UNIQUE: (2601, 2627, 1505),
    ErrorClass.FOREIGN_KEY: (547, 1785, 3725, 3726, 4712),
    ErrorClass.CHECK: (513, 548, 550),
    ErrorClass.NOT_NULL: (515, 339, 4901),
    ErrorClass.TRUNCATION: (2628, 8152),
    ErrorClass.CONVERSION: (
        206, 220, 232, 235, 241, 242, 244, 245, 248, 257, 260, 281, 289, 292, 293, 294, 295, 296, 298, 402, 517, 518,
        529, 535, 542, 8114, 8115, 8117, 8134, 8169, 9803,
    ),
    ErrorClass.DEADLOCK: (1205,),
    ErrorClass.LOCK_TIMEOUT: (1222,),
    ErrorClass.TIMEOUT: (3617, 8645, 20003),
    ErrorClass.PERMISSION: (
        229, 230, 262, 297, 300, 371, 378, 916, 2104, 2571, 3704, 5011, 8189, 15151, 15247, 15562, 10133,
    ),
    ErrorClass.LOGIN: (
        4060, 4062, 4063, 4064, 18401, 18451, 18452, 18456, 18461, 18462, 18463, 18464, 18465, 18466, 18467, 18468,
        18470, 18471, 18482, 18483, 18486, 18487, 18488, 40532, 40615, 40914,
    ),
    ErrorClass.NETWORK: (
        596, 6005, 10928, 10929, 17142, 17143, 17187, 17197, 20004, 20006, 20009, 20047, 40143, 40166, 40197, 40501,
        40540, 40613, 49918, 49919, 49920, 42108, 42109,
    ),
    ErrorClass.MISSING_OBJECT: (
        195, 208, 261, 267, 351, 911, 942, 945, 1088, 2702, 2706, 2715, 2760, 2812, 3701, 4701, 4902, 15009,
    ),
    ErrorClass.MISSING_COLUMN: (109, 110, 120, 121, 207, 213, 264, 271, 1911, 4104, 4121, 4924),
    ErrorClass.SPACE: (1101, 1104, 1105, 1121, 1132, 1827, 3257, 3958, 3966, 3967, 5149, 40544),
    ErrorClass.LOG_FULL: (9002, 40552),
}  # fmt: skip
BY_NATIVE: dict[int, ErrorClass] = {
    number: error_class for error_class, numbers in _NUMBERS.items() for number in numbers
}
"""The server's numbers (sys.messages), and DB-Library's of 20000 and more."""

BY_DRIVER: dict[int, ErrorClass] = {
    **dict.fromkeys((-2, 258), ErrorClass.TIMEOUT),
    **dict.fromkeys(
        (2, 5, 17, 26, 40, 53, 64, 121, 233, 1225, 1236, 10053, 10054, 10060, 10061, 11001, -2146893019, -2146893022),
        ErrorClass.NETWORK,
    ),
}
"""Numbers of the client's operating system, where the driver reports them: 121 is a network timeout there, but a
list of columns that is too short on the server."""

_LEVELS: dict[int, tuple[int, ...]] = {
    11: (4060,),
    13: (1205,),
    14: (229, 230, 300, 2104, 2601, 2627, 18452, 18456, 18470, 18486, 18487, 18488),
    15: (109, 110),
    16: (
        206, 207, 208, 213, 220, 232, 235, 241, 242, 244, 245, 248, 257, 260, 264, 271, 281, 289, 292, 293, 294, 295,
        296, 297, 298, 513, 515, 517, 518, 529, 535, 542, 544, 547, 548, 550, 911, 1222, 2628, 2812, 4104, 8114, 8115,
        8134, 8152,
    ),
    17: (1101, 1104, 1105, 1121, 1132, 9002),
}  # fmt: skip
LEVELS: dict[int, int] = {number: level for level, numbers in _LEVELS.items() for number in numbers}
"""Documented severities: the driver's text does not contain them."""

_STATES: dict[ErrorClass, tuple[str, ...]] = {
    ErrorClass.UNIQUE: ("23505",),
    ErrorClass.NOT_NULL: ("22002",),
    ErrorClass.TRUNCATION: ("22001",),
    ErrorClass.CONVERSION: ("22003", "22007", "22008", "22012", "22018"),
    ErrorClass.DEADLOCK: ("40001",),
    ErrorClass.TIMEOUT: ("HYT00",),
    ErrorClass.LOGIN: ("28000",),
    ErrorClass.NETWORK: ("08", "HYT01"),
    ErrorClass.MISSING_OBJECT: ("42S02", "S0002"),
    ErrorClass.MISSING_COLUMN: ("42S22", "S0022"),
    ErrorClass.DRIVER: ("07", "IM", "HYC00", "HY010", "HY090", "HY104"),
}
BY_SQLSTATE: dict[str, ErrorClass] = {state: error_class for error_class, states in _STATES.items() for state in states}
"""A state is looked up whole, then by its first two characters. 23000 and 42000 are missing because they are
ambiguous: unique, foreign key, check and null share the one, most of the rest the other."""

BY_EXCEPTION: tuple[tuple[re.Pattern[str], ErrorClass], ...] = (
    (re.compile(r"Dimension|Lookup(?!Error$)"), ErrorClass.MISSING_DIMENSION_ROW),
    (re.compile(r"Config|Settings|ImproperlyConfigured|^EnvironmentError$"), ErrorClass.CONFIGURATION),
    (re.compile(r"^(?:ModuleNotFoundError|ImportError)$"), ErrorClass.CONFIGURATION),
    (re.compile(r"^Timeout|Timeout(?:Error|Expired)?$"), ErrorClass.TIMEOUT),
    (re.compile(r"^Connection(?:Refused|Reset|Aborted)?Error$|^BrokenPipeError$"), ErrorClass.NETWORK),
)

_I = re.IGNORECASE
BY_WORDS: tuple[tuple[re.Pattern[str], ErrorClass], ...] = tuple(
    (re.compile(pattern, flags), error_class)
    for pattern, error_class, flags in (
        (r"\bUNIQUE KEY\b|\bPRIMARY KEY\b|\bduplicate key\b|\bUNIQUE constraint failed\b", ErrorClass.UNIQUE, 0),
        (r"\bFOREIGN KEY\b|\bREFERENCE constraint\b", ErrorClass.FOREIGN_KEY, 0),
        (r"\bCHECK constraint\b", ErrorClass.CHECK, 0),
        (r"\bvalue NULL\b|\bvalor NULL\b|\bNOT NULL constraint\b", ErrorClass.NOT_NULL, 0),
        (r"\bString or binary data would be truncated\b|\bdados binários\b.*\btruncad", ErrorClass.TRUNCATION, _I),
        (r"\bwas deadlocked on\b", ErrorClass.DEADLOCK, _I),
        (r"\bLock request time ?out\b", ErrorClass.LOCK_TIMEOUT, _I),
        (r"\b(?:Query|Login) timeout expired\b|\btimed out\b", ErrorClass.TIMEOUT, _I),
        (r"\bLogin failed\b", ErrorClass.LOGIN, _I),
        (r"\bCommunication link failure\b", ErrorClass.NETWORK, _I),
        (r"\bpermission was denied\b", ErrorClass.PERMISSION, _I),
        (r"\bInvalid object name\b|\bno such table\b", ErrorClass.MISSING_OBJECT, _I),
        (r"\bInvalid column name\b|\bno such column\b", ErrorClass.MISSING_COLUMN, _I),
        (r"\b(?:Error converting data type|Conversion failed)\b", ErrorClass.CONVERSION, _I),
        (r"\btransaction log for database\b.*\bfull\b", ErrorClass.LOG_FULL, _I),
        (r"\bcould not allocate\b|\bno space left\b", ErrorClass.SPACE, _I),
        (r"\bCan't open lib\b|\bdata source name not found\b", ErrorClass.DRIVER, _I),
        (r"\bdimension row\b|\bno (?:current )?row (?:found )?in dim\b|\bsem linha em dim\b",
         ErrorClass.MISSING_DIMENSION_ROW, _I),
        (r"\benvironment variable\b|\bnot configured\b", ErrorClass.CONFIGURATION, _I),
    )
)  # fmt: skip
"""Phrases, used only without a known number, state or exception. Quoted names are removed before the search."""

NAMES: dict[int, tuple[str, ...]] = {
    **dict.fromkeys(
        (208, 262, 300, 544, 911, 1088, 1101, 1105, 2760, 2812, 3701, 4060, 4701, 4712, 4902, 9002, 15151), ("object",)
    ),
    **dict.fromkeys((207, 264, 271, 4104), ("column",)),
    **dict.fromkeys((245, 248), ("key",)),
    229: ("object", "", "schema"),
    230: ("column", "object", "", "schema"),
    515: ("column", "object"),
    547: ("constraint", "", "object", "column"),
    916: ("", "object"),
    1505: ("object", "constraint"),
    2601: ("object", "constraint"),
    2627: ("constraint", "object"),
    2628: ("object", "column", "key"),
    4924: ("column", "object"),
}
"""What the quoted names of a message are, in their English order (error_text.py restores it in other languages)."""

OPEN_ENDED = frozenset({2601, 2627, 1505})
"""Messages that end in the key's values, in parentheses."""

_EXCEPTION = re.compile(r"^\s*(?:[A-Za-z_]\w*\.)*([A-Z]\w*|\w+(?:error|exception))(?:\s*:\s+(?=\S)|(?=\())")
_WRAPPED_IN = re.compile(r"^\((?:[A-Za-z_]\w*\.){1,5}[A-Za-z_]\w*\)\s+")
_STATEMENT = re.compile(r"(?:\n|\\n)\[(?:SQL|parameters): |(?:\n|\\n)\(Background on this error at: ")
_TUPLE = re.compile(r"^\(\s*(?:'[0-9A-Z]{5}'|-?\d{1,10})\s*,\s*b?(?P<quote>['\"])")
_ODBC_PART = re.compile(r";\s+(?=\[[0-9A-Z]{5}\]\s*\[)")
_VENDOR = (
    r"\[(?:Microsoft|unixODBC|iODBC|FreeTDS|DBNETLIB|DBMSLPCN|SQL Server[^\[\]]{0,60}"
    r"|[^\[\]]{0,60}(?:Driver|Client|Provider)[^\[\]]{0,60})\]"
)
_ODBC_HEAD = re.compile(rf"(?:SQLSTATE)?\[(?P<state>[0-9A-Z]{{5}})\]:?\s*(?:{_VENDOR}\s*){{0,6}}")
_ODBC_TAIL = re.compile(r"(?:\((?P<number>-?\d{1,10})\))?(?: ?\((?P<function>SQL\w{1,40})\))?$")
_TAIL_LENGTH = 60
_SERVER = "[SQL Server]"
_PRINTED = re.compile(
    r"\b(?:Msg|Mens\.|Mensagem|mensaje|Meldung|Messaggio)\s+(?P<number>\d{1,6}),\s*"
    r"(?:Level|N[íi]vel|Nivel|Ebene|Niveau|Livello)\s+(?P<level>\d{1,2})[^\n]{0,300}\n?",
    re.IGNORECASE,
)
_NUMBER_SHAPES = (
    re.compile(r"^\((?P<number>\d{2,6}),\s*b?['\"]"),
    re.compile(r"\bError Number:\s*(?P<number>\d{1,6}),\s*State:\s*\d{1,3},\s*Class:\s*(?P<level>\d{1,2})\b"),
    re.compile(r"\bSQL Error:\s*(?P<number>\d{1,6}),\s*SQLState:\s*(?P<state>[0-9A-Z]{5})\b"),
    re.compile(r"\bSQL state \[(?P<state>[0-9A-Z]{5})\]; error code \[(?P<number>\d{1,6})\]"),
    re.compile(r"\bSQL Server error:?\s+(?P<number>\d{2,6})\b", re.IGNORECASE),
    re.compile(r"\(Microsoft SQL Server, Err(?:or|o)[:.]\s*(?P<number>\d{2,6})\)", re.IGNORECASE),
)
_DB_LIBRARY = re.compile(r"DB-Lib error message (?P<number>\d{1,6}), severity (?P<level>\d{1,2}):?")
_TRAILERS = re.compile(
    r"DB-Lib error message \d{1,6}, severity|\s*ClientConnectionId:|\r?\n\s+at [A-Za-z_][\w.]{0,200}\("
)
"""Start of the client's text: DB-Library's message, Java's, a stack trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One diagnostic. `server`: the server wrote it, so its number is one of sys.messages.

    `severity` is the text's own, else the documented one of a known number.
    """

    words: str
    sqlstate: str = ""
    native: int | None = None
    function: str = ""
    severity: int | None = None
    server: bool = False


def read(text: str) -> tuple[str, list[Part]]:
    """Return the exception's type (or "") and at least one diagnostic."""
    found = _EXCEPTION.match(text[:300])
    body = text[found.end() :] if found else text
    body = without_statement(_WRAPPED_IN.sub("", body, count=1))
    number, state, level = _numbered(body)
    pieces = _ODBC_PART.split(_unwrapped(body))
    return found.group(1) if found else "", [_part(piece, number, state, level) for piece in pieces]


def without_statement(text: str) -> str:
    return _STATEMENT.split(text, maxsplit=1)[0]


def _numbered(body: str) -> tuple[int | None, str, int | None]:
    """Return number, SQLSTATE and severity of a text that carries them outside of ODBC's shape."""
    printed = _PRINTED.search(body) or next((hit for each in _NUMBER_SHAPES if (hit := each.search(body))), None)
    found: dict[str, str | None] = {}
    for hit in (_DB_LIBRARY.search(body), printed):
        found |= {name: text for name, text in hit.groupdict().items() if text} if hit else {}
    number, level = found.get("number"), found.get("level")
    return int(number) if number else None, found.get("state") or "", int(level) if level else None


def _unwrapped(body: str) -> str:
    """Return the text inside a Python tuple `('23000', "...")`, whose end may be cut off."""
    wrapping = _TUPLE.match(body)
    if wrapping is None:
        return body
    quote = wrapping.group("quote")
    inner = re.sub(rf"{quote},?\)$", "", body[wrapping.end() :].rstrip())
    return inner.replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"').replace("\\\\", "\\").strip()


def _part(piece: str, number: int | None, state: str, level: int | None) -> Part:
    piece = piece.strip()
    head = _ODBC_HEAD.match(piece)
    if head is None:
        words = _own_words(_PRINTED.sub("", piece, count=1))
        severity = LEVELS.get(number or 0) if level is None else level
        return Part(words=words, native=number, sqlstate=state, severity=severity, server=True)
    rest = piece[head.end() :]
    # Only the end is searched: a whole message of blanks must not cost a quadratic search.
    tail = _ODBC_TAIL.search(rest[-_TAIL_LENGTH:])
    number_text = tail["number"] if tail else None
    native = int(number_text or 0) or None  # the driver writes 0 where the server sent no number
    server = head.group().rstrip().endswith(_SERVER)
    return Part(
        words=_own_words(rest[: len(rest) - len(tail.group() if tail else "")]),
        sqlstate=head.group("state"),
        native=native,
        function=(tail["function"] if tail else "") or "",
        severity=LEVELS.get(native or 0) if level is None and server else level,
        server=server,
    )


def _own_words(words: str) -> str:
    """Remove the client's text, unless nothing else is left."""
    found = _TRAILERS.search(words)
    return (words[: found.start()].strip() if found else "") or words.strip()
