"""Login names, hosts and addresses outside the connection audit: masked where a text quotes them.

They stand in columns of their own (who started a run) and in what server and driver say. What helps
stays: the kind of error, the object, the length, the last characters, the domain of an e-mail address.
"""

from __future__ import annotations

import re
import string

BULLET = "•"
_VISIBLE = frozenset(string.punctuation + string.whitespace)

_QUOTE = r"(?P<open>['\"“«])(?P<value>[^'\"”»]{1,300})(?=['\"”»])"
_WHO = r"user|users|login|logon|principal|account|usu[aá]rio|utilizador|conta|inicio de sesi[oó]n"
_WHERE = r"server|host|workstation|client|servidor|m[aá]quina|cliente"
_WHAT = r"value|values|valor|valores"
_NAMED = r"(?:\s+(?:name|nome|nombre))?\s*[:=]?\s*"
_QUOTED_LOGIN = re.compile(rf"\b(?:{_WHO})\b{_NAMED}{_QUOTE}", re.IGNORECASE)
_QUOTED = re.compile(rf"\b(?:{_WHERE}|{_WHAT})\b{_NAMED}{_QUOTE}", re.IGNORECASE)
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
    """Return a login name without the person: its shape, its domain, and the last two characters of a long one."""
    domain, slash, name = text.rpartition("\\")
    return f"{domain}{slash}{_hidden(name)}"


def mask_message(text: str) -> str:
    """Return an error's text without the logins, hosts, addresses and personal values that it quotes.

    Numbers stay (a key that is one is what one looks for), unless they are a document's or a telephone's.
    """
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return text


def mask_connection(text: str) -> str:
    """Return a connection string without the login; the server is what the portal is set up to watch."""
    return _UID.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    start, end = found.start("value") - found.start(), found.end("value") - found.start()
    parts = found["value"].split(",") if found.re is _KEY_VALUE else [found["value"]]
    hidden = ",".join(_part(part, found.re) for part in parts)
    return f"{found[0][:start]}{hidden}{found[0][end:]}"


def _part(text: str, pattern: re.Pattern[str]) -> str:
    """Hide a value: not a plain number, and not again what an earlier pattern hid."""
    if pattern is _QUOTED_LOGIN:
        return mask_login(text)
    hidden_before = BULLET in text and "@" in text
    return text if hidden_before or (pattern in _OF_VALUES and _NUMBERS.fullmatch(text)) else _hidden(text)


def _hidden(text: str) -> str:
    """Hide letters and digits, but for the last two of a text that has six of them."""
    count = sum(character not in _VISIBLE for character in text)
    left, shown = count - (2 if count >= 6 else 0), []
    for character in text:
        if character in _VISIBLE:
            shown.append(character)
        else:
            shown.append(BULLET if left > 0 else character)
            left -= 1
    return "".join(shown)
