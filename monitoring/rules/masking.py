"""Masking of personal data. It keeps what helps to find a fault: NULL, lengths, last characters, domains."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

BULLET = "•"
CLOSED = BULLET * 3
"""For values that their length would reveal, such as gender."""


class Kind(Enum):
    EMAIL = "email"
    NUMBER = "number"  # phones, documents, postal codes: the last two stay
    TEXT = "text"  # names, addresses: only the shape stays
    CLOSED = "closed"  # few possible values: nothing stays


# fmt: off
_WORDS = {
    Kind.EMAIL: {"email", "mail", "correio"},
    Kind.NUMBER: {
        "phone", "telephone", "telefone", "tel", "mobile", "celular", "cell", "fax", "whatsapp", "cpf", "cnpj", "rg",
        "cnh", "pis", "passport", "passaporte", "ssn", "document", "documento", "zip", "zipcode", "cep", "postal",
        "postcode", "iban", "pix", "card", "cartao",
    },
    Kind.CLOSED: {
        "birth", "birthday", "birthdate", "dob", "nascimento", "gender", "genero", "sex", "sexo", "race", "raca",
        "religion", "religiao", "salary", "salario", "password", "senha", "token", "secret", "ip",
    },
    Kind.TEXT: {
        "address", "endereco", "street", "rua", "logradouro", "bairro", "district", "neighborhood", "neighbourhood",
        "complement", "complemento", "fullname", "firstname", "lastname", "surname", "sobrenome", "username",
        "latitude", "longitude",
    },
}
"""Words in the names of columns with personal data, in the order in which they decide."""
_PEOPLE = {
    "full", "first", "last", "middle", "maiden", "mother", "father", "spouse", "customer", "client", "cliente",
    "seller", "vendedor", "person", "pessoa", "people", "contact", "contato", "employee", "funcionario", "user",
    "usuario", "owner", "manager", "gerente", "mae", "pai", "completo", "social",
}
# fmt: on
"""A name is personal beside one of these words: customer_name is, product_name is not."""

_PERSON_TABLES = re.compile(
    r"customer|client|seller|vendedor|person|people|pessoa|employee|funcionario|user|usuario|contact|contato", re.I
)
_PAIRS = (
    ({"credit", "score"}, Kind.CLOSED),
    ({"score", "credito"}, Kind.CLOSED),
    ({"bank", "account"}, Kind.NUMBER),
    ({"conta", "bancaria"}, Kind.NUMBER),
)
_VISIBLE = frozenset(string.punctuation + string.whitespace)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def kind_of(column: str, table: str = "", extra: Iterable[str] = ()) -> Kind | None:
    """Return None if not personal. A bare `name` is personal if `table` is about people. `extra`: from the settings."""
    plain = _plain(column)
    words = frozenset(re.split(r"[^a-z0-9]+|(?<=[a-z])(?=\d)", plain)) - {""}
    for kind, known in _WORDS.items():
        if words & known:
            return kind
    for pair, kind in _PAIRS:
        if pair <= words:
            return kind
    if words & {"name", "nome"} and (words & _PEOPLE or (len(words) == 1 and _PERSON_TABLES.search(table))):
        return Kind.TEXT
    if plain in {_plain(name) for name in extra}:
        return Kind.TEXT
    return None


def mask(value: object, kind: Kind) -> str | None:
    """Return the masked value. None (NULL) and the empty text stay: they help to find a fault."""
    if value is None:
        return None
    if kind is Kind.CLOSED or isinstance(value, bool | bytes | bytearray | memoryview | date):
        return CLOSED
    text = str(value)
    if kind is Kind.NUMBER:
        return _all_but_last_two(text, str.isalnum)
    if kind is Kind.EMAIL and "@" in text:  # without an @: a name or a phone number typed into the wrong field
        name, _, domain = text.rpartition("@")
        return f"{_shape(name)}@{domain}"
    return _shape(text)


def _all_but_last_two(text: str, secret: Callable[[str], bool]) -> str:
    """Hide all secret characters but the last two; all of them where there are fewer than six."""
    secrets = [index for index, character in enumerate(text) if secret(character)]
    hidden = set(secrets[:-2] if len(secrets) >= 6 else secrets)
    return "".join(BULLET if index in hidden else character for index, character in enumerate(text))


def _shape(text: str) -> str:
    """Replace all but blanks and ASCII punctuation: the length and a stray character stay visible."""
    return "".join(character if character in _VISIBLE else BULLET for character in text)


def _plain(name: str) -> str:
    return without_accents(_CAMEL.sub("_", name.strip())).lower()


def without_accents(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))


# Values that an error message quotes from a row.

_NUMBER_OR_DATE = re.compile(
    r"-?\d{1,8}(?:[.,]\d{1,4})?|"
    r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?)?|"
    r"[A-Z][a-z]{2} {1,2}\d{1,2} \d{4} {1,2}\d{1,2}:\d{2}[AP]M",
    re.IGNORECASE,
)
_NOT_PERSONAL = re.compile(r"<?NULL>?|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_KEYS = frozenset({"pk", "original", "id", "ids", "key", "sk", "nk", "bk", "code", "codigo", "chave", "guid", "uuid"})
"""A constraint with one of these words in its name is about what names a row (the contract: x_original_id)."""
_DIGITS = re.compile(r"[\d .()/+-]{6,}")


def mask_quoted(value: str, column: str = "", table: str = "", constraint: str = "") -> str:
    """Return a quoted key (its values separated by ", ") or value, masked.

    Short whole numbers and dates stay only if they identify a row: `column` is known, or `constraint` is on key
    columns. Otherwise they may be a score or a birthday. GUIDs and NULL always stay (docs/adr/0009).
    """
    name = column or constraint
    kind = kind_of(name, table) if name else None
    if kind is not None:
        return mask(value, kind) or ""
    known = bool(column or _KEYS & set(re.split(r"[^a-z]+", _CAMEL.sub("_", constraint).lower())))
    return ", ".join(_mask_part(part, known) for part in value.split(", "))


def _mask_part(value: str, known: bool) -> str:
    plain = value.strip()
    if not plain or _NOT_PERSONAL.fullmatch(plain):
        return value
    if _NUMBER_OR_DATE.fullmatch(plain):
        return value if known else mask(value, Kind.TEXT) or ""
    if "@" in plain:
        return mask(value, Kind.EMAIL) or ""
    return mask(value, Kind.NUMBER if _DIGITS.fullmatch(plain) else Kind.TEXT) or ""


# Logins, hosts and addresses, which only readers of the connection audit may see.

_QUOTE = r"(?P<open>['\"“«])(?P<value>[^'\"”»]{1,300})(?=['\"”»])"
_LOGIN_WORDS = r"user|users|login|logon|principal|account|usu[aá]rio|utilizador|conta|inicio de sesi[oó]n"
_HOST_WORDS = r"server|host|workstation|client|servidor|m[aá]quina|cliente"
_VALUE_WORDS = r"value|values|valor|valores"
_NAMED = r"(?:\s+(?:name|nome|nombre))?\s*[:=]?\s*"
_QUOTED_LOGIN = re.compile(rf"\b(?:{_LOGIN_WORDS})\b{_NAMED}{_QUOTE}", re.IGNORECASE)
_QUOTED = re.compile(rf"\b(?:{_HOST_WORDS}|{_VALUE_WORDS})\b{_NAMED}{_QUOTE}", re.IGNORECASE)
_VALUE_OF_TYPE = re.compile(rf"\b(?:varchar|nvarchar|char|nchar)\s+(?:value|valor)\s*{_QUOTE}", re.IGNORECASE)
_KEY_VALUE = re.compile(
    r"\b(?:key value is|valor da chave duplicada [ée]|valor de la clave duplicada es)\s*"
    r"\((?P<value>[^()]{1,300})\)",
    re.IGNORECASE,
)
_SETTING = re.compile(
    r"\b(?:UID|User ID|User|WSID|Workstation ID|CLIENT|HOST|SERVER)\s*[=:]\s*"
    r"(?P<value>[^;\]\s'\")]{1,128})",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"(?<![\w.+•-])(?P<value>[\w.+-]{1,64})@(?=[\w-]{1,63}(?:\.[\w-]{1,63})+)")
_DOMAIN_USER = re.compile(r"(?<![\\/\w.])[A-Za-z][\w-]{0,14}\\{1,2}(?P<value>[\w.$-]{2,64})")
_IPV4 = re.compile(r"(?<![\d.])(?P<value>\d{1,3}(?:\.\d{1,3}){3})(?![\d.]*\d)")
_IPV6 = re.compile(
    r"(?<![\w:])(?P<value>(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{1,4}|(?:[0-9A-Fa-f]{1,4}:){1,6}:[0-9A-Fa-f:]{1,30})(?![\w:])"
)
_DOCUMENT = re.compile(
    r"(?<![\d.-])(?P<value>\d{3}\.\d{3}\.\d{3}-\d{2}|\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}|\+\d{1,3}[ \d()-]{8,18}\d)(?!\d)"
)
_UID = re.compile(r"\b(?:UID|User ID|WSID)\s*=\s*(?P<value>[^;]{1,128})", re.IGNORECASE)
_HOST = re.compile(r"\b(?:host|hostname|workstation)\s+(?P<value>(?=[\w-]*[\d.-])[\w.-]{2,128})", re.IGNORECASE)
_PATTERNS = (
    *(_EMAIL, _DOMAIN_USER, _IPV4, _IPV6, _DOCUMENT),
    *(_QUOTED_LOGIN, _QUOTED, _VALUE_OF_TYPE, _KEY_VALUE, _SETTING, _HOST),
)
_OF_VALUES = (_QUOTED, _VALUE_OF_TYPE, _KEY_VALUE)
_NUMBERS = re.compile(r"[\d\s,.:-]*")


def mask_login(text: str) -> str:
    """Return a login name masked: its shape, its domain, and the last two characters of a long one stay."""
    domain, slash, name = text.rpartition("\\")
    return f"{domain}{slash}{_hidden(name)}"


def mask_logins(text: str) -> str:
    """Mask logins, hosts, addresses and personal values. Numbers stay as possible keys, except documents and phones."""
    for pattern in _PATTERNS:
        text = pattern.sub(_masked_match, text)
    return text


def mask_connection(text: str) -> str:
    """Mask the login. The server stays: it is the one that the portal monitors."""
    return _UID.sub(_masked_match, text)


def _masked_match(found: re.Match[str]) -> str:
    start, end = found.start("value") - found.start(), found.end("value") - found.start()
    parts = found["value"].split(",") if found.re is _KEY_VALUE else [found["value"]]
    hidden = ",".join(_part(part, found.re) for part in parts)
    return f"{found[0][:start]}{hidden}{found[0][end:]}"


def _part(text: str, pattern: re.Pattern[str]) -> str:
    """Hide a value, unless it is a plain number or an earlier pattern has hidden it."""
    if pattern is _QUOTED_LOGIN:
        return mask_login(text)
    hidden_before = BULLET in text and "@" in text
    return text if hidden_before or (pattern in _OF_VALUES and _NUMBERS.fullmatch(text)) else _hidden(text)


def _hidden(text: str) -> str:
    return _all_but_last_two(text, lambda character: character not in _VISIBLE)


LENGTH, BYTES = 200, 32
"""Characters and bytes of a value that a cell shows."""

_CONTROL = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
# Direction marks and other invisible formatting could make a row read as something else.
_INVISIBLE = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def cell(value: object) -> str | None:
    """Return how a raw value shows: control characters visible, "…" after LENGTH characters. None: NULL."""
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        return f"0x{data[:BYTES].hex().upper()}{'…' if len(data) > BYTES else ''}"
    text = visible(_text(value)[: LENGTH + 1])
    return f"{text[:LENGTH]}…" if len(text) > LENGTH else text


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return str(value)


def visible(text: str) -> str:
    return _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text.translate(_CONTROL))
