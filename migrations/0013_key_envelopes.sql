-- Keys of people are wrapped by the key service, and what identifies a person is sealed under their own key. What stands
-- here from before is wrapped and sealed by the first process that starts with the key service (see `commands::vault`):
-- until then the old columns hold it, afterwards they are empty.

ALTER TABLE subject_keys
    ALTER COLUMN key DROP NOT NULL,
    ADD COLUMN wrapped      bytea,       -- the data key, sealed by the key service
    ADD COLUMN wrapping_key text,        -- by which key of it
    ADD COLUMN erased_at    timestamptz, -- a destroyed key leaves its row, so that no new one is made
    ADD CONSTRAINT subject_keys_one_form CHECK (
        (wrapped IS NULL) = (wrapping_key IS NULL) AND num_nonnulls(key, wrapped, erased_at) = 1
    );
CREATE INDEX subject_keys_wrapping_key ON subject_keys (wrapping_key);

ALTER TABLE credentials
    ALTER COLUMN email_key DROP NOT NULL,
    ALTER COLUMN email DROP NOT NULL,
    ALTER COLUMN display_name DROP NOT NULL,
    ADD COLUMN email_index  bytea, -- keyed digest of the address as addresses are compared: finds it, and says nothing
    ADD COLUMN sealed_email jsonb,
    ADD COLUMN sealed_name  jsonb,
    ADD CONSTRAINT credentials_email_index_key UNIQUE (tenant, email_index),
    ADD CONSTRAINT credentials_one_form CHECK (
        num_nonnulls(email_index, sealed_email, sealed_name) = 3 AND num_nonnulls(email_key, email, display_name) = 0
        OR num_nonnulls(email_index, sealed_email, sealed_name) = 0 AND num_nonnulls(email_key, email, display_name) = 3
    );

-- The planner's statistics quote values: none of these is to stand there. Giving a column its type anew drops what it had.
ALTER TABLE subject_keys ALTER COLUMN key TYPE bytea;
ALTER TABLE credentials
    ALTER COLUMN email_key TYPE text,
    ALTER COLUMN email TYPE text,
    ALTER COLUMN display_name TYPE text;
ALTER TABLE subject_keys ALTER COLUMN key SET STATISTICS 0, ALTER COLUMN wrapped SET STATISTICS 0;
ALTER TABLE credentials
    ALTER COLUMN email_key SET STATISTICS 0,
    ALTER COLUMN email SET STATISTICS 0,
    ALTER COLUMN display_name SET STATISTICS 0,
    ALTER COLUMN email_index SET STATISTICS 0,
    ALTER COLUMN sealed_email SET STATISTICS 0,
    ALTER COLUMN sealed_name SET STATISTICS 0,
    ALTER COLUMN password_hash SET STATISTICS 0;

-- A digest that only the right key service gives: a server with other keys is told so before it seals anything.
CREATE TABLE key_service (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    fingerprint bytea   NOT NULL
);
