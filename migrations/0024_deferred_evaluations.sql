-- Attempts that were taken in without a verdict.

-- learning/lessons
ALTER TABLE lesson_attempts ADD COLUMN deferred text; -- why it waits for its verdict; NULL for one that has it
-- Evaluating an attempt at once does not touch it.
CREATE INDEX lesson_attempts_deferred ON lesson_attempts (submitted_at) WHERE deferred IS NOT NULL;
