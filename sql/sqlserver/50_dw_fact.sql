-- DW_ECOMMERCE, schema fact. data_id is the day as yyyymmdd.

IF SCHEMA_ID(N'fact') IS NULL EXEC (N'CREATE SCHEMA fact AUTHORIZATION dbo;');
GO

-- data_atualizacao holds the load time: the source's own time is the later of two tables.
IF OBJECT_ID(N'fact.FACT_VENDAS', N'U') IS NULL
BEGIN
    CREATE TABLE fact.FACT_VENDAS
    (
        venda_id            BIGINT IDENTITY(1, 1) NOT NULL,
        venda_original_id   BIGINT         NOT NULL,
        data_id             INT            NOT NULL,
        cliente_id          BIGINT         NOT NULL,
        produto_id          BIGINT         NOT NULL,
        regiao_id           BIGINT         NOT NULL,
        vendedor_id         BIGINT         NOT NULL,
        equipe_id           BIGINT         NOT NULL,
        quantidade_vendida  INT            NOT NULL,
        valor_unitario      DECIMAL(18, 2) NOT NULL,
        valor_bruto         DECIMAL(18, 2) NOT NULL,
        valor_desconto      DECIMAL(18, 2) NOT NULL,
        valor_liquido       DECIMAL(18, 2) NOT NULL,
        percentual_desconto DECIMAL(5, 2)  NOT NULL,
        situacao_pedido     VARCHAR(20)    NOT NULL,
        eh_cancelada        BIT            NOT NULL,
        data_atualizacao    DATETIME2(0)   NOT NULL,
        CONSTRAINT PK_FACT_VENDAS PRIMARY KEY CLUSTERED (venda_id),
        CONSTRAINT UQ_FACT_VENDAS_original UNIQUE (venda_original_id),
        CONSTRAINT FK_FACT_VENDAS_cliente FOREIGN KEY (cliente_id) REFERENCES dim.DIM_CLIENTE (cliente_id),
        CONSTRAINT FK_FACT_VENDAS_produto FOREIGN KEY (produto_id) REFERENCES dim.DIM_PRODUTO (produto_id),
        CONSTRAINT FK_FACT_VENDAS_regiao FOREIGN KEY (regiao_id) REFERENCES dim.DIM_REGIAO (regiao_id),
        CONSTRAINT FK_FACT_VENDAS_vendedor FOREIGN KEY (vendedor_id) REFERENCES dim.DIM_VENDEDOR (vendedor_id),
        CONSTRAINT FK_FACT_VENDAS_equipe FOREIGN KEY (equipe_id) REFERENCES dim.DIM_EQUIPE (equipe_id)
    );
END;
GO

IF OBJECT_ID(N'fact.FACT_METAS', N'U') IS NULL
BEGIN
    CREATE TABLE fact.FACT_METAS
    (
        meta_id                 BIGINT IDENTITY(1, 1) NOT NULL,
        vendedor_id             BIGINT         NOT NULL,
        data_id                 INT            NOT NULL,
        tipo_periodo            VARCHAR(20)    NOT NULL,
        equipe_id               BIGINT         NOT NULL,
        valor_meta              DECIMAL(18, 2) NOT NULL,
        valor_realizado         DECIMAL(18, 2) NOT NULL,
        quantidade_meta         INT            NOT NULL,
        percentual_atingido     DECIMAL(9, 2)  NOT NULL,
        eh_cancelada            BIT            NOT NULL,
        data_ultima_atualizacao DATETIME2(0)   NOT NULL,
        CONSTRAINT PK_FACT_METAS PRIMARY KEY CLUSTERED (meta_id),
        CONSTRAINT UQ_FACT_METAS_periodo UNIQUE (vendedor_id, data_id, tipo_periodo),
        CONSTRAINT FK_FACT_METAS_vendedor FOREIGN KEY (vendedor_id) REFERENCES dim.DIM_VENDEDOR (vendedor_id),
        CONSTRAINT FK_FACT_METAS_equipe FOREIGN KEY (equipe_id) REFERENCES dim.DIM_EQUIPE (equipe_id)
    );
END;
GO

-- data_atualizacao holds the load time: the source's own time is the latest of three tables.
IF OBJECT_ID(N'fact.FACT_DESCONTOS', N'U') IS NULL
BEGIN
    CREATE TABLE fact.FACT_DESCONTOS
    (
        desconto_aplicado_id          BIGINT IDENTITY(1, 1) NOT NULL,
        desconto_aplicado_original_id BIGINT         NOT NULL,
        venda_id                      BIGINT         NOT NULL,
        desconto_id                   BIGINT         NOT NULL,
        cliente_id                    BIGINT         NOT NULL,
        produto_id                    BIGINT         NOT NULL,
        data_id                       INT            NOT NULL,
        quantidade_itens              INT            NOT NULL,
        percentual_desconto           DECIMAL(5, 2)  NOT NULL,
        valor_desconto                DECIMAL(18, 2) NOT NULL,
        eh_cancelada                  BIT            NOT NULL,
        data_atualizacao              DATETIME2(0)   NOT NULL,
        CONSTRAINT PK_FACT_DESCONTOS PRIMARY KEY CLUSTERED (desconto_aplicado_id),
        CONSTRAINT UQ_FACT_DESCONTOS_original UNIQUE (desconto_aplicado_original_id),
        CONSTRAINT FK_FACT_DESCONTOS_venda FOREIGN KEY (venda_id) REFERENCES fact.FACT_VENDAS (venda_id),
        CONSTRAINT FK_FACT_DESCONTOS_desconto FOREIGN KEY (desconto_id) REFERENCES dim.DIM_DESCONTO (desconto_id),
        CONSTRAINT FK_FACT_DESCONTOS_cliente FOREIGN KEY (cliente_id) REFERENCES dim.DIM_CLIENTE (cliente_id),
        CONSTRAINT FK_FACT_DESCONTOS_produto FOREIGN KEY (produto_id) REFERENCES dim.DIM_PRODUTO (produto_id)
    );
END;
GO
