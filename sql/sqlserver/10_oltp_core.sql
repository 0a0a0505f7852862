-- ECOMMERCE_OLTP, schema core: the shop. Every table has created_at, updated_at, deleted_at (a soft delete)
-- and an index on (updated_at, key), which is what an incremental load seeks by.

IF SCHEMA_ID(N'core') IS NULL EXEC (N'CREATE SCHEMA core AUTHORIZATION dbo;');
GO

IF OBJECT_ID(N'core.regions', N'U') IS NULL
BEGIN
    CREATE TABLE core.regions
    (
        region_id   BIGINT IDENTITY(1, 1) NOT NULL,
        region_name NVARCHAR(60)  NOT NULL,          -- Norte, Nordeste, ...
        state_name  NVARCHAR(60)  NOT NULL,
        state_code  CHAR(2)       NOT NULL,
        city        NVARCHAR(120) NOT NULL,
        status      VARCHAR(20)   NOT NULL,
        created_at  DATETIME2(0)  NOT NULL,
        updated_at  DATETIME2(0)  NOT NULL,
        deleted_at  DATETIME2(0)  NULL,
        CONSTRAINT PK_regions PRIMARY KEY CLUSTERED (region_id)
    );

    CREATE INDEX IX_regions_updated_at ON core.regions (updated_at, region_id);
END;
GO

IF OBJECT_ID(N'core.teams', N'U') IS NULL
BEGIN
    CREATE TABLE core.teams
    (
        team_id    BIGINT IDENTITY(1, 1) NOT NULL,
        team_name  NVARCHAR(100) NOT NULL,
        team_type  VARCHAR(30)   NOT NULL,
        region_id  BIGINT        NOT NULL,
        status     VARCHAR(20)   NOT NULL,
        created_at DATETIME2(0)  NOT NULL,
        updated_at DATETIME2(0)  NOT NULL,
        deleted_at DATETIME2(0)  NULL,
        CONSTRAINT PK_teams PRIMARY KEY CLUSTERED (team_id),
        CONSTRAINT FK_teams_region FOREIGN KEY (region_id) REFERENCES core.regions (region_id)
    );

    CREATE INDEX IX_teams_updated_at ON core.teams (updated_at, team_id);
END;
GO

IF OBJECT_ID(N'core.sellers', N'U') IS NULL
BEGIN
    CREATE TABLE core.sellers
    (
        seller_id        BIGINT IDENTITY(1, 1) NOT NULL,
        full_name        NVARCHAR(200) NOT NULL,
        document_number  VARCHAR(20)   NOT NULL,
        email            VARCHAR(254)  NOT NULL,
        personal_email   VARCHAR(254)  NULL,
        phone            VARCHAR(30)   NULL,
        commercial_phone VARCHAR(30)   NULL,
        team_id          BIGINT        NOT NULL,
        status           VARCHAR(20)   NOT NULL,
        hired_on         DATE          NOT NULL,
        created_at       DATETIME2(0)  NOT NULL,
        updated_at       DATETIME2(0)  NOT NULL,
        deleted_at       DATETIME2(0)  NULL,
        CONSTRAINT PK_sellers PRIMARY KEY CLUSTERED (seller_id),
        CONSTRAINT UQ_sellers_document UNIQUE (document_number),
        CONSTRAINT FK_sellers_team FOREIGN KEY (team_id) REFERENCES core.teams (team_id)
    );

    CREATE INDEX IX_sellers_updated_at ON core.sellers (updated_at, seller_id);
END;
GO

IF OBJECT_ID(N'core.customers', N'U') IS NULL
BEGIN
    CREATE TABLE core.customers
    (
        customer_id     BIGINT IDENTITY(1, 1) NOT NULL,
        full_name       NVARCHAR(200) NOT NULL,
        customer_type   VARCHAR(20)   NOT NULL,      -- PESSOA_FISICA, PESSOA_JURIDICA
        document_number VARCHAR(20)   NOT NULL,
        email           VARCHAR(254)  NOT NULL,
        phone           VARCHAR(30)   NULL,
        birth_date      DATE          NULL,
        gender          CHAR(1)       NULL,
        credit_score    INT           NULL,
        address_line    NVARCHAR(200) NULL,
        district        NVARCHAR(100) NULL,
        city            NVARCHAR(120) NULL,
        state_code      CHAR(2)       NULL,
        zip_code        VARCHAR(9)    NULL,
        region_id       BIGINT        NOT NULL,
        status          VARCHAR(20)   NOT NULL,
        created_at      DATETIME2(0)  NOT NULL,
        updated_at      DATETIME2(0)  NOT NULL,
        deleted_at      DATETIME2(0)  NULL,
        CONSTRAINT PK_customers PRIMARY KEY CLUSTERED (customer_id),
        CONSTRAINT UQ_customers_document UNIQUE (document_number),
        CONSTRAINT CK_customers_credit_score CHECK (credit_score BETWEEN 0 AND 1000),
        CONSTRAINT FK_customers_region FOREIGN KEY (region_id) REFERENCES core.regions (region_id)
    );

    CREATE INDEX IX_customers_updated_at ON core.customers (updated_at, customer_id);
END;
GO

IF OBJECT_ID(N'core.products', N'U') IS NULL
BEGIN
    CREATE TABLE core.products
    (
        product_id   BIGINT IDENTITY(1, 1) NOT NULL,
        sku          VARCHAR(40)    NOT NULL,
        product_name NVARCHAR(200)  NOT NULL,
        category     NVARCHAR(80)   NOT NULL,
        brand        NVARCHAR(80)   NOT NULL,
        cost_price   DECIMAL(18, 2) NOT NULL,
        list_price   DECIMAL(18, 2) NOT NULL,
        status       VARCHAR(20)    NOT NULL,
        created_at   DATETIME2(0)   NOT NULL,
        updated_at   DATETIME2(0)   NOT NULL,
        deleted_at   DATETIME2(0)   NULL,
        CONSTRAINT PK_products PRIMARY KEY CLUSTERED (product_id),
        CONSTRAINT UQ_products_sku UNIQUE (sku),
        CONSTRAINT CK_products_prices CHECK (cost_price >= 0 AND list_price >= 0)
    );

    CREATE INDEX IX_products_updated_at ON core.products (updated_at, product_id);
END;
GO

IF OBJECT_ID(N'core.discount_campaigns', N'U') IS NULL
BEGIN
    CREATE TABLE core.discount_campaigns
    (
        discount_id   BIGINT IDENTITY(1, 1) NOT NULL,
        campaign_code VARCHAR(40)   NOT NULL,
        campaign_name NVARCHAR(150) NOT NULL,
        discount_type VARCHAR(30)   NOT NULL,
        percentage    DECIMAL(5, 2) NOT NULL,
        starts_on     DATE          NOT NULL,
        ends_on       DATE          NULL,
        status        VARCHAR(20)   NOT NULL,
        created_at    DATETIME2(0)  NOT NULL,
        updated_at    DATETIME2(0)  NOT NULL,
        deleted_at    DATETIME2(0)  NULL,
        CONSTRAINT PK_discount_campaigns PRIMARY KEY CLUSTERED (discount_id),
        CONSTRAINT UQ_discount_campaigns_code UNIQUE (campaign_code),
        CONSTRAINT CK_discount_campaigns_percentage CHECK (percentage BETWEEN 0 AND 100)
    );

    CREATE INDEX IX_discount_campaigns_updated_at ON core.discount_campaigns (updated_at, discount_id);
END;
GO

-- No pipeline of its own: its updated_at counts for the rows of its items (fact_vendas, fact_descontos).
IF OBJECT_ID(N'core.orders', N'U') IS NULL
BEGIN
    CREATE TABLE core.orders
    (
        order_id     BIGINT IDENTITY(1, 1) NOT NULL,
        order_number VARCHAR(20)    NOT NULL,
        customer_id  BIGINT         NOT NULL,
        seller_id    BIGINT         NOT NULL,
        region_id    BIGINT         NOT NULL,        -- where it is delivered
        ordered_at   DATETIME2(0)   NOT NULL,
        status       VARCHAR(20)    NOT NULL,        -- CRIADO, PAGO, ENVIADO, ENTREGUE, CANCELADO
        total_amount DECIMAL(18, 2) NOT NULL,
        created_at   DATETIME2(0)   NOT NULL,
        updated_at   DATETIME2(0)   NOT NULL,
        deleted_at   DATETIME2(0)   NULL,
        CONSTRAINT PK_orders PRIMARY KEY CLUSTERED (order_id),
        CONSTRAINT UQ_orders_number UNIQUE (order_number),
        CONSTRAINT FK_orders_customer FOREIGN KEY (customer_id) REFERENCES core.customers (customer_id),
        CONSTRAINT FK_orders_seller FOREIGN KEY (seller_id) REFERENCES core.sellers (seller_id),
        CONSTRAINT FK_orders_region FOREIGN KEY (region_id) REFERENCES core.regions (region_id)
    );

    CREATE INDEX IX_orders_updated_at ON core.orders (updated_at, order_id);
END;
GO

IF OBJECT_ID(N'core.order_items', N'U') IS NULL
BEGIN
    CREATE TABLE core.order_items
    (
        order_item_id BIGINT IDENTITY(1, 1) NOT NULL,
        order_id      BIGINT         NOT NULL,
        product_id    BIGINT         NOT NULL,
        quantity      INT            NOT NULL,
        unit_price    DECIMAL(18, 2) NOT NULL,
        created_at    DATETIME2(0)   NOT NULL,
        updated_at    DATETIME2(0)   NOT NULL,
        deleted_at    DATETIME2(0)   NULL,
        CONSTRAINT PK_order_items PRIMARY KEY CLUSTERED (order_item_id),
        CONSTRAINT FK_order_items_order FOREIGN KEY (order_id) REFERENCES core.orders (order_id),
        CONSTRAINT FK_order_items_product FOREIGN KEY (product_id) REFERENCES core.products (product_id),
        CONSTRAINT CK_order_items_quantity CHECK (quantity > 0)
    );

    CREATE INDEX IX_order_items_updated_at ON core.order_items (updated_at, order_item_id);
    CREATE INDEX IX_order_items_order ON core.order_items (order_id);
END;
GO

IF OBJECT_ID(N'core.order_item_discounts', N'U') IS NULL
BEGIN
    CREATE TABLE core.order_item_discounts
    (
        order_item_discount_id BIGINT IDENTITY(1, 1) NOT NULL,
        order_item_id          BIGINT         NOT NULL,
        discount_id            BIGINT         NOT NULL,
        percentage             DECIMAL(5, 2)  NOT NULL,
        discount_amount        DECIMAL(18, 2) NOT NULL,
        created_at             DATETIME2(0)   NOT NULL,
        updated_at             DATETIME2(0)   NOT NULL,
        deleted_at             DATETIME2(0)   NULL,
        CONSTRAINT PK_order_item_discounts PRIMARY KEY CLUSTERED (order_item_discount_id),
        CONSTRAINT FK_order_item_discounts_item FOREIGN KEY (order_item_id) REFERENCES core.order_items (order_item_id),
        CONSTRAINT FK_order_item_discounts_campaign FOREIGN KEY (discount_id)
            REFERENCES core.discount_campaigns (discount_id),
        CONSTRAINT CK_order_item_discounts_amount CHECK (discount_amount >= 0)
    );

    CREATE INDEX IX_order_item_discounts_updated_at
        ON core.order_item_discounts (updated_at, order_item_discount_id);
    CREATE INDEX IX_order_item_discounts_item ON core.order_item_discounts (order_item_id);
END;
GO

IF OBJECT_ID(N'core.seller_targets_monthly', N'U') IS NULL
BEGIN
    CREATE TABLE core.seller_targets_monthly
    (
        seller_target_id BIGINT IDENTITY(1, 1) NOT NULL,
        seller_id        BIGINT         NOT NULL,
        month_start      DATE           NOT NULL,
        period_type      VARCHAR(20)    NOT NULL,    -- MENSAL
        target_amount    DECIMAL(18, 2) NOT NULL,
        target_quantity  INT            NOT NULL,
        achieved_amount  DECIMAL(18, 2) NOT NULL,
        created_at       DATETIME2(0)   NOT NULL,
        updated_at       DATETIME2(0)   NOT NULL,
        deleted_at       DATETIME2(0)   NULL,
        CONSTRAINT PK_seller_targets_monthly PRIMARY KEY CLUSTERED (seller_target_id),
        CONSTRAINT UQ_seller_targets_monthly_period UNIQUE (seller_id, month_start, period_type),
        CONSTRAINT FK_seller_targets_monthly_seller FOREIGN KEY (seller_id) REFERENCES core.sellers (seller_id)
    );

    CREATE INDEX IX_seller_targets_monthly_updated_at
        ON core.seller_targets_monthly (updated_at, seller_target_id);
END;
GO
