-- Read models of learning kits. What holds for those of 0002 holds for these.

-- kit/kits
CREATE TABLE kits (
    kit_id          uuid        PRIMARY KEY,
    learner_id      uuid        NOT NULL,
    subscription_id uuid        NOT NULL,
    period          bigint      NOT NULL,
    invoice_id      uuid        NOT NULL,
    stage           text        NOT NULL CHECK (stage IN ('curated', 'packed', 'shipped', 'in_transit', 'delivered',
                                                         'returned', 'cancelled')),
    reserved        boolean     NOT NULL,
    reveal_at       timestamptz,
    revealed        boolean     NOT NULL,
    items           jsonb       NOT NULL,
    grams           bigint,
    address_missing boolean     NOT NULL,
    shipment        jsonb,
    cancel_reason   text,
    refunded        jsonb,
    opened_at       timestamptz NOT NULL,
    paid_at         timestamptz,
    packed_at       timestamptz,
    shipped_at      timestamptz,
    in_transit_at   timestamptz,
    delivered_at    timestamptz,
    ended_at        timestamptz,
    opened_position bigint      NOT NULL,
    version         bigint      NOT NULL,
    position        bigint      NOT NULL
);
CREATE INDEX ON kits (learner_id, opened_position);

CREATE TABLE kit_units (
    kit_id     uuid        NOT NULL,
    slot       bigint      NOT NULL,
    unit_id    uuid        NOT NULL,
    sku        text        NOT NULL,
    opens      text        NOT NULL,
    lesson_id  uuid,
    scanned_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (kit_id, slot)
);

-- kit/stock
CREATE TABLE stock (
    stock_id   uuid        PRIMARY KEY,
    tenant     text        NOT NULL,
    sku        text        NOT NULL,
    on_hand    bigint      NOT NULL,
    threshold  bigint      NOT NULL,
    low        boolean     NOT NULL,
    ran_out    boolean     NOT NULL,
    received   bigint      NOT NULL,
    committed  bigint      NOT NULL,
    returned   bigint      NOT NULL,
    declined   bigint      NOT NULL,
    lost       bigint      NOT NULL,
    changed_at timestamptz NOT NULL,
    version    bigint      NOT NULL,
    position   bigint      NOT NULL
);
CREATE INDEX ON stock (tenant, sku);

CREATE TABLE stock_reservations (
    stock_id       uuid        NOT NULL,
    reservation_id uuid        NOT NULL,
    units          bigint      NOT NULL,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (stock_id, reservation_id)
);

-- kit/skus
CREATE TABLE skus (
    tenant   text    NOT NULL,
    sku      text    NOT NULL,
    revision bigint  NOT NULL,
    listing  jsonb   NOT NULL,
    retired  boolean NOT NULL,
    version  bigint  NOT NULL,
    position bigint  NOT NULL,
    PRIMARY KEY (tenant, sku)
);

-- kit/kit_plans
CREATE TABLE kit_plans (
    tenant   text   NOT NULL,
    plan_id  text   NOT NULL,
    terms    jsonb,
    version  bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant, plan_id)
);
