-- Processes (sagas): how far each has read the log, its instances, and the commands that it still has to send.

CREATE TABLE process_cursors (
    process    text        PRIMARY KEY,
    position   bigint      NOT NULL,
    error      text,
    updated_at timestamptz NOT NULL
);

CREATE TABLE process_instances (
    process     text        NOT NULL,
    instance_id text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('running', 'done', 'failed')),
    state       json        NOT NULL,
    reason      text,
    deadline    timestamptz,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (process, instance_id)
);
CREATE INDEX process_instances_deadline ON process_instances (deadline) WHERE status = 'running' AND deadline IS NOT NULL;

-- A row is a command that is not done yet, or was given up. The commands of an instance are sent in order.
CREATE TABLE process_commands (
    process         text        NOT NULL,
    instance_id     text        NOT NULL,
    position        bigint      NOT NULL, -- of the event that led to it
    step            text        NOT NULL,
    command         json        NOT NULL,
    tenant          text        NOT NULL,
    correlation_id  uuid        NOT NULL,
    causation_id    uuid        NOT NULL,
    status          text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'failed')),
    attempts        int         NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    last_error      text,
    PRIMARY KEY (process, instance_id, position, step)
);
