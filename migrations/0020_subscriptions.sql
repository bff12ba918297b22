-- What people see of subscriptions and money: derived from the log, as 0002 says.

-- subscription/plans
CREATE TABLE plans (
    tenant      text        NOT NULL,
    plan_id     text        NOT NULL,
    number      bigint      NOT NULL, -- of the offer that stands
    offer       jsonb       NOT NULL,
    retired     boolean     NOT NULL,
    created_at  timestamptz NOT NULL,
    version     bigint      NOT NULL,
    position    bigint      NOT NULL,
    PRIMARY KEY (tenant, plan_id)
);

-- subscription/subscriptions: the contract as the aggregate has it.
CREATE TABLE subscriptions (
    subscription_id  uuid        PRIMARY KEY,
    subscriber       uuid        NOT NULL,
    contract         jsonb       NOT NULL,
    started_at       timestamptz NOT NULL,
    started_position bigint      NOT NULL,
    version          bigint      NOT NULL,
    position         bigint      NOT NULL
);
CREATE INDEX ON subscriptions (subscriber, started_position);

-- subscription/invoices
CREATE TABLE invoices (
    invoice_id      uuid        PRIMARY KEY,
    subscriber      uuid        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('open', 'paid', 'voided')),
    bill            jsonb       NOT NULL,
    payment_id      uuid, -- by which it was paid
    void_reason     text,
    issued_at       timestamptz NOT NULL,
    settled_at      timestamptz, -- when it was paid or voided
    issued_position bigint      NOT NULL,
    version         bigint      NOT NULL,
    position        bigint      NOT NULL
);
CREATE INDEX ON invoices (subscriber, issued_position);

-- subscription/payments
CREATE TABLE payments (
    payment_id      uuid        PRIMARY KEY,
    invoice_id      uuid        NOT NULL,
    subscriber      uuid        NOT NULL,
    amount          jsonb       NOT NULL,
    state           text        NOT NULL CHECK (state IN ('awaited', 'due', 'charging', 'succeeded', 'closed')),
    attempts_at     jsonb       NOT NULL, -- when the schedule charges it
    reference       text, -- of the charge that paid
    paid_at         timestamptz,
    issued_position bigint      NOT NULL, -- of its invoice
    version         bigint      NOT NULL,
    position        bigint      NOT NULL
);
CREATE INDEX ON payments (subscriber, issued_position);

CREATE TABLE payment_attempts (
    payment_id      uuid        NOT NULL,
    attempt         bigint      NOT NULL,
    surplus         text        NOT NULL, -- the charge that must not have been; empty for the attempt itself
    asked_by        text,
    state           text        NOT NULL CHECK (state IN ('in_flight', 'succeeded', 'failed', 'surplus')),
    reference       text,
    code            text,
    next_attempt_at timestamptz,
    began_at        timestamptz NOT NULL,
    ended_at        timestamptz,
    PRIMARY KEY (payment_id, attempt, surplus)
);

CREATE TABLE refunds (
    refund_id    uuid        PRIMARY KEY,
    payment_id   uuid        NOT NULL,
    reference    text        NOT NULL,
    amount       jsonb       NOT NULL,
    surplus      boolean     NOT NULL,
    reason       text        NOT NULL,
    state        text        NOT NULL CHECK (state IN ('requested', 'sent', 'rejected', 'succeeded', 'failed')),
    code         text,
    requested_at timestamptz NOT NULL,
    ended_at     timestamptz,
    position     bigint      NOT NULL
);
CREATE INDEX ON refunds (payment_id, position);

-- subscription/credits
CREATE TABLE credits (
    subscriber      uuid        PRIMARY KEY,
    balance         bigint      NOT NULL, -- bought and not used
    allowance_units bigint,
    allowance_used  bigint,
    allowance_from  timestamptz,
    allowance_until timestamptz,
    version         bigint      NOT NULL,
    position        bigint      NOT NULL
);

CREATE TABLE credit_purchases (
    purchase_id uuid        PRIMARY KEY,
    subscriber  uuid        NOT NULL,
    units       bigint      NOT NULL,
    total       jsonb       NOT NULL,
    invoice_id  uuid        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('billed', 'added', 'dropped', 'taken_back')),
    billed_at   timestamptz NOT NULL,
    position    bigint      NOT NULL
);
CREATE INDEX ON credit_purchases (subscriber, position);

-- subscription/ledger: every entry, and what they add up to. Sums may be larger than any one amount.
CREATE TABLE ledger_entries (
    position       bigint      NOT NULL, -- of the event
    number         int         NOT NULL, -- within its movement, from 1
    tenant         text        NOT NULL,
    aggregate_type text        NOT NULL,
    aggregate_id   text        NOT NULL,
    event_type     text        NOT NULL,
    account        text        NOT NULL,
    side           text        NOT NULL CHECK (side IN ('debit', 'credit')),
    minor          bigint      NOT NULL CHECK (minor > 0),
    currency       text        NOT NULL,
    decimals       int         NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (position, number)
);
CREATE INDEX ON ledger_entries (tenant, account, position);

CREATE TABLE ledger_accounts (
    tenant   text    NOT NULL,
    account  text    NOT NULL,
    currency text    NOT NULL,
    decimals int     NOT NULL,
    debits   numeric NOT NULL,
    credits  numeric NOT NULL,
    position bigint  NOT NULL,
    PRIMARY KEY (tenant, account, currency, decimals)
);

-- subscription/settlement
CREATE TABLE settlement_turnover (
    tenant   text    NOT NULL,
    month    date    NOT NULL, -- its first day, UTC
    currency text    NOT NULL,
    decimals int     NOT NULL,
    paid     numeric NOT NULL,
    refunded numeric NOT NULL,
    position bigint  NOT NULL,
    PRIMARY KEY (tenant, month, currency, decimals)
);

-- subscription/revenue: what is needed of each subscription, and what happened on each day.
CREATE TABLE revenue_subscriptions (
    subscription_id uuid    PRIMARY KEY,
    price           jsonb   NOT NULL,
    every           int     NOT NULL,
    unit            text    NOT NULL,
    discount        jsonb,
    stage           text    NOT NULL CHECK (stage IN ('trial', 'waiting', 'counted', 'paused', 'ended')),
    counted         bigint  NOT NULL, -- monthly recurring revenue that it is counted with, in minor units
    tried           boolean NOT NULL, -- it began with a trial that is not decided yet
    came_back       boolean NOT NULL, -- it was counted before
    dunning         boolean NOT NULL  -- a charge failed, and it is neither recovered nor lost
);

CREATE TABLE revenue_days (
    tenant            text   NOT NULL,
    day               date   NOT NULL, -- UTC
    currency          text   NOT NULL,
    decimals          int    NOT NULL,
    new               bigint NOT NULL DEFAULT 0,
    reactivated       bigint NOT NULL DEFAULT 0,
    expansion         bigint NOT NULL DEFAULT 0,
    contraction       bigint NOT NULL DEFAULT 0,
    churned           bigint NOT NULL DEFAULT 0,
    subscribers_new   bigint NOT NULL DEFAULT 0,
    subscribers_lost  bigint NOT NULL DEFAULT 0,
    trials_started    bigint NOT NULL DEFAULT 0,
    trials_converted  bigint NOT NULL DEFAULT 0,
    trials_lost       bigint NOT NULL DEFAULT 0,
    dunning_entered   bigint NOT NULL DEFAULT 0,
    dunning_recovered bigint NOT NULL DEFAULT 0,
    dunning_lost      bigint NOT NULL DEFAULT 0,
    position          bigint NOT NULL,
    PRIMARY KEY (tenant, day, currency, decimals)
);
