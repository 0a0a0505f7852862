"""Personal columns are recognised, and what is left of a value helps without showing the person."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from monitoring.rules.masking import BULLET, CLOSED, Kind, kind_of, mask

CONTRACT_COLUMNS = {
    Kind.TEXT: "full_name address_line district nome_cliente endereco_completo nome_vendedor",
    Kind.EMAIL: "email email_pessoal",
    Kind.NUMBER: "phone document_number zip_code telefone cpf_cnpj cep cpf telefone_celular telefone_comercial",
    Kind.CLOSED: "birth_date gender credit_score data_nascimento genero score_credito",
}


@pytest.mark.parametrize(
    ("column", "kind"), [(column, kind) for kind, columns in CONTRACT_COLUMNS.items() for column in columns.split()]
)
def test_every_personal_column_of_the_contract_is_masked(column: str, kind: Kind) -> None:
    assert kind_of(column) is kind
    assert kind_of(column.upper()) is kind


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
