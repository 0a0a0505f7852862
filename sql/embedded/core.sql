-- Schema core for SQLite, written by tools/embedded_schema.py from sql/sqlserver/. Do not edit.

CREATE TABLE IF NOT EXISTS "regions" (
  "region_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "region_name" NVARCHAR(60) COLLATE NOCASE NOT NULL CHECK (length("region_name") <= 60),
  "state_name" NVARCHAR(60) COLLATE NOCASE NOT NULL CHECK (length("state_name") <= 60),
  "state_code" CHAR(2) COLLATE NOCASE NOT NULL CHECK (length("state_code") <= 2),
  "city" NVARCHAR(120) COLLATE NOCASE NOT NULL CHECK (length("city") <= 120),
  "status" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("status") <= 20),
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at"))
);

CREATE INDEX IF NOT EXISTS "IX_regions_updated_at" ON "regions" ("updated_at", "region_id");

CREATE TABLE IF NOT EXISTS "teams" (
  "team_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "team_name" NVARCHAR(100) COLLATE NOCASE NOT NULL CHECK (length("team_name") <= 100),
  "team_type" VARCHAR(30) COLLATE NOCASE NOT NULL CHECK (length("team_type") <= 30),
  "region_id" BIGINT NOT NULL,
  "status" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("status") <= 20),
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at")),
  FOREIGN KEY ("region_id") REFERENCES "regions" ("region_id")
);

CREATE INDEX IF NOT EXISTS "IX_teams_updated_at" ON "teams" ("updated_at", "team_id");

CREATE TABLE IF NOT EXISTS "sellers" (
  "seller_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "full_name" NVARCHAR(200) COLLATE NOCASE NOT NULL CHECK (length("full_name") <= 200),
  "document_number" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("document_number") <= 20),
  "email" VARCHAR(254) COLLATE NOCASE NOT NULL CHECK (length("email") <= 254),
  "personal_email" VARCHAR(254) COLLATE NOCASE CHECK (length("personal_email") <= 254),
  "phone" VARCHAR(30) COLLATE NOCASE CHECK (length("phone") <= 30),
  "commercial_phone" VARCHAR(30) COLLATE NOCASE CHECK (length("commercial_phone") <= 30),
  "team_id" BIGINT NOT NULL,
  "status" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("status") <= 20),
  "hired_on" TEXT NOT NULL CHECK ("hired_on" IS strftime('%Y-%m-%d', "hired_on")),
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at")),
  UNIQUE ("document_number"),
  FOREIGN KEY ("team_id") REFERENCES "teams" ("team_id")
);

CREATE INDEX IF NOT EXISTS "IX_sellers_updated_at" ON "sellers" ("updated_at", "seller_id");

CREATE TABLE IF NOT EXISTS "customers" (
  "customer_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "full_name" NVARCHAR(200) COLLATE NOCASE NOT NULL CHECK (length("full_name") <= 200),
  "customer_type" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("customer_type") <= 20),
  "document_number" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("document_number") <= 20),
  "email" VARCHAR(254) COLLATE NOCASE NOT NULL CHECK (length("email") <= 254),
  "phone" VARCHAR(30) COLLATE NOCASE CHECK (length("phone") <= 30),
  "birth_date" TEXT CHECK ("birth_date" IS strftime('%Y-%m-%d', "birth_date")),
  "gender" CHAR(1) COLLATE NOCASE CHECK (length("gender") <= 1),
  "credit_score" INT,
  "address_line" NVARCHAR(200) COLLATE NOCASE CHECK (length("address_line") <= 200),
  "district" NVARCHAR(100) COLLATE NOCASE CHECK (length("district") <= 100),
  "city" NVARCHAR(120) COLLATE NOCASE CHECK (length("city") <= 120),
  "state_code" CHAR(2) COLLATE NOCASE CHECK (length("state_code") <= 2),
  "zip_code" VARCHAR(9) COLLATE NOCASE CHECK (length("zip_code") <= 9),
  "region_id" BIGINT NOT NULL,
  "status" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("status") <= 20),
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at")),
  UNIQUE ("document_number"),
  CHECK (credit_score BETWEEN 0 AND 1000),
  FOREIGN KEY ("region_id") REFERENCES "regions" ("region_id")
);

CREATE INDEX IF NOT EXISTS "IX_customers_updated_at" ON "customers" ("updated_at", "customer_id");

CREATE TABLE IF NOT EXISTS "products" (
  "product_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "sku" VARCHAR(40) COLLATE NOCASE NOT NULL CHECK (length("sku") <= 40),
  "product_name" NVARCHAR(200) COLLATE NOCASE NOT NULL CHECK (length("product_name") <= 200),
  "category" NVARCHAR(80) COLLATE NOCASE NOT NULL CHECK (length("category") <= 80),
  "brand" NVARCHAR(80) COLLATE NOCASE NOT NULL CHECK (length("brand") <= 80),
  "cost_price" DECIMAL(18, 2) NOT NULL,
  "list_price" DECIMAL(18, 2) NOT NULL,
  "status" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("status") <= 20),
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at")),
  UNIQUE ("sku"),
  CHECK (cost_price >= 0 AND list_price >= 0)
);

CREATE INDEX IF NOT EXISTS "IX_products_updated_at" ON "products" ("updated_at", "product_id");

CREATE TABLE IF NOT EXISTS "discount_campaigns" (
  "discount_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "campaign_code" VARCHAR(40) COLLATE NOCASE NOT NULL CHECK (length("campaign_code") <= 40),
  "campaign_name" NVARCHAR(150) COLLATE NOCASE NOT NULL CHECK (length("campaign_name") <= 150),
  "discount_type" VARCHAR(30) COLLATE NOCASE NOT NULL CHECK (length("discount_type") <= 30),
  "percentage" DECIMAL(5, 2) NOT NULL,
  "starts_on" TEXT NOT NULL CHECK ("starts_on" IS strftime('%Y-%m-%d', "starts_on")),
  "ends_on" TEXT CHECK ("ends_on" IS strftime('%Y-%m-%d', "ends_on")),
  "status" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("status") <= 20),
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at")),
  UNIQUE ("campaign_code"),
  CHECK (percentage BETWEEN 0 AND 100)
);

CREATE INDEX IF NOT EXISTS "IX_discount_campaigns_updated_at" ON "discount_campaigns" ("updated_at", "discount_id");

CREATE TABLE IF NOT EXISTS "orders" (
  "order_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "order_number" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("order_number") <= 20),
  "customer_id" BIGINT NOT NULL,
  "seller_id" BIGINT NOT NULL,
  "region_id" BIGINT NOT NULL,
  "ordered_at" TEXT NOT NULL CHECK ("ordered_at" IS strftime('%Y-%m-%d %H:%M:%S', "ordered_at")),
  "status" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("status") <= 20),
  "total_amount" DECIMAL(18, 2) NOT NULL,
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at")),
  UNIQUE ("order_number"),
  FOREIGN KEY ("customer_id") REFERENCES "customers" ("customer_id"),
  FOREIGN KEY ("seller_id") REFERENCES "sellers" ("seller_id"),
  FOREIGN KEY ("region_id") REFERENCES "regions" ("region_id")
);

CREATE INDEX IF NOT EXISTS "IX_orders_updated_at" ON "orders" ("updated_at", "order_id");

CREATE TABLE IF NOT EXISTS "order_items" (
  "order_item_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "order_id" BIGINT NOT NULL,
  "product_id" BIGINT NOT NULL,
  "quantity" INT NOT NULL,
  "unit_price" DECIMAL(18, 2) NOT NULL,
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at")),
  CHECK (quantity > 0),
  FOREIGN KEY ("order_id") REFERENCES "orders" ("order_id"),
  FOREIGN KEY ("product_id") REFERENCES "products" ("product_id")
);

CREATE INDEX IF NOT EXISTS "IX_order_items_updated_at" ON "order_items" ("updated_at", "order_item_id");

CREATE INDEX IF NOT EXISTS "IX_order_items_order" ON "order_items" ("order_id");

CREATE TABLE IF NOT EXISTS "order_item_discounts" (
  "order_item_discount_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "order_item_id" BIGINT NOT NULL,
  "discount_id" BIGINT NOT NULL,
  "percentage" DECIMAL(5, 2) NOT NULL,
  "discount_amount" DECIMAL(18, 2) NOT NULL,
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at")),
  CHECK (discount_amount >= 0),
  FOREIGN KEY ("order_item_id") REFERENCES "order_items" ("order_item_id"),
  FOREIGN KEY ("discount_id") REFERENCES "discount_campaigns" ("discount_id")
);

CREATE INDEX IF NOT EXISTS "IX_order_item_discounts_updated_at" ON "order_item_discounts" ("updated_at", "order_item_discount_id");

CREATE INDEX IF NOT EXISTS "IX_order_item_discounts_item" ON "order_item_discounts" ("order_item_id");

CREATE TABLE IF NOT EXISTS "seller_targets_monthly" (
  "seller_target_id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "seller_id" BIGINT NOT NULL,
  "month_start" TEXT NOT NULL CHECK ("month_start" IS strftime('%Y-%m-%d', "month_start")),
  "period_type" VARCHAR(20) COLLATE NOCASE NOT NULL CHECK (length("period_type") <= 20),
  "target_amount" DECIMAL(18, 2) NOT NULL,
  "target_quantity" INT NOT NULL,
  "achieved_amount" DECIMAL(18, 2) NOT NULL,
  "created_at" TEXT NOT NULL CHECK ("created_at" IS strftime('%Y-%m-%d %H:%M:%S', "created_at")),
  "updated_at" TEXT NOT NULL CHECK ("updated_at" IS strftime('%Y-%m-%d %H:%M:%S', "updated_at")),
  "deleted_at" TEXT CHECK ("deleted_at" IS strftime('%Y-%m-%d %H:%M:%S', "deleted_at")),
  UNIQUE ("seller_id", "month_start", "period_type"),
  FOREIGN KEY ("seller_id") REFERENCES "sellers" ("seller_id")
);

CREATE INDEX IF NOT EXISTS "IX_seller_targets_monthly_updated_at" ON "seller_targets_monthly" ("updated_at", "seller_target_id");
