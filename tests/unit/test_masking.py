"""Personal columns are recognised, and what is left of a value helps without showing the person."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from monitoring.rules.masking import BULLET, CLOSED, CONTRACT, Kind, kind_of, mask

CONTRACT_COLUMNS = [
    "full_name",
    "email",
    "phone",
    "document_number",
    "birth_date",
    "gender",
    "credit_score",
    "address_line",
    "district",
    "zip_code",
    "nome_cliente",
    "telefone",
    "cpf_cnpj",
    "data_nascimento",
    "genero",
    "score_credito",
    "endereco_completo",
    "cep",
    "nome_vendedor",
    "cpf",
    "email_pessoal",
    "telefone_celular",
    "telefone_comercial",
]


@pytest.mark.parametrize("column", CONTRACT_COLUMNS)
def test_every_personal_column_of_the_contract_is_masked(column: str) -> None:
    assert kind_of(column) is not None
    assert kind_of(column.upper()) is not None


def test_the_list_names_each_column_once() -> None:
    assert set(CONTRACT) <= set(CONTRACT_COLUMNS)


@pytest.mark.parametrize(
    ("column", "table"),
    [
        ("HomePhone2", ""),
        ("e_mail", ""),
        ("EmailAddress", ""),
        ("telefone2", ""),
        ("nomeCompleto", ""),
        ("customer_name", ""),
        ("Endereço", ""),
        ("bank_account", ""),
        ("last_login_ip", ""),
        ("name", "core.customers"),
        ("NOME", "dim.DIM_VENDEDOR"),
        ("password_hash", ""),
    ],
)
def test_names_that_look_personal_are_masked(column: str, table: str) -> None:
    assert kind_of(column, table) is not None


@pytest.mark.parametrize(
    ("column", "table"),
    [
        ("product_name", "core.products"),
        ("name", "core.products"),
        ("customer_id", "core.customers"),
        ("updated_at", ""),
        ("recipe", ""),
        ("percentual_desconto", ""),
        ("score", ""),
        ("target_type", ""),
        ("energy", ""),
        ("", ""),
    ],
)
def test_other_names_are_not(column: str, table: str) -> None:
    assert kind_of(column, table) is None


def test_further_columns_can_be_named() -> None:
    assert kind_of("nickname") is None
    assert kind_of("nickname", extra=("NickName ", "other")) is None
    assert kind_of("nickname", extra=("Nickname",)) is Kind.TEXT


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        ("maria.silva@example.com", Kind.EMAIL, "•••••.•••••@example.com"),
        ("a@b@example.com", Kind.EMAIL, "•@•@example.com"),
        ("no address", Kind.EMAIL, "•• •••••••"),
        ("123.456.789-01", Kind.NUMBER, "•••.•••.•••-01"),
        ("(11) 98765-4321", Kind.NUMBER, "(••) •••••-••21"),
        ("12345", Kind.NUMBER, "•••••"),
        (12345678901, Kind.NUMBER, "•••••••••01"),
        ("José da Silva", Kind.TEXT, "•••• •• •••••"),
        ("Ana 😀\u200b", Kind.TEXT, "••• ••"),
        ("", Kind.TEXT, ""),
        (None, Kind.TEXT, None),
        (None, Kind.CLOSED, None),
        ("F", Kind.CLOSED, CLOSED),
        ("masculino", Kind.CLOSED, CLOSED),
        (date(1980, 2, 3), Kind.CLOSED, CLOSED),
        (date(1980, 2, 3), Kind.TEXT, CLOSED),
        (b"\x00\xff", Kind.NUMBER, CLOSED),
        (True, Kind.TEXT, CLOSED),
        (Decimal("1.5"), Kind.NUMBER, "•.•"),
    ],
)
def test_what_is_left_of_a_value(value: object, kind: Kind, shown: str | None) -> None:
    assert mask(value, kind) == shown


def test_length_is_kept_and_nothing_else() -> None:
    masked = mask("x" * 300, Kind.TEXT)
    assert masked == BULLET * 300
