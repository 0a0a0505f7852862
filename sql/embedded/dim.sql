-- Schema dim for SQLite, written by tools/embedded_schema.py from sql/sqlserver/. Do not edit.

CREATE TABLE IF NOT EXISTS "DIM_CLIENTE" (
  "cliente_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "cliente_original_id" BIGINT NOT NULL,
  "nome_cliente" NVARCHAR(200) COLLATE NOCASE NOT NULL CHECK (length("nome_cliente") <= 200),
  "tipo_cliente" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("tipo_cliente") <= 20),
  "cpf_cnpj" VARCHAR(20) COLLATE NOCASE CHECK (length("cpf_cnpj") <= 20),
  "email" VARCHAR(254) COLLATE NOCASE CHECK (length("email") <= 254),
  "telefone" VARCHAR(30) COLLATE NOCASE CHECK (length("telefone") <= 30),
  "data_nascimento" TEXT CHECK ("data_nascimento" IS strftime('%Y-%m-%d', "data_nascimento")),
  "genero" CHAR(1) COLLATE NOCASE CHECK (length("genero") <= 1),
  "score_credito" INT,
  "endereco_completo" NVARCHAR(400) COLLATE NOCASE CHECK (length("endereco_completo") <= 400),
  "cidade" NVARCHAR(120) COLLATE NOCASE CHECK (length("cidade") <= 120),
  "estado" CHAR(2) COLLATE NOCASE CHECK (length("estado") <= 2),
  "cep" VARCHAR(9) COLLATE NOCASE CHECK (length("cep") <= 9),
  "situacao" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("situacao") <= 20),
  "eh_ativo" BIT NOT NULL CHECK ("eh_ativo" IN (0, 1)),
  "data_cadastro" TEXT NOT NULL CHECK ("data_cadastro" IS strftime('%Y-%m-%d %H:%M:%S', "data_cadastro")),
  "data_ultima_atualizacao" TEXT NOT NULL CHECK ("data_ultima_atualizacao" IS strftime('%Y-%m-%d %H:%M:%S', "data_ultima_atualizacao")),
  UNIQUE ("cliente_original_id")
);

CREATE TABLE IF NOT EXISTS "DIM_PRODUTO" (
  "produto_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "produto_original_id" BIGINT NOT NULL,
  "codigo_sku" VARCHAR(40) COLLATE NOCASE NOT NULL CHECK (length("codigo_sku") <= 40),
  "nome_produto" NVARCHAR(200) COLLATE NOCASE NOT NULL CHECK (length("nome_produto") <= 200),
  "categoria" NVARCHAR(80) COLLATE NOCASE NOT NULL CHECK (length("categoria") <= 80),
  "marca" NVARCHAR(80) COLLATE NOCASE NOT NULL CHECK (length("marca") <= 80),
  "preco_custo" DECIMAL(18, 2) NOT NULL,
  "preco_tabela" DECIMAL(18, 2) NOT NULL,
  "situacao" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("situacao") <= 20),
  "eh_ativo" BIT NOT NULL CHECK ("eh_ativo" IN (0, 1)),
  "data_ultima_atualizacao" TEXT NOT NULL CHECK ("data_ultima_atualizacao" IS strftime('%Y-%m-%d %H:%M:%S', "data_ultima_atualizacao")),
  UNIQUE ("produto_original_id")
);

CREATE TABLE IF NOT EXISTS "DIM_REGIAO" (
  "regiao_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "regiao_original_id" BIGINT NOT NULL,
  "nome_regiao" NVARCHAR(60) COLLATE NOCASE NOT NULL CHECK (length("nome_regiao") <= 60),
  "nome_estado" NVARCHAR(60) COLLATE NOCASE NOT NULL CHECK (length("nome_estado") <= 60),
  "sigla_estado" CHAR(2) COLLATE NOCASE NOT NULL CHECK (length("sigla_estado") <= 2),
  "cidade" NVARCHAR(120) COLLATE NOCASE NOT NULL CHECK (length("cidade") <= 120),
  "eh_ativo" BIT NOT NULL CHECK ("eh_ativo" IN (0, 1)),
  "data_ultima_atualizacao" TEXT NOT NULL CHECK ("data_ultima_atualizacao" IS strftime('%Y-%m-%d %H:%M:%S', "data_ultima_atualizacao")),
  UNIQUE ("regiao_original_id")
);

CREATE TABLE IF NOT EXISTS "DIM_EQUIPE" (
  "equipe_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "equipe_original_id" BIGINT NOT NULL,
  "nome_equipe" NVARCHAR(100) COLLATE NOCASE NOT NULL CHECK (length("nome_equipe") <= 100),
  "tipo_equipe" VARCHAR(30) COLLATE NOCASE NOT NULL CHECK (length("tipo_equipe") <= 30),
  "regiao_id" BIGINT NOT NULL,
  "situacao" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("situacao") <= 20),
  "eh_ativa" BIT NOT NULL CHECK ("eh_ativa" IN (0, 1)),
  "data_ultima_atualizacao" TEXT NOT NULL CHECK ("data_ultima_atualizacao" IS strftime('%Y-%m-%d %H:%M:%S', "data_ultima_atualizacao")),
  UNIQUE ("equipe_original_id"),
  FOREIGN KEY ("regiao_id") REFERENCES "DIM_REGIAO" ("regiao_id")
);

CREATE TABLE IF NOT EXISTS "DIM_VENDEDOR" (
  "vendedor_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "vendedor_original_id" BIGINT NOT NULL,
  "nome_vendedor" NVARCHAR(200) COLLATE NOCASE NOT NULL CHECK (length("nome_vendedor") <= 200),
  "cpf" VARCHAR(20) COLLATE NOCASE CHECK (length("cpf") <= 20),
  "email" VARCHAR(254) COLLATE NOCASE CHECK (length("email") <= 254),
  "email_pessoal" VARCHAR(254) COLLATE NOCASE CHECK (length("email_pessoal") <= 254),
  "telefone_celular" VARCHAR(30) COLLATE NOCASE CHECK (length("telefone_celular") <= 30),
  "telefone_comercial" VARCHAR(30) COLLATE NOCASE CHECK (length("telefone_comercial") <= 30),
  "equipe_id" BIGINT NOT NULL,
  "data_admissao" TEXT NOT NULL CHECK ("data_admissao" IS strftime('%Y-%m-%d', "data_admissao")),
  "situacao" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("situacao") <= 20),
  "eh_ativo" BIT NOT NULL CHECK ("eh_ativo" IN (0, 1)),
  "data_ultima_atualizacao" TEXT NOT NULL CHECK ("data_ultima_atualizacao" IS strftime('%Y-%m-%d %H:%M:%S', "data_ultima_atualizacao")),
  UNIQUE ("vendedor_original_id"),
  FOREIGN KEY ("equipe_id") REFERENCES "DIM_EQUIPE" ("equipe_id")
);

CREATE TABLE IF NOT EXISTS "DIM_DESCONTO" (
  "desconto_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "desconto_original_id" BIGINT NOT NULL,
  "codigo_campanha" VARCHAR(40) COLLATE NOCASE NOT NULL CHECK (length("codigo_campanha") <= 40),
  "nome_campanha" NVARCHAR(150) COLLATE NOCASE NOT NULL CHECK (length("nome_campanha") <= 150),
  "tipo_desconto" VARCHAR(30) COLLATE NOCASE NOT NULL CHECK (length("tipo_desconto") <= 30),
  "percentual_desconto" DECIMAL(5, 2) NOT NULL,
  "data_inicio" TEXT NOT NULL CHECK ("data_inicio" IS strftime('%Y-%m-%d', "data_inicio")),
  "data_fim" TEXT CHECK ("data_fim" IS strftime('%Y-%m-%d', "data_fim")),
  "situacao" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("situacao") <= 20),
  "eh_ativo" BIT NOT NULL CHECK ("eh_ativo" IN (0, 1)),
  "data_ultima_atualizacao" TEXT NOT NULL CHECK ("data_ultima_atualizacao" IS strftime('%Y-%m-%d %H:%M:%S', "data_ultima_atualizacao")),
  UNIQUE ("desconto_original_id")
);
