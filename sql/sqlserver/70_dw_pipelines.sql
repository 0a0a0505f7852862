-- DW_ECOMMERCE: the nine pipelines. Rows that are there already are left as they are.

INSERT INTO ctl.etl_control
    (entity_name, source_table, target_table, source_pk_column, cutoff_minutes, batch_size, is_active, created_at, updated_at)
SELECT p.entity_name, p.source_table, p.target_table, p.source_pk_column, 2, 1000, 1, SYSUTCDATETIME(), SYSUTCDATETIME()
FROM (VALUES
    ('dim_cliente',    'core.customers',              'dim.DIM_CLIENTE',     'customer_id'),
    ('dim_produto',    'core.products',               'dim.DIM_PRODUTO',     'product_id'),
    ('dim_regiao',     'core.regions',                'dim.DIM_REGIAO',      'region_id'),
    ('dim_equipe',     'core.teams',                  'dim.DIM_EQUIPE',      'team_id'),
    ('dim_vendedor',   'core.sellers',                'dim.DIM_VENDEDOR',    'seller_id'),
    ('dim_desconto',   'core.discount_campaigns',     'dim.DIM_DESCONTO',    'discount_id'),
    ('fact_vendas',    'core.order_items',            'fact.FACT_VENDAS',    'order_item_id'),
    ('fact_metas',     'core.seller_targets_monthly', 'fact.FACT_METAS',     'seller_target_id'),
    ('fact_descontos', 'core.order_item_discounts',   'fact.FACT_DESCONTOS', 'order_item_discount_id')
) AS p (entity_name, source_table, target_table, source_pk_column)
WHERE NOT EXISTS (SELECT 1 FROM ctl.etl_control AS c WHERE c.entity_name = p.entity_name);
GO
