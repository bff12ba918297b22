-- The log only grows: it has no dead rows, so by default it would be vacuumed only after each fifth of its size, and its
-- rows frozen in one long scan when transaction ids run out. Here each new million rows is visited once, soon, and
-- frozen in that visit; later vacuums skip what is frozen. See docs/adr/0010-a-billion-events.md.
ALTER TABLE events SET (
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 1000000,
    autovacuum_freeze_min_age = 0
);
ALTER TABLE command_receipts SET (
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 1000000,
    autovacuum_freeze_min_age = 0
);

-- Positions only ascend: no room need be left on a page for one in between.
ALTER INDEX events_position_key SET (fillfactor = 100);
