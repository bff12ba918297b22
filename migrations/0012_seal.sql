-- The Merkle tree over the log, in tiles, and its signed checkpoints: see docs/adr/0011-a-transparency-log.md.

-- How far the log is sealed. The sealer of the latest lease moves it, in the statement that writes the tiles.
CREATE TABLE seal_head (
    only_row   boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    size       bigint      NOT NULL DEFAULT 0 CHECK (size >= 0), -- how many events, from the first
    epoch      bigint      NOT NULL DEFAULT 0,
    origin     text,       -- the name of the log, said once
    misfit     text,       -- why the sealer does not go on
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO seal_head DEFAULT VALUES;

-- Tiles of 256 hashes of 32 bytes. The last one of each level is not full, and written again when it grows.
CREATE TABLE seal_tiles (
    level  int    NOT NULL CHECK (level BETWEEN 0 AND 7),
    index  bigint NOT NULL CHECK (index >= 0),
    hashes bytea  NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, index)
);
-- Hashes cannot be compressed: nobody need try.
ALTER TABLE seal_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Every checkpoint that was signed, as a note.
CREATE TABLE seal_checkpoints (
    size      bigint      PRIMARY KEY CHECK (size >= 1),
    note      text        NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER checkpoints_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seal_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_log();

-- The verifier keys that were ever in use, and from which size on. They are no secrets.
CREATE TABLE seal_keys (
    verifier_key text   PRIMARY KEY,
    since        bigint NOT NULL
);

-- Up to which checkpoint each witness has been told.
CREATE TABLE seal_witnesses (
    witness text   PRIMARY KEY,
    size    bigint NOT NULL
);

-- Finds events by their id, and those of one request. Ids ascend with the log but for clocks that are wrong; correlation
-- ids may be anything that a client sends. BRIN takes 1 % of the table, and far less of an append than a B-tree each: see
-- docs/adr/0011-a-transparency-log.md.
CREATE INDEX events_ids ON events USING brin (event_id uuid_minmax_multi_ops, correlation_id uuid_bloom_ops)
    WITH (pages_per_range = 64);
