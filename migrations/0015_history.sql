-- Reading models as of an earlier moment, and replaying them into schemas of their own.

-- identity/subject_streams: the streams in which anything about a person is recorded.
CREATE TABLE subject_streams (
    subject_id     uuid   NOT NULL,
    aggregate_type text   NOT NULL,
    aggregate_id   text   NOT NULL,
    tenant         text   NOT NULL,
    first_position bigint NOT NULL, -- of the first event that names the person there
    PRIMARY KEY (subject_id, aggregate_type, aggregate_id)
);

-- Rows of one key of a read model as they were at a position, so that a question about a later one need not fold all of
-- its events. It can be emptied at any time.
CREATE TABLE history_checkpoints (
    projection text        NOT NULL,
    key        text        NOT NULL,
    position   bigint      NOT NULL,
    version    bigint      NOT NULL, -- of the projection
    rows       jsonb       NOT NULL, -- by table
    kept_at    timestamptz NOT NULL,
    PRIMARY KEY (projection, key, position)
);

-- Read models that were replayed into a schema of their own. A schema that is not named here is nobody's sandbox.
CREATE TABLE sandboxes (
    schema     text        NOT NULL,
    projection text        NOT NULL,
    version    bigint      NOT NULL, -- of the projection
    target     bigint      NOT NULL, -- how far it is to be replayed; `rebuilds` says how far it is
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (schema, projection)
);
