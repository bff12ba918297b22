-- Notifications: the read model that people and operators look at, and what their dispatcher works with.

-- notification/notifications: read models have no foreign keys, triggers or named indexes (see 0002).
CREATE TABLE notifications (
    notification_id uuid        PRIMARY KEY,
    learner_id      uuid        NOT NULL,
    tenant          text        NOT NULL,
    cause_type      text        NOT NULL,
    cause_position  bigint      NOT NULL,
    template        text        NOT NULL,
    topic           text        NOT NULL,
    language        text        NOT NULL,
    parameters      jsonb       NOT NULL,
    requested_at    timestamptz NOT NULL,
    -- Where and when it came into the inbox; none before.
    inbox_position  bigint,
    inbox_at        timestamptz,
    read_at         timestamptz,
    version         bigint      NOT NULL,
    position        bigint      NOT NULL
);
CREATE INDEX ON notifications (learner_id, inbox_position);

CREATE TABLE notification_deliveries (
    notification_id uuid        NOT NULL,
    channel         text        NOT NULL,
    learner_id      uuid        NOT NULL,
    tenant          text        NOT NULL,
    state           text        NOT NULL
                    CHECK (state IN ('scheduled', 'delivered', 'suppressed', 'dead_lettered', 'cancelled')),
    not_before      timestamptz,
    attempts        bigint      NOT NULL,
    reason          text,
    updated_at      timestamptz NOT NULL,
    position        bigint      NOT NULL,
    PRIMARY KEY (notification_id, channel)
);
CREATE INDEX ON notification_deliveries (tenant, state, position);

-- How far the dispatcher has read the log, and in which epoch of its lease.
CREATE TABLE notification_dispatch (
    only_row   boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    position   bigint      NOT NULL,
    epoch      bigint      NOT NULL,
    error      text,
    updated_at timestamptz NOT NULL
);

-- What the dispatcher is to look at, and when: timers that survive it. The notification itself says what is to be done.
CREATE TABLE notification_timers (
    notification_id uuid        NOT NULL,
    channel         text        NOT NULL,
    tenant          text        NOT NULL,
    not_before      timestamptz NOT NULL,
    correlation_id  uuid        NOT NULL,
    causation_id    uuid        NOT NULL,
    PRIMARY KEY (notification_id, channel)
);
CREATE INDEX notification_timers_due ON notification_timers (not_before);

-- The webhooks of each tenant as of the dispatcher's position.
CREATE TABLE webhook_routes (
    tenant text  PRIMARY KEY,
    state  jsonb NOT NULL
);

-- Events that webhooks are told of: a row is enqueued in the transaction that moves the dispatcher's position past its
-- event, so there is one for each, whatever is killed.
CREATE TABLE webhook_deliveries (
    webhook_id      uuid        NOT NULL,
    position        bigint      NOT NULL, -- of the event
    tenant          text        NOT NULL,
    event_id        uuid        NOT NULL,
    event_type      text        NOT NULL,
    state           text        NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'delivered', 'dead_lettered')),
    attempts        int         NOT NULL DEFAULT 0,
    forgiven        int         NOT NULL DEFAULT 0, -- attempts before the latest replay
    next_attempt_at timestamptz NOT NULL,
    last_error      text,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (webhook_id, position)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_done ON webhook_deliveries (updated_at) WHERE state = 'delivered';
