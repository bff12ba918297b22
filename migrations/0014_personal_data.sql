-- What is about a person can be found and forgotten.

-- On which stream a command worked, and who gave it. NULL for commands from before.
ALTER TABLE command_receipts
    ADD COLUMN aggregate_type text,
    ADD COLUMN aggregate_id   text,
    ADD COLUMN actor          text;

-- Erasures are looked for every second. Other events take no place in this index.
CREATE INDEX events_erasures ON events (global_position) WHERE aggregate_type = 'erasure';

-- progress/progress: whose lesson it is.
ALTER TABLE progress_lessons ADD COLUMN learner_id uuid;
UPDATE progress_lessons p SET learner_id = l.learner_id FROM lessons l WHERE l.lesson_id = p.lesson_id;

-- identity/accesses: who looked at whose data.
CREATE TABLE accesses (
    position   bigint      PRIMARY KEY,
    tenant     text        NOT NULL,
    access_id  uuid        NOT NULL,
    subject_id uuid        NOT NULL,
    actor      text        NOT NULL,
    what       text[]      NOT NULL,
    route      text        NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX ON accesses (tenant, subject_id, position);
CREATE INDEX ON accesses (tenant, actor, position);
