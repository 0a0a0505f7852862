"""The nine pipelines of the ETL: what to extract, which keys to look up, where to write.

An extraction yields (ts, key, deleted_at, target columns..., natural keys to look up...) in the order of
(ts, key). `ts` is the watermark expression of the contract: for two facts the latest of the joined tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Lookup:
    """Surrogate keys: `columns` (target to source column) of the row in `table` whose `natural_key` is `expression`."""

    expression: str
    table: str
    natural_key: str
    columns: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One pipeline. `columns`: target column to an expression over the source, whose alias is `s`.

    `pending`: common table expressions to read instead of `source`, with a `?` for the watermark's time per
    joined table (`seeks` of them). `loaded_at`: the target column that holds the load time.
    """

    entity: str
    source: str
    key: str
    target: str
    natural_key: tuple[str, ...]
    columns: dict[str, str]
    lookups: tuple[Lookup, ...] = ()
    pending: str = ""
    seeks: int = 0
    loaded_at: str = ""

    @property
    def target_columns(self) -> tuple[str, ...]:
        looked_up = [name for lookup in self.lookups for name in lookup.columns]
        return (*self.columns, *looked_up, *([self.loaded_at] if self.loaded_at else []))

    @property
    def extract(self) -> str:
        expressions = ", ".join([*self.columns.values(), *(lookup.expression for lookup in self.lookups)])
        return (
            f"{self.pending}SELECT s.updated_at, s.{self.key}, s.deleted_at, {expressions} "
            f"FROM {'pending' if self.pending else self.source} AS s "
            f"WHERE s.updated_at >= ? AND (s.updated_at > ? OR s.{self.key} > ?) AND s.updated_at <= ? "
            f"ORDER BY s.updated_at, s.{self.key}"
        )

    def parameters(self, watermark: tuple[Any, int], newest: Any) -> tuple[Any, ...]:
        """Return the parameters of `extract`: rows after the watermark and not newer than `newest`."""
        ts, key = watermark
        return (*[ts] * self.seeks, ts, ts, key, newest)


def _columns(pairs: str, **expressions: str) -> dict[str, str]:
    names = (pair.split("=") for pair in pairs.split())
    return {target: f"s.{source}" for target, source in names} | expressions


_ACTIVE = "CASE WHEN s.deleted_at IS NULL THEN 1 ELSE 0 END"
_CANCELLED = "CASE WHEN s.deleted_at IS NULL THEN 0 ELSE 1 END"
_LATER = "CASE WHEN {0} > {1} THEN {0} ELSE {1} END"
_REGION = {"regiao_id": "regiao_id"}
_SELLER = {"vendedor_id": "vendedor_id", "equipe_id": "equipe_id"}

# Index seeks find the candidates first. Comparing the joined times of every row would scan the tables for
# each batch.
_SALES = f"""
WITH changed AS (
    SELECT i.order_item_id FROM core.order_items AS i WHERE i.updated_at >= ?
    UNION
    SELECT i.order_item_id FROM core.orders AS o
    JOIN core.order_items AS i ON i.order_id = o.order_id WHERE o.updated_at >= ?
), priced AS (
    SELECT {_LATER.format("i.updated_at", "o.updated_at")} AS updated_at, i.order_item_id,
           COALESCE(i.deleted_at, o.deleted_at) AS deleted_at, o.ordered_at, o.customer_id, i.product_id,
           o.region_id, o.seller_id, i.quantity, i.unit_price, o.status,
           ROUND(1.0 * i.quantity * i.unit_price, 2) AS gross,
           COALESCE((SELECT SUM(d.discount_amount) FROM core.order_item_discounts AS d
                     WHERE d.order_item_id = i.order_item_id AND d.deleted_at IS NULL), 0) AS discount
    FROM changed AS c
    JOIN core.order_items AS i ON i.order_item_id = c.order_item_id
    JOIN core.orders AS o ON o.order_id = i.order_id
), pending AS (
    SELECT p.*, ROUND(p.gross - p.discount, 2) AS net,
           CASE WHEN p.gross = 0 THEN 0 ELSE ROUND(100.0 * p.discount / p.gross, 2) END AS percentage
    FROM priced AS p
)
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
    SELECT t.*, {_LATER.format("t.discount_at", "t.sale_at")} AS updated_at FROM timed AS t
)
"""

_ALL = (
    Pipeline(
        entity="dim_regiao",
        source="core.regions",
        key="region_id",
        target="dim.DIM_REGIAO",
        natural_key=("regiao_original_id",),
        columns=_columns(
            "regiao_original_id=region_id nome_regiao=region_name nome_estado=state_name "
            "sigla_estado=state_code cidade=city data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
    ),
    Pipeline(
        entity="dim_equipe",
        source="core.teams",
        key="team_id",
        target="dim.DIM_EQUIPE",
        natural_key=("equipe_original_id",),
        columns=_columns(
            "equipe_original_id=team_id nome_equipe=team_name tipo_equipe=team_type situacao=status "
            "data_ultima_atualizacao=updated_at",
            eh_ativa=_ACTIVE,
        ),
        lookups=(Lookup("s.region_id", "dim.DIM_REGIAO", "regiao_original_id", _REGION),),
    ),
    Pipeline(
        entity="dim_cliente",
        source="core.customers",
        key="customer_id",
        target="dim.DIM_CLIENTE",
        natural_key=("cliente_original_id",),
        columns=_columns(
            "cliente_original_id=customer_id nome_cliente=full_name tipo_cliente=customer_type "
            "cpf_cnpj=document_number email=email telefone=phone data_nascimento=birth_date genero=gender "
            "score_credito=credit_score endereco_completo=address_line cidade=city estado=state_code "
            "cep=zip_code situacao=status data_cadastro=created_at data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
    ),
    Pipeline(
        entity="dim_produto",
        source="core.products",
        key="product_id",
        target="dim.DIM_PRODUTO",
        natural_key=("produto_original_id",),
        columns=_columns(
            "produto_original_id=product_id codigo_sku=sku nome_produto=product_name categoria=category "
            "marca=brand preco_custo=cost_price preco_tabela=list_price situacao=status "
            "data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
    ),
    Pipeline(
        entity="dim_vendedor",
        source="core.sellers",
        key="seller_id",
        target="dim.DIM_VENDEDOR",
        natural_key=("vendedor_original_id",),
        columns=_columns(
            "vendedor_original_id=seller_id nome_vendedor=full_name cpf=document_number email=email "
            "email_pessoal=personal_email telefone_celular=phone telefone_comercial=commercial_phone "
            "data_admissao=hired_on situacao=status data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
        lookups=(Lookup("s.team_id", "dim.DIM_EQUIPE", "equipe_original_id", {"equipe_id": "equipe_id"}),),
    ),
    Pipeline(
        entity="dim_desconto",
        source="core.discount_campaigns",
        key="discount_id",
        target="dim.DIM_DESCONTO",
        natural_key=("desconto_original_id",),
        columns=_columns(
            "desconto_original_id=discount_id codigo_campanha=campaign_code nome_campanha=campaign_name "
            "tipo_desconto=discount_type percentual_desconto=percentage data_inicio=starts_on data_fim=ends_on "
            "situacao=status data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
    ),
    Pipeline(
        entity="fact_vendas",
        source="core.order_items",
        key="order_item_id",
        target="fact.FACT_VENDAS",
        natural_key=("venda_original_id",),
        pending=_SALES,
        seeks=2,
        columns=_columns(
            "venda_original_id=order_item_id data_id=ordered_at quantidade_vendida=quantity "
            "valor_unitario=unit_price valor_bruto=gross valor_desconto=discount valor_liquido=net "
            "percentual_desconto=percentage situacao_pedido=status",
            eh_cancelada=_CANCELLED,
        ),
        lookups=(
            Lookup("s.customer_id", "dim.DIM_CLIENTE", "cliente_original_id", {"cliente_id": "cliente_id"}),
            Lookup("s.product_id", "dim.DIM_PRODUTO", "produto_original_id", {"produto_id": "produto_id"}),
            Lookup("s.region_id", "dim.DIM_REGIAO", "regiao_original_id", _REGION),
            Lookup("s.seller_id", "dim.DIM_VENDEDOR", "vendedor_original_id", _SELLER),
        ),
        loaded_at="data_atualizacao",
    ),
    Pipeline(
        entity="fact_metas",
        source="core.seller_targets_monthly",
        key="seller_target_id",
        target="fact.FACT_METAS",
        natural_key=("vendedor_id", "data_id", "tipo_periodo"),
        columns=_columns(
            "data_id=month_start tipo_periodo=period_type valor_meta=target_amount "
            "valor_realizado=achieved_amount quantidade_meta=target_quantity "
            "data_ultima_atualizacao=updated_at",
            percentual_atingido="ROUND(100.0 * s.achieved_amount / s.target_amount, 2)",
            eh_cancelada=_CANCELLED,
        ),
        lookups=(Lookup("s.seller_id", "dim.DIM_VENDEDOR", "vendedor_original_id", _SELLER),),
    ),
    Pipeline(
        entity="fact_descontos",
        source="core.order_item_discounts",
        key="order_item_discount_id",
        target="fact.FACT_DESCONTOS",
        natural_key=("desconto_aplicado_original_id",),
        pending=_DISCOUNTS,
        seeks=3,
        columns=_columns(
            "desconto_aplicado_original_id=order_item_discount_id percentual_desconto=percentage "
            "valor_desconto=discount_amount",
            eh_cancelada=_CANCELLED,
        ),
        lookups=(
            Lookup(
                "s.order_item_id",
                "fact.FACT_VENDAS",
                "venda_original_id",
                {
                    "venda_id": "venda_id",
                    "cliente_id": "cliente_id",
                    "produto_id": "produto_id",
                    "data_id": "data_id",
                    "quantidade_itens": "quantidade_vendida",
                },
            ),
            Lookup("s.discount_id", "dim.DIM_DESCONTO", "desconto_original_id", {"desconto_id": "desconto_id"}),
        ),
        loaded_at="data_atualizacao",
    ),
)

PIPELINES = {pipeline.entity: pipeline for pipeline in _ALL}
"""In run order: dimensions before the facts that need them."""
