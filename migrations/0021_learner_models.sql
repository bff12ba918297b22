-- assessment/item_parameters: beliefs begin anew with each calibration.
ALTER TABLE item_parameters
    ADD COLUMN guessing    float8,
    ADD COLUMN calibration int NOT NULL DEFAULT 0;

-- assessment/abilities
CREATE TABLE abilities (
    learner_id     uuid        PRIMARY KEY,
    theta          float8      NOT NULL,
    standard_error float8      NOT NULL,
    answers        bigint      NOT NULL,
    correct        bigint      NOT NULL,
    calibration    int         NOT NULL,
    answered_at    timestamptz NOT NULL,
    position       bigint      NOT NULL
);

CREATE TABLE ability_items (
    item             text   PRIMARY KEY,
    discrimination   float8 NOT NULL,
    difficulty       float8 NOT NULL,
    difficulty_error float8 NOT NULL,
    guessing         float8 NOT NULL,
    calibration      int    NOT NULL,
    position         bigint NOT NULL
);

-- review/cards
CREATE TABLE cards (
    card_id        uuid        PRIMARY KEY,
    learner_id     uuid        NOT NULL,
    front          jsonb       NOT NULL,
    origin         jsonb       NOT NULL,
    added_at       timestamptz NOT NULL,
    due_at         timestamptz NOT NULL,
    reviews        bigint      NOT NULL,
    lapses         bigint      NOT NULL,
    stability      float8,
    difficulty     float8,
    last_rating    text,
    last_review_at timestamptz,
    position       bigint      NOT NULL
);
CREATE INDEX ON cards (learner_id, due_at);

CREATE TABLE card_schedulers (
    learner_id       uuid        PRIMARY KEY,
    version          int         NOT NULL,
    model_id         text        NOT NULL,
    parameters       float8[]    NOT NULL,
    parameters_hash  text        NOT NULL,
    input_position   bigint      NOT NULL,
    fitted_at        timestamptz NOT NULL,
    position         bigint      NOT NULL
);
