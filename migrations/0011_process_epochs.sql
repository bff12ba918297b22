-- Processes are fenced as the relay is: only the runner that holds the lease now may keep what follows from an event, or
-- say that an instance is late. One that stalled and goes on later cannot, whatever its clock says.
ALTER TABLE process_cursors ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
