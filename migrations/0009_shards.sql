-- Which shard this database keeps; NULL as long as nobody said so, which counts as 0. A position is its shard, shifted
-- left by 40 bits, and a number: an event past the last number of the shard is refused.
ALTER TABLE log_head
    ADD COLUMN shard int CHECK (shard BETWEEN 0 AND 4095),
    ADD CONSTRAINT log_head_within_shard CHECK (position >> 40 = coalesce(shard, 0));
UPDATE log_head SET shard = 0 WHERE position > 0;

-- The position before the first: where cursors start.
CREATE FUNCTION log_floor() RETURNS bigint LANGUAGE sql STABLE
    RETURN (SELECT coalesce(shard, 0)::bigint << 40 FROM log_head);
