-- Timers of processes: commands that are sent when the clock of the platform has come to a moment. A row is a timer that has
-- not gone off; then it is a command like another, of the position of the event that set it.
CREATE TABLE process_timers (
    process        text        NOT NULL,
    instance_id    text        NOT NULL,
    timer          text        NOT NULL,
    at             timestamptz NOT NULL,
    position       bigint      NOT NULL, -- of the event that set it
    command        json        NOT NULL,
    tenant         text        NOT NULL,
    correlation_id uuid        NOT NULL,
    causation_id   uuid        NOT NULL,
    PRIMARY KEY (process, instance_id, timer)
);
CREATE INDEX process_timers_due ON process_timers (process, at);

-- When a timer was to go off that has become this command: they are sent in the order of their moments.
ALTER TABLE process_commands ADD COLUMN moment timestamptz;
