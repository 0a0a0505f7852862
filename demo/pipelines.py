"""The nine pipelines of the ETL: what to extract, which keys to look up, where to write.

An extraction yields (ts, key, deleted_at, target columns..., natural keys to look up...) in the order of
(ts, key). `ts` is the watermark expression of the contract: for two facts the latest of the joined tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEDULER = "svc_etl"
BY_HAND = ("ana.souza", ("dim_cliente", "dim_produto"))
"""The login that runs all pipelines; a login and the pipelines that it runs by hand."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Surrogate keys: `columns` of the row in `table` whose `natural_key` is the source's `column`.

    Columns are separated by blanks; "target=source" names one that is called otherwise in the target.
    """

    column: str
    table: str
    natural_key: str
    columns: str

    @property
    def sources(self) -> dict[str, str]:
        """Return the target's column names and those of `table`."""
        pairs = (column.partition("=") for column in self.columns.split())
        return {target: source or target for target, _, source in pairs}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline. `columns`: target column to an expression over the source, whose alias is `s`.

    `unique`: the target's natural key, if it is not the first column. `pending`: common table expressions to read
    instead of `source`, with a `?` for the watermark's time per joined table. `loaded_at`: the target column that
    holds the load time.
    """

    entity: str
    source: str
    key: str
    target: str
    columns: dict[str, str]
    lookups: tuple[Lookup, ...] = ()
    unique: tuple[str, ...] = ()
    pending: str = ""
    loaded_at: str = ""

    @property
    def natural_key(self) -> tuple[str, ...]:
        return self.unique or (next(iter(self.columns)),)

    @property
    def target_columns(self) -> tuple[str, ...]:
        looked_up = [name for lookup in self.lookups for name in lookup.sources]
        return (*self.columns, *looked_up, *([self.loaded_at] if self.loaded_at else []))

    @property
    def extract(self) -> str:
        expressions = ", ".join([*self.columns.values(), *(f"s.{lookup.column}" for lookup in self.lookups)])
        return (
            f"{self.pending}SELECT s.updated_at, s.{self.key}, s.deleted_at, {expressions} "
            f"FROM {'pending' if self.pending else self.source} AS s "
            f"WHERE s.updated_at >= ? AND (s.updated_at > ? OR s.{self.key} > ?) AND s.updated_at <= ? "
            f"ORDER BY s.updated_at, s.{self.key}"
        )

    def parameters(self, watermark: tuple[Any, int], newest: Any) -> tuple[Any, ...]:
        """Return the parameters of `extract`: rows after the watermark and not newer than `newest`."""
        ts, key = watermark
        return (*[ts] * self.pending.count("?"), ts, ts, key, newest)


def _columns(pairs: str, **expressions: str) -> dict[str, str]:
    names = (pair.split("=") for pair in pairs.split())
    return {target: f"s.{source}" for target, source in names} | expressions


_ACTIVE = "CASE WHEN s.deleted_at IS NULL THEN 1 ELSE 0 END"
_CANCELLED = "CASE WHEN s.deleted_at IS NULL THEN 0 ELSE 1 END"
_LATER = "CASE WHEN {0} > {1} THEN {0} ELSE {1} END"
_REGION = Lookup("region_id", "dim.DIM_REGIAO", "regiao_original_id", "regiao_id")
_SELLER = Lookup("seller_id", "dim.DIM_VENDEDOR", "vendedor_original_id", "vendedor_id equipe_id")

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
        *("dim_regiao", "core.regions", "region_id", "dim.DIM_REGIAO"),
        _columns(
            "regiao_original_id=region_id nome_regiao=region_name nome_estado=state_name "
            "sigla_estado=state_code cidade=city data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
    ),
    Pipeline(
        *("dim_equipe", "core.teams", "team_id", "dim.DIM_EQUIPE"),
        _columns(
            "equipe_original_id=team_id nome_equipe=team_name tipo_equipe=team_type situacao=status "
            "data_ultima_atualizacao=updated_at",
            eh_ativa=_ACTIVE,
        ),
        (_REGION,),
    ),
    Pipeline(
        *("dim_cliente", "core.customers", "customer_id", "dim.DIM_CLIENTE"),
        _columns(
            "cliente_original_id=customer_id nome_cliente=full_name tipo_cliente=customer_type "
            "cpf_cnpj=document_number email=email telefone=phone data_nascimento=birth_date genero=gender "
            "score_credito=credit_score endereco_completo=address_line cidade=city estado=state_code "
            "cep=zip_code situacao=status data_cadastro=created_at data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
    ),
    Pipeline(
        *("dim_produto", "core.products", "product_id", "dim.DIM_PRODUTO"),
        _columns(
            "produto_original_id=product_id codigo_sku=sku nome_produto=product_name categoria=category "
            "marca=brand preco_custo=cost_price preco_tabela=list_price situacao=status "
            "data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
    ),
    Pipeline(
        *("dim_vendedor", "core.sellers", "seller_id", "dim.DIM_VENDEDOR"),
        _columns(
            "vendedor_original_id=seller_id nome_vendedor=full_name cpf=document_number email=email "
            "email_pessoal=personal_email telefone_celular=phone telefone_comercial=commercial_phone "
            "data_admissao=hired_on situacao=status data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
        (Lookup("team_id", "dim.DIM_EQUIPE", "equipe_original_id", "equipe_id"),),
    ),
    Pipeline(
        *("dim_desconto", "core.discount_campaigns", "discount_id", "dim.DIM_DESCONTO"),
        _columns(
            "desconto_original_id=discount_id codigo_campanha=campaign_code nome_campanha=campaign_name "
            "tipo_desconto=discount_type percentual_desconto=percentage data_inicio=starts_on data_fim=ends_on "
            "situacao=status data_ultima_atualizacao=updated_at",
            eh_ativo=_ACTIVE,
        ),
    ),
    Pipeline(
        *("fact_vendas", "core.order_items", "order_item_id", "fact.FACT_VENDAS"),
        _columns(
            "venda_original_id=order_item_id data_id=ordered_at quantidade_vendida=quantity "
            "valor_unitario=unit_price valor_bruto=gross valor_desconto=discount valor_liquido=net "
            "percentual_desconto=percentage situacao_pedido=status",
            eh_cancelada=_CANCELLED,
        ),
        (
            Lookup("customer_id", "dim.DIM_CLIENTE", "cliente_original_id", "cliente_id"),
            Lookup("product_id", "dim.DIM_PRODUTO", "produto_original_id", "produto_id"),
            _REGION,
            _SELLER,
        ),
        pending=_SALES,
        loaded_at="data_atualizacao",
    ),
    Pipeline(
        *("fact_metas", "core.seller_targets_monthly", "seller_target_id", "fact.FACT_METAS"),
        _columns(
            "data_id=month_start tipo_periodo=period_type valor_meta=target_amount "
            "valor_realizado=achieved_amount quantidade_meta=target_quantity "
            "data_ultima_atualizacao=updated_at",
            percentual_atingido="ROUND(100.0 * s.achieved_amount / s.target_amount, 2)",
            eh_cancelada=_CANCELLED,
        ),
        (_SELLER,),
        unique=("vendedor_id", "data_id", "tipo_periodo"),
    ),
    Pipeline(
        *("fact_descontos", "core.order_item_discounts", "order_item_discount_id", "fact.FACT_DESCONTOS"),
        _columns(
            "desconto_aplicado_original_id=order_item_discount_id percentual_desconto=percentage "
            "valor_desconto=discount_amount",
            eh_cancelada=_CANCELLED,
        ),
        (
            Lookup(
                *("order_item_id", "fact.FACT_VENDAS", "venda_original_id"),
                "venda_id cliente_id produto_id data_id quantidade_itens=quantidade_vendida",
            ),
            Lookup("discount_id", "dim.DIM_DESCONTO", "desconto_original_id", "desconto_id"),
        ),
        pending=_DISCOUNTS,
        loaded_at="data_atualizacao",
    ),
)

PIPELINES = {pipeline.entity: pipeline for pipeline in _ALL}
"""In run order: dimensions before the facts that need them."""
