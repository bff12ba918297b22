-- Experiments with evaluators and what came of them (docs/models.md).

-- learning/evaluator_experiments
CREATE TABLE evaluator_experiments (
    experiment_id uuid        PRIMARY KEY,
    tenant        text        NOT NULL,
    skill         text        NOT NULL,
    outcome       text        NOT NULL, -- what it is decided by
    arms          jsonb       NOT NULL, -- the first is what the others are compared with
    started_at    timestamptz NOT NULL,
    stopped_at    timestamptz,
    position      bigint      NOT NULL
);
CREATE INDEX ON evaluator_experiments (tenant, started_at);

CREATE TABLE evaluator_experiment_attempts (
    attempt_id    uuid    PRIMARY KEY,
    experiment_id uuid    NOT NULL,
    arm           text    NOT NULL,
    lesson_id     uuid    NOT NULL,
    learner_id    uuid    NOT NULL,
    deferred      boolean NOT NULL, -- taken in without a verdict at first
    score         float8,           -- NULL until the arm's model has evaluated it
    passed        boolean,
    latency_us    bigint,
    disputes      bigint  NOT NULL, -- parts of the verdict that the learner says are wrong
    position      bigint  NOT NULL
);
CREATE INDEX ON evaluator_experiment_attempts (experiment_id, arm, learner_id);
CREATE INDEX ON evaluator_experiment_attempts (learner_id);

CREATE TABLE evaluator_experiment_lessons (
    lesson_id     uuid   NOT NULL,
    experiment_id uuid   NOT NULL,
    arm           text   NOT NULL,
    learner_id    uuid   NOT NULL,
    state         text   NOT NULL CHECK (state IN ('in_progress', 'completed', 'abandoned')),
    position      bigint NOT NULL,
    PRIMARY KEY (lesson_id, experiment_id)
);
CREATE INDEX ON evaluator_experiment_lessons (experiment_id, arm, learner_id);
CREATE INDEX ON evaluator_experiment_lessons (learner_id);

CREATE TABLE evaluator_shadow_scores (
    attempt_id         uuid    NOT NULL,
    model_id           text    NOT NULL,
    weights_hash       text    NOT NULL,
    tenant             text    NOT NULL,
    learner_id         uuid    NOT NULL,
    score              float8  NOT NULL,
    passed             boolean NOT NULL,
    shown_model_id     text    NOT NULL,
    shown_weights_hash text    NOT NULL,
    shown_score        float8  NOT NULL,
    shown_passed       boolean NOT NULL,
    position           bigint  NOT NULL,
    PRIMARY KEY (attempt_id, model_id, weights_hash)
);
CREATE INDEX ON evaluator_shadow_scores (tenant, model_id, weights_hash);
CREATE INDEX ON evaluator_shadow_scores (learner_id);
