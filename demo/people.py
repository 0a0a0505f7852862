"""The shop's people, places and goods: rows of `core` with Brazilian names, from Faker.

Rows are dicts without the key and without the three times, which shop.py adds. The same seed gives
the same rows in the same order of asking.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from faker import Faker
from faker.providers.address.pt_BR import Provider as Addresses

Row = dict[str, Any]

# Which of the five great regions a state lies in is geography, which Faker does not have.
_GREAT_REGIONS = {
    "Norte": "AC AM AP PA RO RR TO",
    "Nordeste": "AL BA CE MA PB PE PI RN SE",
    "Centro-Oeste": "DF GO MS MT",
    "Sudeste": "ES MG RJ SP",
    "Sul": "PR RS SC",
}
_GOODS = {
    "Casa": ("Jogo de panelas", "Cafeteira elétrica", "Liquidificador", "Luminária de mesa", "Tapete", "Cortina"),
    "Eletrônicos": ("Fone de ouvido", "Carregador portátil", "Caixa de som", "Teclado sem fio", "Câmera", "Monitor"),
    "Moda": ("Camiseta", "Calça jeans", "Tênis", "Mochila", "Jaqueta", "Relógio"),
    "Esporte": ("Bola", "Garrafa térmica", "Bicicleta", "Colchonete", "Corda de pular", "Óculos de natação"),
    "Livros": ("Romance", "Livro de receitas", "Guia de viagem", "Biografia", "Dicionário", "Agenda"),
}
_CAMPAIGNS = ("Semana do frete", "Volta às aulas", "Liquida estoque", "Aniversário da loja", "Fim de semana", "Clube")


class People:
    """Makes rows. `known_documents` are the document numbers already given out: none comes twice."""

    def __init__(self, seed: int, known_documents: set[str] | None = None) -> None:
        self._faker = Faker("pt_BR")
        self._faker.seed_instance(seed)
        self._rng = random.Random(seed)
        self._documents = known_documents or set()

    def regions(self) -> Iterator[Row]:
        """Yield the 27 states."""
        great = {code: name for name, codes in _GREAT_REGIONS.items() for code in codes.split()}
        for code, name in sorted(Addresses.estados):
            yield {
                "region_name": great[code],
                "state_name": name,
                "state_code": code,
                "city": self._faker.city(),
                "status": "ATIVA",
            }

    def team(self, region_id: int) -> Row:
        kind = self._rng.choice(("VENDA_DIRETA", "TELEVENDAS", "CONTAS_CHAVE"))
        name = f"Equipe {self._faker.last_name()}"
        return {"team_name": name, "team_type": kind, "region_id": region_id, "status": "ATIVA"}

    def seller(self, team_id: int, hired_on: str) -> Row:
        name = self._faker.name()
        return {
            "full_name": name,
            "document_number": self._document(person=True),
            "email": self._address(name, "loja.example.com"),
            "personal_email": self._address(name, "example.com"),
            "phone": self._faker.cellphone_number(),
            "commercial_phone": self._faker.phone_number(),
            "team_id": team_id,
            "status": "ATIVO",
            "hired_on": hired_on,
        }

    def customer(self, region_id: int, state_code: str) -> Row:
        faker, rng = self._faker, self._rng
        person = rng.random() < 0.88
        female = rng.random() < 0.5
        name = (faker.name_female() if female else faker.name_male()) if person else faker.company()
        return {
            "full_name": name,
            "customer_type": "PESSOA_FISICA" if person else "PESSOA_JURIDICA",
            "document_number": self._document(person),
            "email": self._address(name, "example.com"),
            "phone": faker.cellphone_number(),
            "birth_date": self._birth_date() if person else None,
            "gender": ("F" if female else "M") if person else None,
            "credit_score": rng.randint(250, 990),
            **self.address(state_code),
            "region_id": region_id,
            "status": "ATIVO",
        }

    def address(self, state_code: str) -> Row:
        faker = self._faker
        return {
            "address_line": faker.street_address(),
            "district": faker.bairro(),
            "city": faker.city(),
            "state_code": state_code,
            "zip_code": f"{self._rng.randint(1000, 99999):05}-{self._rng.randint(0, 999):03}",
        }

    def city(self) -> str:
        return self._faker.city()

    def phone(self) -> str:
        return self._faker.cellphone_number()

    def product(self, number: int) -> Row:
        rng = self._rng
        category = rng.choice(list(_GOODS))
        brand = self._faker.last_name()
        price = round(rng.lognormvariate(4.3, 0.9) + 9, 2)
        return {
            "sku": f"{category[:3].upper()}-{number:06}",
            "product_name": f"{rng.choice(_GOODS[category])} {brand} {rng.randint(100, 999)}",
            "category": category,
            "brand": brand,
            "cost_price": round(price * rng.uniform(0.45, 0.75), 2),
            "list_price": price,
            "status": "ATIVO",
        }

    def campaign(self, number: int, starts_on: str, ends_on: str) -> Row:
        name = self._rng.choice(_CAMPAIGNS)
        return {
            "campaign_code": f"PROMO-{number:04}",
            "campaign_name": f"{name} {number}",
            "discount_type": self._rng.choice(("PERCENTUAL", "CUPOM", "FIDELIDADE")),
            "percentage": float(self._rng.choice((5, 7.5, 10, 12.5, 15, 20, 30))),
            "starts_on": starts_on,
            "ends_on": ends_on,
            "status": "ATIVA",
        }

    def carrier(self) -> Row:
        return {"carrier_name": f"{self._faker.last_name()} Transportes", "status": "ATIVA"}

    def _document(self, person: bool) -> str:
        while True:
            number = self._faker.cpf() if person else self._faker.cnpj()
            if number not in self._documents:
                self._documents.add(number)
                return number

    def _address(self, name: str, domain: str) -> str:
        """Return an e-mail address of that name; the domains are reserved, no mail can reach anybody."""
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        words = re.findall(r"[a-z]+", plain)
        return f"{'.'.join([words[0], words[-1]])}{self._rng.randint(1, 9999)}@{domain}"

    def _birth_date(self) -> str:
        rng = self._rng
        return f"{rng.randint(1945, 2006)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
