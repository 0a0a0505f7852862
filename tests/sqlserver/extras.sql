-- Two tables outside the contract, for a control row that has never run: any row added to ctl.etl_control
-- must show up and work (CONTRACT.md). Only the embedded demonstration has them.

IF OBJECT_ID(N'core.carriers', N'U') IS NULL
BEGIN
    CREATE TABLE core.carriers
    (
        carrier_id   BIGINT IDENTITY(1, 1) NOT NULL,
        carrier_name NVARCHAR(150) NOT NULL,
        status       VARCHAR(20)   NOT NULL,
        created_at   DATETIME2(0)  NOT NULL,
        updated_at   DATETIME2(0)  NOT NULL,
        deleted_at   DATETIME2(0)  NULL,
        CONSTRAINT PK_carriers PRIMARY KEY CLUSTERED (carrier_id)
    );

    CREATE INDEX IX_carriers_updated_at ON core.carriers (updated_at, carrier_id);
END;
GO

IF OBJECT_ID(N'dim.DIM_TRANSPORTADORA', N'U') IS NULL
BEGIN
    CREATE TABLE dim.DIM_TRANSPORTADORA
    (
        transportadora_id          BIGINT IDENTITY(1, 1) NOT NULL,
        transportadora_original_id BIGINT        NOT NULL,
        nome_transportadora        NVARCHAR(150) NOT NULL,
        situacao                   VARCHAR(20)   NOT NULL,
        eh_ativo                   BIT           NOT NULL,
        data_ultima_atualizacao    DATETIME2(0)  NOT NULL,
        CONSTRAINT PK_DIM_TRANSPORTADORA PRIMARY KEY CLUSTERED (transportadora_id),
        CONSTRAINT UQ_DIM_TRANSPORTADORA_original UNIQUE (transportadora_original_id)
    );
END;
GO
