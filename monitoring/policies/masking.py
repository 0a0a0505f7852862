"""Which columns hold personal data, and how a value is shown without showing the person.

The contract names the columns; names that look like them are treated the same, because any table may
be added to the control table. Masking keeps what helps to find a fault: NULL, the length, the last
characters of a number, the domain of an e-mail address.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable
from datetime import date
from enum import Enum

BULLET = "•"
CLOSED = BULLET * 3
"""For values whose length would already tell (gender: one of few words)."""


class Kind(Enum):
    """How a personal column is masked."""

    EMAIL = "email"
    NUMBER = "number"  # phones, documents, postal codes: the last two stay
    TEXT = "text"  # names, addresses: only the shape stays
    CLOSED = "closed"  # few possible values: nothing stays


CONTRACT = {
    "full_name": Kind.TEXT,
    "email": Kind.EMAIL,
    "phone": Kind.NUMBER,
    "document_number": Kind.NUMBER,
    "birth_date": Kind.CLOSED,
    "gender": Kind.CLOSED,
    "credit_score": Kind.CLOSED,
    "address_line": Kind.TEXT,
    "district": Kind.TEXT,
    "zip_code": Kind.NUMBER,
    "nome_cliente": Kind.TEXT,
    "telefone": Kind.NUMBER,
    "cpf_cnpj": Kind.NUMBER,
    "data_nascimento": Kind.CLOSED,
    "genero": Kind.CLOSED,
    "score_credito": Kind.CLOSED,
    "endereco_completo": Kind.TEXT,
    "cep": Kind.NUMBER,
    "nome_vendedor": Kind.TEXT,
    "cpf": Kind.NUMBER,
    "email_pessoal": Kind.EMAIL,
}
"""CONTRACT.md's columns with personal data (its telefone_* is covered by the words below)."""

# fmt: off
_WORDS = (
    (Kind.EMAIL, frozenset({"email", "mail", "correio"})),
    (
        Kind.NUMBER,
        frozenset(
            (
                "phone", "telephone", "telefone", "tel", "mobile", "celular", "cell", "fax", "whatsapp", "cpf", "cnpj",
                "rg", "cnh", "pis", "passport", "passaporte", "ssn", "document", "documento", "zip", "zipcode", "cep",
                "postal", "postcode", "iban", "pix", "card", "cartao",
            )
        ),
    ),
    (
        Kind.CLOSED,
        frozenset(
            (
                "birth", "birthday", "birthdate", "dob", "nascimento", "gender", "genero", "sex", "sexo", "race",
                "raca", "religion", "religiao", "salary", "salario", "password", "senha", "token", "secret", "ip",
            )
        ),
    ),
    (
        Kind.TEXT,
        frozenset(
            (
                "address", "endereco", "street", "rua", "logradouro", "bairro", "district", "neighborhood",
                "neighbourhood", "complement", "complemento", "fullname", "firstname", "lastname", "surname",
                "sobrenome", "username", "latitude", "longitude",
            )
        ),
    ),
)

_PEOPLE = frozenset(
    (
        "full", "first", "last", "middle", "maiden", "mother", "father", "spouse", "customer", "client", "cliente",
        "seller", "vendedor", "person", "pessoa", "people", "contact", "contato", "employee", "funcionario", "user",
        "usuario", "owner", "manager", "gerente", "mae", "pai", "completo", "social",
    )
)
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
    """Return how the column is masked, None when it is not personal.

    `table` makes a bare `name` in a table of people personal; `extra` are further columns, as people set them.
    """
    plain = _plain(column)
    if plain in CONTRACT:
        return CONTRACT[plain]
    words = frozenset(re.split(r"[^a-z0-9]+|(?<=[a-z])(?=\d)", plain)) - {""}
    for kind, known in _WORDS:
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
    """Return the value without the person. None (NULL) and the empty text stay: they are what one looks for."""
    if value is None:
        return None
    if kind is Kind.CLOSED or isinstance(value, bool | bytes | bytearray | memoryview | date):
        return CLOSED
    text = str(value)
    if kind is Kind.EMAIL:
        return _email(text)
    if kind is Kind.NUMBER:
        return _number(text)
    return _shape(text)


def _email(text: str) -> str:
    name, at, domain = text.rpartition("@")
    # Without an @ it is no address: a name or a phone number typed into the wrong field.
    return f"{_shape(name)}{at}{domain}" if at else _shape(text)


def _number(text: str) -> str:
    """Hide all but the last two letters and digits; short ones (fewer than six) wholly."""
    characters = [character for character in text if character.isalnum()]
    keep = 2 if len(characters) >= 6 else 0
    hidden = len(characters) - keep
    shown, seen = [], 0
    for character in text:
        if character.isalnum():
            seen += 1
            shown.append(BULLET if seen <= hidden else character)
        else:
            shown.append(character)
    return "".join(shown)


def _shape(text: str) -> str:
    """Replace all but blanks and ASCII punctuation: the length and a stray character stay visible."""
    return "".join(character if character in _VISIBLE else BULLET for character in text)


def _plain(name: str) -> str:
    """Return the name in lower case, CamelCase split, without accents."""
    split = _CAMEL.sub("_", name.strip())
    decomposed = unicodedata.normalize("NFKD", split)
    return "".join(character for character in decomposed if not unicodedata.combining(character)).lower()
