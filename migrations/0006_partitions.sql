-- Workers of one projection share its partitions between processes; an event that cannot be taken in makes the later
-- ones of its key wait, and no others.

-- A cursor for each partition. Projections that need total order have one partition.
ALTER TABLE projection_cursors ADD COLUMN partition int NOT NULL DEFAULT 0;
ALTER TABLE projection_cursors ALTER COLUMN partition DROP DEFAULT;
ALTER TABLE projection_cursors DROP CONSTRAINT projection_cursors_pkey;
ALTER TABLE projection_cursors ADD PRIMARY KEY (name, partition);
-- The cursors of a page move together, often: a row that is changed stays on its page.
ALTER TABLE projection_cursors SET (fillfactor = 20);
INSERT INTO projection_cursors (name, partition, position, state, error, error_position, updated_at)
SELECT name, further, position, state, error, error_position, updated_at
FROM projection_cursors, generate_series(1, 15) AS further
WHERE name <> 'item_parameters';

-- The processes that work on a projection, for as long as they say so.
CREATE TABLE projection_members (
    projection text        NOT NULL,
    member     uuid        NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (projection, member)
);

-- Streams (keys of a projection) that stand still at an event that cannot be taken in. A rebuild makes a copy of these
-- two tables beside its read model, so they have no foreign keys either.
CREATE TABLE parked_streams (
    projection text        NOT NULL,
    key        text        NOT NULL,
    position   bigint      NOT NULL, -- of the event that cannot be taken in
    reason     text        NOT NULL,
    attempts   int         NOT NULL,
    parked_at  timestamptz NOT NULL,
    PRIMARY KEY (projection, key)
);

-- The later events of those streams, which wait.
CREATE TABLE parked_events (
    projection text   NOT NULL,
    position   bigint NOT NULL,
    key        text   NOT NULL,
    PRIMARY KEY (projection, position)
);
CREATE INDEX ON parked_events (projection, key, position);
