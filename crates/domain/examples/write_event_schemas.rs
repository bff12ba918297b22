//! Writes the JSON Schema of every event that has none yet to `event-schemas/`. A published schema is never changed.

#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::{fs, io, path::Path};

use baeum_domain::any::AGGREGATES;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../event-schemas");
    for info in AGGREGATES {
        let folder = root.join(info.context);
        fs::create_dir_all(&folder)?;
        for (name, version, schema) in info.event_schemas() {
            let file = folder.join(format!("{name}.v{version}.json"));
            if !file.exists() {
                fs::write(&file, format!("{schema:#}\n"))?;
                println!("new: event-schemas/{}/{name}.v{version}.json", info.context);
            }
        }
    }
    Ok(())
}
