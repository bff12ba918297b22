-- The event log: a superset of the table of postgres-es, so that stock cqrs-es tools can read it.

CREATE TABLE log_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL
);
INSERT INTO log_head (position) VALUES (0);

CREATE TABLE events (
    aggregate_type  text        NOT NULL,
    aggregate_id    text        NOT NULL,
    sequence        bigint      NOT NULL CHECK (sequence >= 1),
    event_type      text        NOT NULL,
    event_version   text        NOT NULL,
    payload         json        NOT NULL,
    metadata        json        NOT NULL,
    -- Dense and in commit order: see docs/architecture.md.
    global_position bigint      NOT NULL,
    event_id        uuid        NOT NULL,
    tenant          text        NOT NULL,
    actor           text        NOT NULL,
    correlation_id  uuid        NOT NULL,
    causation_id    uuid        NOT NULL,
    recorded_at     timestamptz NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (aggregate_type, aggregate_id, sequence),
    CONSTRAINT events_position_key UNIQUE (global_position)
);

CREATE FUNCTION refuse_to_change_the_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_log();

-- What was answered to a command, so that the same command gets the same answer.
CREATE TABLE command_receipts (
    tenant      text        NOT NULL,
    command_id  uuid        NOT NULL,
    fingerprint text        NOT NULL,
    position    bigint      NOT NULL,
    sequence    bigint      NOT NULL,
    answer      json        NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT command_receipts_pkey PRIMARY KEY (tenant, command_id)
);

-- State of long streams, so that they need not be folded from the start. Can be deleted at any time.
CREATE TABLE aggregate_snapshots (
    aggregate_type text   NOT NULL,
    aggregate_id   text   NOT NULL,
    sequence       bigint NOT NULL,
    schema_version int    NOT NULL,
    state          json   NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
);

-- Who may do a thing that only one process may do at a time.
CREATE TABLE leases (
    name       text        PRIMARY KEY,
    holder     uuid        NOT NULL,
    expires_at timestamptz NOT NULL
);

-- How far each stream of the broker has been fed.
CREATE TABLE relay_positions (
    stream     text        PRIMARY KEY,
    position   bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
