-- What the log must not hold: names, addresses, passwords and keys. These rows can be erased.

CREATE TABLE credentials (
    user_id       uuid        PRIMARY KEY,
    tenant        text        NOT NULL,
    email_key     text        NOT NULL, -- trimmed and in lower case
    email         text        NOT NULL,
    display_name  text        NOT NULL,
    password_hash text        NOT NULL, -- PHC string of argon2id
    reserved_at   timestamptz NOT NULL,
    CONSTRAINT credentials_email_key UNIQUE (tenant, email_key)
);

-- One key a person: whoever erases it erases what was sealed under it, in a log that never changes.
CREATE TABLE subject_keys (
    subject_id uuid        PRIMARY KEY,
    key_id     uuid        NOT NULL UNIQUE,
    key        bytea       NOT NULL CHECK (length(key) = 32),
    created_at timestamptz NOT NULL
);

-- Ed25519 seeds that tokens are signed with; the newest signs, all verify.
CREATE TABLE signing_keys (
    kid        text        PRIMARY KEY,
    seed       bytea       NOT NULL CHECK (length(seed) = 32),
    created_at timestamptz NOT NULL
);
