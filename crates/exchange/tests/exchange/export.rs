//! Exports are read back with the Parquet reader, and compared with the log.

use std::{collections::BTreeSet, fs, fs::File, path::Path};

use arrow_array::{
    Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, cast::AsArray as _,
};
use arrow_schema::{DataType, TimeUnit};
use baeum_eventlog::lease::Lease;
use baeum_exchange::export::{ErasedSubject, Format, Manifest, Request, export};
use baeum_testing::new_id;
use chrono::TimeDelta;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::support::{World, events, everything, registry};

fn read(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).expect("a file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader");
    reader.map(|batch| batch.expect("a batch")).collect()
}

fn column<'a, A: Array + 'static>(batch: &'a RecordBatch, name: &str) -> &'a A {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("there is no column {name}"));
    column.as_any().downcast_ref().unwrap_or_else(|| panic!("{name} is {}", column.data_type()))
}

/// Every file below a folder, by its path within.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|within| format!("{name}/{within}")));
        } else {
            found.insert(name);
        }
    }
    found
}

/// Every file that the manifest names, with the manifest.
fn named(manifest: &Manifest) -> BTreeSet<String> {
    let events = manifest.events.files.iter().map(|it| it.path.clone());
    events.chain(manifest.models.iter().map(|it| it.path.clone())).chain(["manifest.json".to_owned()]).collect()
}

/// The positions of all events of an export, with their ids.
fn positions(world: &World, manifest: &Manifest) -> Vec<(i64, String)> {
    let mut all = vec![];
    for file in &manifest.events.files {
        let batches = read(&world.path("export").join(&file.path));
        let mut of_file = vec![];
        for batch in &batches {
            let ids = column::<StringArray>(batch, "event_id");
            let positions = column::<Int64Array>(batch, "position");
            of_file.extend(positions.values().iter().copied().zip(ids.iter().flatten().map(str::to_owned)));
        }
        assert_eq!(of_file.len() as u64, file.rows, "{}", file.path);
        assert_eq!((of_file[0].0, of_file[of_file.len() - 1].0), (file.first, file.last), "{}", file.path);
        let size = fs::metadata(world.path("export").join(&file.path)).expect("a file").len();
        assert_eq!(size, file.bytes, "{}", file.path);
        all.extend(of_file);
    }
    all.sort_unstable();
    all
}

async fn in_log(world: &World) -> Vec<(i64, String)> {
    let events = world.log.read(0, 1_000_000).await.expect("the log");
    events.into_iter().map(|event| (event.position, event.event_id.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_every_event_of_the_log_with_its_columns_by_type_and_day() {
    let world = World::create().await;
    let user = world.user().await;
    // The day changes between them.
    world.clock.advance(TimeDelta::minutes(20));
    world.user().await;
    let exported = world.export(&events()).await.expect("exported");
    assert_eq!((exported.events, exported.manifest.events.rows), (4, 4));
    assert_eq!(positions(&world, &exported.manifest), in_log(&world).await);
    let folders: Vec<_> =
        exported.manifest.events.files.iter().map(|it| it.path.rsplit_once('/').expect("folders").0).collect();
    let expected = ["GoalSet", "UserRegistered"]
        .map(|name| ["2026-03-01", "2026-03-02"].map(|date| format!("events/event_type={name}/date={date}")));
    assert_eq!(folders, expected.concat());

    let registered =
        exported.manifest.events.files.iter().find(|it| it.event_type == "UserRegistered").expect("a file");
    let batches = read(&world.path("export").join(&registered.path));
    let batch = &batches[0];
    assert_eq!(
        batch.schema().field_with_name("recorded_at").expect("a column").data_type(),
        &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    );
    assert_eq!(column::<TimestampMicrosecondArray>(batch, "recorded_at").value(0), 1_772_409_000_000_000);
    assert_eq!(column::<StringArray>(batch, "user_id").value(0), user.to_string());
    assert_eq!(column::<StringArray>(batch, "aggregate_id").value(0), user.to_string());
    assert_eq!(
        (column::<Int64Array>(batch, "sequence").value(0), column::<Int32Array>(batch, "version").value(0)),
        (1, 1)
    );
    let roles = batch.column_by_name("roles").expect("roles").as_list::<i32>().value(0);
    assert_eq!(roles.as_string::<i32>().value(0), "learner");
    let preferences = batch.column_by_name("preferences").expect("preferences").as_struct();
    let zone = preferences.column_by_name("time_zone").expect("a time zone").as_string::<i32>();
    assert!(zone.value(0).contains('/'), "{}", zone.value(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_export_adds_the_news_and_changes_no_file_of_the_first() {
    let world = World::create().await;
    world.user().await;
    let first = world.export(&everything()).await.expect("exported").manifest;
    let before: Vec<_> =
        first.events.files.iter().map(|it| fs::read(world.path("export").join(&it.path)).expect("a file")).collect();
    let nothing = world.export(&events()).await.expect("exported");
    assert_eq!((nothing.events, &nothing.manifest.events), (0, &first.events));
    world.user().await;
    let second = world.export(&everything()).await.expect("exported");
    assert_eq!((second.events, second.manifest.events.to, second.manifest.events.rows), (2, 4, 4));
    assert_eq!(positions(&world, &second.manifest), in_log(&world).await);
    assert_eq!(second.manifest.events.files[..0], first.events.files[..0]);
    for (file, content) in first.events.files.iter().zip(before) {
        assert!(second.manifest.events.files.contains(file), "{}", file.path);
        assert_eq!(fs::read(world.path("export").join(&file.path)).expect("a file"), content, "{}", file.path);
    }
    assert_eq!(files(&world.path("export")), named(&second.manifest));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_marked_with_who_was_forgotten_since() {
    let world = World::create().await;
    let (forgotten, _) = (world.user().await, world.user().await);
    world.project().await;
    let learners = Request { models: vec!["learners".into()], ..events() };
    let rows = |manifest: &Manifest| manifest.models.iter().map(|it| it.rows).sum::<u64>();
    let first = world.export(&learners).await.expect("exported").manifest;
    assert_eq!((rows(&first), &first.erased), (2, &vec![]));
    let position = world.erase(forgotten).await;
    world.project().await;
    let second = world.export(&learners).await.expect("exported").manifest;
    assert_eq!(rows(&second), 1);
    assert_eq!(second.erased, [ErasedSubject { subject_id: forgotten, position }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_is_killed_leaves_no_half_file_in_sight_and_is_done_again() {
    let world = World::create().await;
    for _ in 0..5 {
        world.user().await;
    }
    let first = world.export(&events()).await.expect("exported").manifest;
    for _ in 0..5 {
        world.user().await;
    }
    // Killed when the events were read and wait aside, before any is in its place.
    let (told, mut stop) = tokio::sync::mpsc::unbounded_channel();
    let target = world.target();
    let progress = move |_, _| {
        let _ = told.send(());
    };
    let (request, registry) = (everything(), registry());
    tokio::select! {
        biased;
        _ = stop.recv() => {}
        _ = export(&world.log, &registry, &target, &request, progress) => panic!("it was to be killed"),
    }
    let in_sight = |file: &String| !file.starts_with("_aside/");
    assert_eq!(files(&world.path("export")).into_iter().filter(in_sight).collect::<BTreeSet<_>>(), named(&first));
    // Killed later: some files are in their places, but the manifest does not name them.
    let orphan = "events/event_type=GoalSet/date=2026-03-01/part-0000000000000011.parquet";
    fs::write(world.path("export").join(orphan), "half").expect("written");
    fs::create_dir_all(world.path("export/_aside/models")).expect("a folder");
    fs::write(world.path("export/_aside/models/left.parquet"), "half").expect("written");

    let again = world.export(&everything()).await.expect("exported");
    assert_eq!(again.events, 10);
    assert_eq!(positions(&world, &again.manifest), in_log(&world).await);
    assert_eq!(files(&world.path("export")), named(&again.manifest));
}

#[tokio::test(flavor = "multi_thread")]
async fn read_models_are_exported_whole_with_types_and_no_credentials_are() {
    let world = World::create().await;
    world.user().await;
    world.user().await;
    sqlx::query(
        "INSERT INTO credentials VALUES ($1, 'main', 'mina@example.org', 'mina@example.org', 'Mina', 'hash', now())",
    )
    .bind(new_id())
    .execute(&world.database.pool)
    .await
    .expect("a credential");
    world.project().await;
    let manifest = world.export(&everything()).await.expect("exported").manifest;
    let learners = manifest.models.iter().find(|it| it.table == "learners").expect("a table");
    assert_eq!((learners.rows, learners.position), (2, 4));
    let batches = read(&world.path("export").join(&learners.path));
    assert_eq!(column::<Int32Array>(&batches[0], "daily_minutes").values(), &[20, 20]);
    assert!(column::<StringArray>(&batches[0], "level").is_null(0));
    assert_eq!(column::<TimestampMicrosecondArray>(&batches[0], "registered_at").value(0), 1_772_409_000_000_000);
    // A table without rows has its columns all the same.
    let empty = manifest.models.iter().find(|it| it.table == "progress_days").expect("a table");
    assert_eq!(empty.rows, 0);
    let file = File::open(world.path("export").join(&empty.path)).expect("a file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    assert_eq!(reader.schema().field_with_name("date").expect("a column").data_type(), &DataType::Date32);
    for file in files(&world.path("export")) {
        let secret =
            ["credential", "subject_key", "signing_key", "import_source"].into_iter().find(|it| file.contains(it));
        assert_eq!(secret, None, "{file}");
        let bytes = fs::read(world.path("export").join(&file)).expect("a file");
        assert!(!bytes.windows(16).any(|it| it == b"mina@example.org"), "{file} names somebody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_and_json_lines_hold_the_same_events() {
    for format in [Format::Csv, Format::Jsonl] {
        let world = World::create().await;
        let user = world.user().await;
        world.project().await;
        let request = Request { format: Some(format), ..everything() };
        let manifest = world.export(&request).await.expect("exported").manifest;
        let registered = manifest.events.files.iter().find(|it| it.event_type == "UserRegistered").expect("a file");
        let content = fs::read_to_string(world.path("export").join(&registered.path)).expect("a file");
        if format == Format::Csv {
            let mut reader = csv::Reader::from_reader(content.as_bytes());
            let headers = reader.headers().expect("a header").clone();
            let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
            let value = |name: &str| &rows[0][headers.iter().position(|it| it == name).expect("a column")];
            assert_eq!((rows.len(), value("position"), value("user_id")), (1, "1", user.to_string().as_str()));
            assert_eq!((value("roles"), value("recorded_at")), ("[\"learner\"]", "2026-03-01T23:50:00Z"));
            let preferences: Value = serde_json::from_str(value("preferences")).expect("JSON");
            assert!(preferences["time_zone"].is_string(), "{preferences}");
        } else {
            let rows: Vec<Value> = content.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            assert_eq!((rows.len(), &rows[0]["position"], &rows[0]["roles"][0]), (1, &1.into(), &"learner".into()));
        }
        let learners = manifest.models.iter().find(|it| it.table == "learners").expect("a table");
        let content = fs::read_to_string(world.path("export").join(&learners.path)).expect("a file");
        assert!(content.contains(&user.to_string()), "{content}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_this_build_does_not_know_is_exported_as_text() {
    let world = World::create().await;
    world.user().await;
    for (position, event_type, version) in [(3, "GoalFlown", "1"), (4, "GoalSet", "9")] {
        sqlx::query(
            "WITH head AS (UPDATE log_head SET position = $1)
             INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                                 global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
             VALUES ('user', $2, 1, $3, $4, $5, '{}', $1, $6, 'main', 'other', $6, $6, '2026-03-01T23:55:00Z')",
        )
        .bind(position)
        .bind(new_id().to_string())
        .bind(event_type)
        .bind(version)
        .bind(serde_json::json!({ event_type: { "height": 3 } }))
        .bind(new_id())
        .execute(&world.database.pool)
        .await
        .expect("a foreign event");
    }
    let manifest = world.export(&events()).await.expect("exported").manifest;
    assert_eq!(positions(&world, &manifest), in_log(&world).await);
    for position in [3, 4] {
        let file = manifest.events.files.iter().find(|it| it.first == position).expect("a file");
        let batches = read(&world.path("export").join(&file.path));
        assert!(column::<StringArray>(&batches[0], "payload").value(0).contains("\"height\""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_holds_something_else_is_left_alone() {
    let world = World::create().await;
    world.user().await;
    let refused = |request: Request| {
        let world = &world;
        async move { world.export(&request).await.map(drop).expect_err("it is refused").to_string() }
    };
    fs::create_dir_all(world.path("export/events/event_type=x/date=y")).expect("a folder");
    fs::write(world.path("export/events/event_type=x/date=y/part-mine"), "mine").expect("written");
    assert!(refused(events()).await.contains("has files but no manifest.json"));
    assert!(world.path("export/events/event_type=x/date=y/part-mine").exists());
    fs::remove_dir_all(world.path("export")).expect("removed");

    let from = Request { from: Some(2), ..events() };
    let exported = world.export(&from).await.expect("exported");
    assert_eq!((exported.events, exported.manifest.events.after), (1, 1));
    assert_eq!(world.export(&from).await.expect("exported").events, 0);
    assert!(refused(Request { from: Some(1), ..events() }).await.contains("begins at position 2, not at 1"));
    assert!(refused(Request { from: Some(1 << 40), ..events() }).await.contains("is no position of shard 0"));
    assert!(refused(Request { format: Some(Format::Csv), ..events() }).await.contains("holds parquet, not csv"));
    let unknown = Request { models: vec!["nonsense".into()], ..events() };
    assert!(refused(unknown).await.starts_with("there is no read model 'nonsense': choose of learners, progress"));

    let other = World::create().await;
    other.user().await;
    let told = export(&other.log, &registry(), &world.target(), &events(), |_, _| {}).await;
    assert!(told.map(drop).expect_err("it is refused").to_string().contains("holds another log"));
    let empty = World::create().await;
    let told = export(&empty.log, &registry(), &world.target(), &events(), |_, _| {}).await;
    assert!(told.map(drop).expect_err("it is refused").to_string().contains("holds another log"));
    fs::write(world.path("export/manifest.json"), "{}").expect("written");
    assert!(refused(events()).await.contains("cannot be used"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_do_not_export_to_one_place_at_once() {
    let world = World::create_with(4).await;
    world.user().await;
    let lease = Lease::new(world.database.pool.clone(), format!("export:{}", world.target()), new_id());
    assert!(lease.hold().await.expect("a lease"));
    let told = world.export(&events()).await.map(drop).expect_err("it is refused").to_string();
    assert!(told.contains("is being exported to by another process"), "{told}");
    lease.release().await.expect("given back");
    assert_eq!(world.export(&events()).await.expect("exported").events, 2);
}
