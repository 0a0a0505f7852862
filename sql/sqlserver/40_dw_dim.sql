-- DW_ECOMMERCE, schema dim. data_ultima_atualizacao holds the source's updated_at, not the load time.

IF SCHEMA_ID(N'dim') IS NULL EXEC (N'CREATE SCHEMA dim AUTHORIZATION dbo;');
GO

IF OBJECT_ID(N'dim.DIM_CLIENTE', N'U') IS NULL
BEGIN
    CREATE TABLE dim.DIM_CLIENTE
    (
        cliente_id              BIGINT IDENTITY(1, 1) NOT NULL,
        cliente_original_id     BIGINT        NOT NULL,
        nome_cliente            NVARCHAR(200) NOT NULL,
        tipo_cliente            VARCHAR(20)   NOT NULL,
        cpf_cnpj                VARCHAR(20)   NULL,
        email                   VARCHAR(254)  NULL,
        telefone                VARCHAR(30)   NULL,
        data_nascimento         DATE          NULL,
        genero                  CHAR(1)       NULL,
        score_credito           INT           NULL,
        endereco_completo       NVARCHAR(400) NULL,
        cidade                  NVARCHAR(120) NULL,
        estado                  CHAR(2)       NULL,
        cep                     VARCHAR(9)    NULL,
        situacao                VARCHAR(20)   NOT NULL,
        eh_ativo                BIT           NOT NULL,
        data_cadastro           DATETIME2(0)  NOT NULL,
        data_ultima_atualizacao DATETIME2(0)  NOT NULL,
        CONSTRAINT PK_DIM_CLIENTE PRIMARY KEY CLUSTERED (cliente_id),
        CONSTRAINT UQ_DIM_CLIENTE_original UNIQUE (cliente_original_id)
    );
END;
GO

IF OBJECT_ID(N'dim.DIM_PRODUTO', N'U') IS NULL
BEGIN
    CREATE TABLE dim.DIM_PRODUTO
    (
        produto_id              BIGINT IDENTITY(1, 1) NOT NULL,
        produto_original_id     BIGINT         NOT NULL,
        codigo_sku              VARCHAR(40)    NOT NULL,
        nome_produto            NVARCHAR(200)  NOT NULL,
        categoria               NVARCHAR(80)   NOT NULL,
        marca                   NVARCHAR(80)   NOT NULL,
        preco_custo             DECIMAL(18, 2) NOT NULL,
        preco_tabela            DECIMAL(18, 2) NOT NULL,
        situacao                VARCHAR(20)    NOT NULL,
        eh_ativo                BIT            NOT NULL,
        data_ultima_atualizacao DATETIME2(0)   NOT NULL,
        CONSTRAINT PK_DIM_PRODUTO PRIMARY KEY CLUSTERED (produto_id),
        CONSTRAINT UQ_DIM_PRODUTO_original UNIQUE (produto_original_id)
    );
END;
GO

IF OBJECT_ID(N'dim.DIM_REGIAO', N'U') IS NULL
BEGIN
    CREATE TABLE dim.DIM_REGIAO
    (
        regiao_id               BIGINT IDENTITY(1, 1) NOT NULL,
        regiao_original_id      BIGINT        NOT NULL,
        nome_regiao             NVARCHAR(60)  NOT NULL,
        nome_estado             NVARCHAR(60)  NOT NULL,
        sigla_estado            CHAR(2)       NOT NULL,
        cidade                  NVARCHAR(120) NOT NULL,
        eh_ativo                BIT           NOT NULL,
        data_ultima_atualizacao DATETIME2(0)  NOT NULL,
        CONSTRAINT PK_DIM_REGIAO PRIMARY KEY CLUSTERED (regiao_id),
        CONSTRAINT UQ_DIM_REGIAO_original UNIQUE (regiao_original_id)
    );
END;
GO

IF OBJECT_ID(N'dim.DIM_EQUIPE', N'U') IS NULL
BEGIN
    CREATE TABLE dim.DIM_EQUIPE
    (
        equipe_id               BIGINT IDENTITY(1, 1) NOT NULL,
        equipe_original_id      BIGINT        NOT NULL,
        nome_equipe             NVARCHAR(100) NOT NULL,
        tipo_equipe             VARCHAR(30)   NOT NULL,
        regiao_id               BIGINT        NOT NULL,
        situacao                VARCHAR(20)   NOT NULL,
        eh_ativa                BIT           NOT NULL,
        data_ultima_atualizacao DATETIME2(0)  NOT NULL,
        CONSTRAINT PK_DIM_EQUIPE PRIMARY KEY CLUSTERED (equipe_id),
        CONSTRAINT UQ_DIM_EQUIPE_original UNIQUE (equipe_original_id),
        CONSTRAINT FK_DIM_EQUIPE_regiao FOREIGN KEY (regiao_id) REFERENCES dim.DIM_REGIAO (regiao_id)
    );
END;
GO

IF OBJECT_ID(N'dim.DIM_VENDEDOR', N'U') IS NULL
BEGIN
    CREATE TABLE dim.DIM_VENDEDOR
    (
        vendedor_id             BIGINT IDENTITY(1, 1) NOT NULL,
        vendedor_original_id    BIGINT        NOT NULL,
        nome_vendedor           NVARCHAR(200) NOT NULL,
        cpf                     VARCHAR(20)   NULL,
        email                   VARCHAR(254)  NULL,
        email_pessoal           VARCHAR(254)  NULL,
        telefone_celular        VARCHAR(30)   NULL,
        telefone_comercial      VARCHAR(30)   NULL,
        equipe_id               BIGINT        NOT NULL,
        data_admissao           DATE          NOT NULL,
        situacao                VARCHAR(20)   NOT NULL,
        eh_ativo                BIT           NOT NULL,
        data_ultima_atualizacao DATETIME2(0)  NOT NULL,
        CONSTRAINT PK_DIM_VENDEDOR PRIMARY KEY CLUSTERED (vendedor_id),
        CONSTRAINT UQ_DIM_VENDEDOR_original UNIQUE (vendedor_original_id),
        CONSTRAINT FK_DIM_VENDEDOR_equipe FOREIGN KEY (equipe_id) REFERENCES dim.DIM_EQUIPE (equipe_id)
    );
END;
GO

IF OBJECT_ID(N'dim.DIM_DESCONTO', N'U') IS NULL
BEGIN
    CREATE TABLE dim.DIM_DESCONTO
    (
        desconto_id             BIGINT IDENTITY(1, 1) NOT NULL,
        desconto_original_id    BIGINT        NOT NULL,
        codigo_campanha         VARCHAR(40)   NOT NULL,
        nome_campanha           NVARCHAR(150) NOT NULL,
        tipo_desconto           VARCHAR(30)   NOT NULL,
        percentual_desconto     DECIMAL(5, 2) NOT NULL,
        data_inicio             DATE          NOT NULL,
        data_fim                DATE          NULL,
        situacao                VARCHAR(20)   NOT NULL,
        eh_ativo                BIT           NOT NULL,
        data_ultima_atualizacao DATETIME2(0)  NOT NULL,
        CONSTRAINT PK_DIM_DESCONTO PRIMARY KEY CLUSTERED (desconto_id),
        CONSTRAINT UQ_DIM_DESCONTO_original UNIQUE (desconto_original_id)
    );
END;
GO
