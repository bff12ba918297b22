-- What a learner is like, as numbers, and how that changes (docs/models.md); and a column of the affect filter.

-- progress/learner_vectors
CREATE TABLE learner_vectors (
    learner_id uuid        PRIMARY KEY,
    ability    float8      NOT NULL, -- logits; 0 before the first level test
    mastery    float8[]    NOT NULL, -- of reading, listening, writing, speaking; 0.5 before any evidence
    topics     text[]      NOT NULL, -- sorted
    weights    float8[]    NOT NULL, -- of the topics, together at most 1
    at         timestamptz NOT NULL,
    position   bigint      NOT NULL
);

CREATE TABLE learner_vector_days (
    learner_id     uuid     NOT NULL,
    day            date     NOT NULL, -- of the recording, UTC
    ability        float8   NOT NULL,
    mastery        float8[] NOT NULL,
    topics         text[]   NOT NULL,
    weights        float8[] NOT NULL,
    since_previous float8   NOT NULL, -- distance to the end of the day before that has a row
    since_first    float8   NOT NULL,
    position       bigint   NOT NULL,
    PRIMARY KEY (learner_id, day)
);

-- emotion/emotion
ALTER TABLE emotion ADD COLUMN errors_in_a_row bigint NOT NULL DEFAULT 0;
