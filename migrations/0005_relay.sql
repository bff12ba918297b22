-- The relay is fenced: each change of a lease's holder has a higher epoch, and only the latest may move the position.

CREATE SEQUENCE lease_epochs;
ALTER TABLE leases ADD COLUMN epoch bigint NOT NULL DEFAULT nextval('lease_epochs');

ALTER TABLE relay_positions
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
    -- Sequence of the stream's message that carries `position`: a stream that has not come so far is a new one.
    ADD COLUMN sequence bigint NOT NULL DEFAULT 0;
