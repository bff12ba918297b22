-- Read models: derived from the log, and derived again by `baeum project --rebuild`.
--
-- A rebuild makes each table anew with LIKE … INCLUDING ALL, which gives indexes their default names and leaves out
-- foreign keys and triggers. So tables here have none of those, and name no index.

-- How far each projection has come, and why it stands still where it does.
CREATE TABLE projection_cursors (
    name           text        PRIMARY KEY,
    position       bigint      NOT NULL,
    state          text        NOT NULL CHECK (state IN ('running', 'failed')),
    error          text,
    error_position bigint,
    updated_at     timestamptz NOT NULL
);

-- identity/learners
CREATE TABLE learners (
    user_id             uuid        PRIMARY KEY,
    roles               text[]      NOT NULL,
    native_language     text        NOT NULL,
    target_language     text        NOT NULL,
    country             text        NOT NULL,
    time_zone           text        NOT NULL,
    interests           text[]      NOT NULL,
    daily_minutes       int,
    emotion_care_policy text,
    level               text,
    theta               float8,
    standard_error      float8,
    assessed_at         timestamptz,
    registered_at       timestamptz NOT NULL,
    version             bigint      NOT NULL,
    position            bigint      NOT NULL
);

-- assessment/assessments
CREATE TABLE assessments (
    assessment_id   uuid        PRIMARY KEY,
    learner_id      uuid        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('in_progress', 'assessed', 'abandoned')),
    rule            jsonb       NOT NULL,
    current_item    text,
    current_ordinal bigint,
    answered        bigint      NOT NULL,
    theta           float8,
    standard_error  float8,
    report          jsonb,
    stop_reason     text,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    version         bigint      NOT NULL,
    position        bigint      NOT NULL
);

CREATE TABLE assessment_answers (
    assessment_id  uuid    NOT NULL,
    ordinal        bigint  NOT NULL,
    item           text    NOT NULL,
    choice         int     NOT NULL,
    correct        boolean NOT NULL,
    response_ms    bigint,
    theta          float8  NOT NULL,
    standard_error float8  NOT NULL,
    PRIMARY KEY (assessment_id, ordinal)
);

-- assessment/item_parameters
CREATE TABLE item_parameters (
    item                   text   PRIMARY KEY,
    prior_discrimination   float8 NOT NULL,
    prior_difficulty       float8 NOT NULL,
    log_discrimination     float8 NOT NULL,
    difficulty             float8 NOT NULL,
    var_log_discrimination float8 NOT NULL,
    var_difficulty         float8 NOT NULL,
    covariance             float8 NOT NULL,
    responses              bigint NOT NULL,
    correct                bigint NOT NULL,
    position               bigint NOT NULL
);

-- learning/lessons
CREATE TABLE lessons (
    lesson_id        uuid        PRIMARY KEY,
    learner_id       uuid        NOT NULL,
    level            text        NOT NULL,
    state            text        NOT NULL CHECK (state IN ('in_progress', 'completed', 'abandoned')),
    plan             jsonb       NOT NULL,
    mean_score       float8,
    active_ms        bigint      NOT NULL,
    local_date       date        NOT NULL,
    started_at       timestamptz NOT NULL,
    started_position bigint      NOT NULL,
    ended_at         timestamptz,
    version          bigint      NOT NULL,
    position         bigint      NOT NULL
);
CREATE INDEX ON lessons (learner_id, started_position);

CREATE TABLE lesson_clips (
    lesson_id     uuid    NOT NULL,
    clip_id       text    NOT NULL,
    viewings      int     NOT NULL,
    watched_ms    bigint  NOT NULL,
    repeats       bigint  NOT NULL,
    speed_percent int     NOT NULL,
    to_the_end    boolean NOT NULL,
    PRIMARY KEY (lesson_id, clip_id)
);

CREATE TABLE lesson_attempts (
    lesson_id    uuid        NOT NULL,
    attempt_id   uuid        NOT NULL,
    task_id      text        NOT NULL,
    kind         text        NOT NULL,
    ordinal      bigint      NOT NULL,
    answer       jsonb       NOT NULL,
    words        bigint      NOT NULL,
    duration_ms  bigint,
    score        float8,
    passed       boolean,
    verdict      jsonb,
    submitted_at timestamptz NOT NULL,
    position     bigint      NOT NULL,
    PRIMARY KEY (lesson_id, attempt_id)
);

-- progress/progress
CREATE TABLE progress (
    learner_id        uuid   PRIMARY KEY,
    current_streak    int    NOT NULL,
    longest_streak    int    NOT NULL,
    last_active_on    date,
    active_ms         bigint NOT NULL,
    clips             bigint NOT NULL,
    attempts          bigint NOT NULL,
    lessons_started   bigint NOT NULL,
    lessons_completed bigint NOT NULL,
    scored            bigint NOT NULL,
    score_sum         float8 NOT NULL,
    position          bigint NOT NULL
);

CREATE TABLE progress_skills (
    learner_id uuid        NOT NULL,
    skill      text        NOT NULL,
    mastery    float8      NOT NULL,
    at         timestamptz NOT NULL,
    position   bigint      NOT NULL,
    PRIMARY KEY (learner_id, skill)
);

CREATE TABLE progress_history (
    learner_id uuid        NOT NULL,
    position   bigint      NOT NULL,
    skill      text        NOT NULL,
    at         timestamptz NOT NULL,
    mastery    float8      NOT NULL,
    PRIMARY KEY (learner_id, position, skill)
);

CREATE TABLE progress_levels (
    learner_id     uuid        NOT NULL,
    position       bigint      NOT NULL,
    assessment_id  uuid        NOT NULL,
    at             timestamptz NOT NULL,
    band           text        NOT NULL,
    theta          float8      NOT NULL,
    standard_error float8      NOT NULL,
    PRIMARY KEY (learner_id, position)
);

CREATE TABLE progress_days (
    learner_id uuid   NOT NULL,
    date       date   NOT NULL,
    active_ms  bigint NOT NULL,
    clips      bigint NOT NULL,
    attempts   bigint NOT NULL,
    lessons    bigint NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (learner_id, date)
);

-- The calendar day that an open lesson is in, for its attempts, which name none.
CREATE TABLE progress_lessons (
    lesson_id  uuid PRIMARY KEY,
    local_date date NOT NULL
);

-- emotion/emotion: a row stands for a consent that stands.
CREATE TABLE emotion (
    learner_id      uuid        PRIMARY KEY,
    policy_version  text        NOT NULL,
    engaged         float8,
    confused        float8,
    frustrated      float8,
    bored           float8,
    updated_at      timestamptz,
    model_id        text,
    evidence        jsonb       NOT NULL,
    attempt_id      uuid,
    attempt_ordinal bigint,
    position        bigint      NOT NULL
);

-- recommendation/recommendations: the latest of each learner.
CREATE TABLE recommendations (
    learner_id        uuid        PRIMARY KEY,
    recommendation_id uuid        NOT NULL,
    lesson_id         uuid        NOT NULL,
    model_id          text        NOT NULL,
    titles            jsonb       NOT NULL,
    clips             jsonb       NOT NULL,
    country           text,
    watch_options     jsonb       NOT NULL,
    generated_at      timestamptz NOT NULL,
    position          bigint      NOT NULL
);
