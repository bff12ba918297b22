//! What a log takes on disk.

use std::fmt::Write as _;

use sqlx::PgPool;

use crate::Failure;

/// Bytes of the table, of each index and of what is stored beside it, in all and an event.
pub(crate) async fn describe(pool: &PgPool) -> Result<String, Failure> {
    let (events, payload): (i64, f64) = sqlx::query_as(
        "SELECT (SELECT position & ((1::bigint << 40) - 1) FROM log_head),
                (SELECT avg(octet_length(payload::text))::float8 FROM events TABLESAMPLE SYSTEM (1))",
    )
    .fetch_one(pool)
    .await?;
    let parts: Vec<(String, i64)> = sqlx::query_as(
        "SELECT format('table %s', relname), pg_relation_size(oid, 'main') FROM pg_class
             WHERE oid = ANY (ARRAY['events', 'command_receipts', 'aggregate_snapshots']::regclass[])
         UNION ALL
         SELECT format('index %s', indexrelid::regclass), pg_relation_size(indexrelid) FROM pg_index
             WHERE indrelid = ANY (ARRAY['events', 'command_receipts', 'aggregate_snapshots']::regclass[])
         UNION ALL
         SELECT 'long values of events (toast)', pg_total_relation_size(reltoastrelid) FROM pg_class
             WHERE oid = 'events'::regclass
         UNION ALL
         SELECT 'maps of events (free space, visibility)',
                pg_relation_size('events', 'fsm') + pg_relation_size('events', 'vm')",
    )
    .fetch_all(pool)
    .await?;
    let mut text = format!("{events} events, payloads of {payload:.0} bytes on average\n\n");
    text.push_str("| what | MB | bytes an event |\n|---|---|---|\n");
    let mut sum = 0;
    for (name, bytes) in parts {
        sum += bytes;
        let _ = writeln!(text, "| {name} | {} | {} |", bytes / 1_000_000, bytes / events.max(1));
    }
    let _ = writeln!(text, "| together | {} | {} |", sum / 1_000_000, sum / events.max(1));
    Ok(text)
}
