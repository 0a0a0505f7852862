-- Schema fact for SQLite, written by tools/embedded_schema.py from sql/sqlserver/. Do not edit.

CREATE TABLE IF NOT EXISTS "FACT_VENDAS" (
  "venda_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "venda_original_id" BIGINT NOT NULL,
  "data_id" INT NOT NULL,
  "cliente_id" BIGINT NOT NULL,
  "produto_id" BIGINT NOT NULL,
  "regiao_id" BIGINT NOT NULL,
  "vendedor_id" BIGINT NOT NULL,
  "equipe_id" BIGINT NOT NULL,
  "quantidade_vendida" INT NOT NULL,
  "valor_unitario" DECIMAL(18, 2) NOT NULL,
  "valor_bruto" DECIMAL(18, 2) NOT NULL,
  "valor_desconto" DECIMAL(18, 2) NOT NULL,
  "valor_liquido" DECIMAL(18, 2) NOT NULL,
  "percentual_desconto" DECIMAL(5, 2) NOT NULL,
  "situacao_pedido" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("situacao_pedido") <= 20),
  "eh_cancelada" BIT NOT NULL CHECK ("eh_cancelada" IN (0, 1)),
  "data_atualizacao" TEXT NOT NULL CHECK ("data_atualizacao" IS strftime('%Y-%m-%d %H:%M:%S', "data_atualizacao")),
  UNIQUE ("venda_original_id")
);

CREATE TABLE IF NOT EXISTS "FACT_METAS" (
  "meta_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "vendedor_id" BIGINT NOT NULL,
  "data_id" INT NOT NULL,
  "tipo_periodo" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("tipo_periodo") <= 20),
  "equipe_id" BIGINT NOT NULL,
  "valor_meta" DECIMAL(18, 2) NOT NULL,
  "valor_realizado" DECIMAL(18, 2) NOT NULL,
  "quantidade_meta" INT NOT NULL,
  "percentual_atingido" DECIMAL(9, 2) NOT NULL,
  "eh_cancelada" BIT NOT NULL CHECK ("eh_cancelada" IN (0, 1)),
  "data_ultima_atualizacao" TEXT NOT NULL CHECK ("data_ultima_atualizacao" IS strftime('%Y-%m-%d %H:%M:%S', "data_ultima_atualizacao")),
  UNIQUE ("vendedor_id", "data_id", "tipo_periodo")
);

CREATE TABLE IF NOT EXISTS "FACT_DESCONTOS" (
  "desconto_aplicado_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "desconto_aplicado_original_id" BIGINT NOT NULL,
  "venda_id" BIGINT NOT NULL,
  "desconto_id" BIGINT NOT NULL,
  "cliente_id" BIGINT NOT NULL,
  "produto_id" BIGINT NOT NULL,
  "data_id" INT NOT NULL,
  "quantidade_itens" INT NOT NULL,
  "percentual_desconto" DECIMAL(5, 2) NOT NULL,
  "valor_desconto" DECIMAL(18, 2) NOT NULL,
  "eh_cancelada" BIT NOT NULL CHECK ("eh_cancelada" IN (0, 1)),
  "data_atualizacao" TEXT NOT NULL CHECK ("data_atualizacao" IS strftime('%Y-%m-%d %H:%M:%S', "data_atualizacao")),
  UNIQUE ("desconto_aplicado_original_id"),
  FOREIGN KEY ("venda_id") REFERENCES "FACT_VENDAS" ("venda_id")
);
