"""The nine pipelines as the runner knows them: what to extract, how to transform, where to put it.

An extraction yields rows that start with (ts, key, deleted_at): `ts` is the watermark expression of
CONTRACT.md, so for two facts the latest of the joined tables. Its four parameters are always
(watermark time, watermark time, watermark key, newest time allowed). The facts' extractions have
the first one more often: see `Job.parameters`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from demo import transforms

Row = tuple[Any, ...]
Found = dict[str, dict[Any, Row]]
"""Per lookup: natural key to the columns asked for."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Surrogate keys to fetch: the natural keys are at `position` of the extracted rows."""

    name: str
    table: str
    natural_key: str
    columns: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One pipeline. `transform(row, found, loaded_at)` returns a tuple as long as `columns`."""

    entity: str
    key_name: str
    extract: str
    seeks: int  # how many joined tables are searched for changes, each from the watermark's time on
    target: str
    natural_key: tuple[str, ...]
    columns: tuple[str, ...]
    transform: Callable[[Row, Found, Any], Row]
    lookups: tuple[Lookup, ...] = ()

    def parameters(self, watermark: tuple[Any, int], newest: Any) -> tuple[Any, ...]:
        """Return the extraction's parameters."""
        ts, key = watermark
        return (*[ts] * self.seeks, ts, ts, key, newest)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _simple(table: str, key: str, columns: str) -> str:
    """Return the extraction of a source that carries its own updated_at."""
    return (
        f"SELECT s.updated_at, s.{key}, s.deleted_at, {columns} FROM {table} AS s "
        f"WHERE s.updated_at >= ? AND (s.updated_at > ? OR s.{key} > ?) AND s.updated_at <= ? "
        f"ORDER BY s.updated_at, s.{key}"
    )


_LATER = "CASE WHEN {0} > {1} THEN {0} ELSE {1} END"

# Two seeks find what may have changed; only then the joined times are compared. Comparing them for
# every row would read both tables from end to end for each batch.
_SALES = f"""
WITH changed AS (
    SELECT i.order_item_id FROM core.order_items AS i WHERE i.updated_at >= ?
    UNION
    SELECT i.order_item_id FROM core.orders AS o
    JOIN core.order_items AS i ON i.order_id = o.order_id WHERE o.updated_at >= ?
), pending AS (
    SELECT {_LATER.format("i.updated_at", "o.updated_at")} AS ts, i.order_item_id,
           COALESCE(i.deleted_at, o.deleted_at) AS deleted_at, o.ordered_at, o.customer_id, i.product_id,
           o.region_id, o.seller_id, i.quantity, i.unit_price, o.status,
           (SELECT SUM(d.discount_amount) FROM core.order_item_discounts AS d
            WHERE d.order_item_id = i.order_item_id AND d.deleted_at IS NULL) AS discount
    FROM changed AS c
    JOIN core.order_items AS i ON i.order_item_id = c.order_item_id
    JOIN core.orders AS o ON o.order_id = i.order_id
)
SELECT ts, order_item_id, deleted_at, ordered_at, customer_id, product_id, region_id, seller_id,
       quantity, unit_price, status, discount
FROM pending WHERE ts >= ? AND (ts > ? OR order_item_id > ?) AND ts <= ? ORDER BY ts, order_item_id
"""

_DISCOUNTS = f"""
WITH changed AS (
    SELECT d.order_item_discount_id FROM core.order_item_discounts AS d WHERE d.updated_at >= ?
    UNION
    SELECT d.order_item_discount_id FROM core.order_items AS i
    JOIN core.order_item_discounts AS d ON d.order_item_id = i.order_item_id WHERE i.updated_at >= ?
    UNION
    SELECT d.order_item_discount_id FROM core.orders AS o
    JOIN core.order_items AS i ON i.order_id = o.order_id
    JOIN core.order_item_discounts AS d ON d.order_item_id = i.order_item_id WHERE o.updated_at >= ?
), timed AS (
    SELECT d.order_item_discount_id, d.order_item_id, d.discount_id, d.percentage, d.discount_amount,
           d.updated_at AS discount_at, {_LATER.format("i.updated_at", "o.updated_at")} AS sale_at,
           COALESCE(d.deleted_at, i.deleted_at, o.deleted_at) AS deleted_at
    FROM changed AS c
    JOIN core.order_item_discounts AS d ON d.order_item_discount_id = c.order_item_discount_id
    JOIN core.order_items AS i ON i.order_item_id = d.order_item_id
    JOIN core.orders AS o ON o.order_id = i.order_id
), pending AS (
    SELECT {_LATER.format("discount_at", "sale_at")} AS ts, order_item_discount_id, deleted_at,
           order_item_id, discount_id, percentage, discount_amount
    FROM timed
)
SELECT ts, order_item_discount_id, deleted_at, order_item_id, discount_id, percentage, discount_amount
FROM pending WHERE ts >= ? AND (ts > ? OR order_item_discount_id > ?) AND ts <= ?
ORDER BY ts, order_item_discount_id
"""

JOBS: dict[str, Job] = {
    job.entity: job
    for job in (
        Job(
            entity="dim_regiao",
            key_name="region_id",
            extract=_simple("core.regions", "region_id", "s.region_name, s.state_name, s.state_code, s.city"),
            seeks=0,
            target="dim.DIM_REGIAO",
            natural_key=("regiao_original_id",),
            columns=_names(
                "regiao_original_id nome_regiao nome_estado sigla_estado cidade eh_ativo data_ultima_atualizacao"
            ),
            transform=transforms.region,
        ),
        Job(
            entity="dim_equipe",
            key_name="team_id",
            extract=_simple("core.teams", "team_id", "s.team_name, s.team_type, s.region_id, s.status"),
            seeks=0,
            target="dim.DIM_EQUIPE",
            natural_key=("equipe_original_id",),
            columns=_names(
                "equipe_original_id nome_equipe tipo_equipe regiao_id situacao eh_ativa data_ultima_atualizacao"
            ),
            transform=transforms.team,
            lookups=(Lookup("region", "dim.DIM_REGIAO", "regiao_original_id", ("regiao_id",), 5),),
        ),
        Job(
            entity="dim_cliente",
            key_name="customer_id",
            extract=_simple(
                "core.customers",
                "customer_id",
                "s.full_name, s.customer_type, s.document_number, s.email, s.phone, s.birth_date, s.gender, "
                "s.credit_score, s.address_line, s.district, s.city, s.state_code, s.zip_code, s.status, s.created_at",
            ),
            seeks=0,
            target="dim.DIM_CLIENTE",
            natural_key=("cliente_original_id",),
            columns=_names(
                "cliente_original_id nome_cliente tipo_cliente cpf_cnpj email telefone data_nascimento "
                "genero score_credito endereco_completo cidade estado cep situacao eh_ativo data_cadastro "
                "data_ultima_atualizacao"
            ),
            transform=transforms.customer,
        ),
        Job(
            entity="dim_produto",
            key_name="product_id",
            extract=_simple(
                "core.products",
                "product_id",
                "s.sku, s.product_name, s.category, s.brand, s.cost_price, s.list_price, s.status",
            ),
            seeks=0,
            target="dim.DIM_PRODUTO",
            natural_key=("produto_original_id",),
            columns=_names(
                "produto_original_id codigo_sku nome_produto categoria marca preco_custo preco_tabela "
                "situacao eh_ativo data_ultima_atualizacao"
            ),
            transform=transforms.product,
        ),
        Job(
            entity="dim_vendedor",
            key_name="seller_id",
            extract=_simple(
                "core.sellers",
                "seller_id",
                "s.full_name, s.document_number, s.email, s.personal_email, s.phone, s.commercial_phone, s.team_id, "
                "s.hired_on, s.status",
            ),
            seeks=0,
            target="dim.DIM_VENDEDOR",
            natural_key=("vendedor_original_id",),
            columns=_names(
                "vendedor_original_id nome_vendedor cpf email email_pessoal telefone_celular "
                "telefone_comercial equipe_id data_admissao situacao eh_ativo data_ultima_atualizacao"
            ),
            transform=transforms.seller,
            lookups=(Lookup("team", "dim.DIM_EQUIPE", "equipe_original_id", ("equipe_id",), 9),),
        ),
        Job(
            entity="dim_desconto",
            key_name="discount_id",
            extract=_simple(
                "core.discount_campaigns",
                "discount_id",
                "s.campaign_code, s.campaign_name, s.discount_type, s.percentage, s.starts_on, s.ends_on, s.status",
            ),
            seeks=0,
            target="dim.DIM_DESCONTO",
            natural_key=("desconto_original_id",),
            columns=_names(
                "desconto_original_id codigo_campanha nome_campanha tipo_desconto percentual_desconto "
                "data_inicio data_fim situacao eh_ativo data_ultima_atualizacao"
            ),
            transform=transforms.campaign,
        ),
        Job(
            entity="fact_vendas",
            key_name="order_item_id",
            extract=_SALES,
            seeks=2,
            target="fact.FACT_VENDAS",
            natural_key=("venda_original_id",),
            columns=_names(
                "venda_original_id data_id cliente_id produto_id regiao_id vendedor_id equipe_id "
                "quantidade_vendida valor_unitario valor_bruto valor_desconto valor_liquido "
                "percentual_desconto situacao_pedido eh_cancelada data_atualizacao"
            ),
            transform=transforms.sale,
            lookups=(
                Lookup("customer", "dim.DIM_CLIENTE", "cliente_original_id", ("cliente_id",), 4),
                Lookup("product", "dim.DIM_PRODUTO", "produto_original_id", ("produto_id",), 5),
                Lookup("region", "dim.DIM_REGIAO", "regiao_original_id", ("regiao_id",), 6),
                Lookup("seller", "dim.DIM_VENDEDOR", "vendedor_original_id", ("vendedor_id", "equipe_id"), 7),
            ),
        ),
        Job(
            entity="fact_metas",
            key_name="seller_target_id",
            extract=_simple(
                "core.seller_targets_monthly",
                "seller_target_id",
                "s.seller_id, s.month_start, s.period_type, s.target_amount, s.target_quantity, s.achieved_amount",
            ),
            seeks=0,
            target="fact.FACT_METAS",
            natural_key=("vendedor_id", "data_id", "tipo_periodo"),
            columns=_names(
                "vendedor_id data_id tipo_periodo equipe_id valor_meta valor_realizado quantidade_meta "
                "percentual_atingido eh_cancelada data_ultima_atualizacao"
            ),
            transform=transforms.target,
            lookups=(Lookup("seller", "dim.DIM_VENDEDOR", "vendedor_original_id", ("vendedor_id", "equipe_id"), 3),),
        ),
        Job(
            entity="fact_descontos",
            key_name="order_item_discount_id",
            extract=_DISCOUNTS,
            seeks=3,
            target="fact.FACT_DESCONTOS",
            natural_key=("desconto_aplicado_original_id",),
            columns=_names(
                "desconto_aplicado_original_id venda_id desconto_id cliente_id produto_id data_id "
                "quantidade_itens percentual_desconto valor_desconto eh_cancelada data_atualizacao"
            ),
            transform=transforms.discount,
            lookups=(
                Lookup(
                    "sale",
                    "fact.FACT_VENDAS",
                    "venda_original_id",
                    ("venda_id", "cliente_id", "produto_id", "data_id", "quantidade_vendida"),
                    3,
                ),
                Lookup("campaign", "dim.DIM_DESCONTO", "desconto_original_id", ("desconto_id",), 4),
            ),
        ),
    )
}
"""Every pipeline by entity name, in the order of a run: dimensions before the facts that need them."""
