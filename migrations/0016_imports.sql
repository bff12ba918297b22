-- Attempts of other systems (docs/import.md).

-- Ids of learners and attempts of a source are derived under its secret: whoever deletes the row has cut what ties
-- them to the names that the source knows.
CREATE TABLE import_sources (
    tenant     text        NOT NULL,
    source     text        NOT NULL,
    secret     bytea       NOT NULL CHECK (length(secret) = 32),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, source)
);

-- learning/imported_attempts
CREATE TABLE imported_attempts (
    attempt_id  uuid        PRIMARY KEY,
    learner_id  uuid        NOT NULL,
    source      text        NOT NULL,
    item        text        NOT NULL,
    skill       text,
    occurred_at timestamptz NOT NULL,
    score       float8      NOT NULL,
    correct     boolean,
    duration_ms bigint,
    words       bigint,
    position    bigint      NOT NULL
);
CREATE INDEX ON imported_attempts (learner_id, occurred_at);

CREATE TABLE imported_learners (
    learner_id uuid        PRIMARY KEY,
    tenant     text        NOT NULL,
    source     text        NOT NULL,
    attempts   bigint      NOT NULL,
    score_sum  float8      NOT NULL,
    first_at   timestamptz NOT NULL,
    last_at    timestamptz NOT NULL,
    position   bigint      NOT NULL
);

-- learning/imported_items
CREATE TABLE imported_items (
    tenant        text        NOT NULL,
    source        text        NOT NULL,
    item          text        NOT NULL,
    attempts      bigint      NOT NULL,
    judged        bigint      NOT NULL, -- of them known to be right or wrong
    correct       bigint      NOT NULL,
    score_sum     float8      NOT NULL,
    score_squares float8      NOT NULL,
    timed         bigint      NOT NULL, -- attempts with a duration
    duration_ms   bigint      NOT NULL, -- of those together
    first_at      timestamptz NOT NULL,
    last_at       timestamptz NOT NULL,
    position      bigint      NOT NULL,
    PRIMARY KEY (tenant, source, item)
);
