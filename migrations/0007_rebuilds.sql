-- Rebuilds that are not finished: how far each partition has come in their tables, so that they can be gone on with.
CREATE TABLE rebuilds (
    name       text        NOT NULL, -- the schema of their tables
    partition  int         NOT NULL,
    version    bigint      NOT NULL, -- of the projection that they were begun with
    run        uuid        NOT NULL, -- who works on it: whoever goes on with it puts its own here, and others out
    position   bigint      NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (name, partition)
);
