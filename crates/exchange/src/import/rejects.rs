//! The rows that were left out, each with its line and its reason.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
};

use super::{ImportError, records::Reject};

/// A file of rejects. It is there only where there are some.
pub(super) struct Rejects {
    path: PathBuf,
    writer: csv::Writer<BufWriter<File>>,
    count: u64,
}

impl Rejects {
    pub(super) fn create(path: &Path) -> Result<Self, ImportError> {
        let file = File::create(path).map_err(|error| unwritable(path, error))?;
        let mut rejects =
            Self { path: path.to_owned(), writer: csv::Writer::from_writer(BufWriter::new(file)), count: 0 };
        rejects.write("line", "reason")?;
        Ok(rejects)
    }

    pub(super) fn add(&mut self, reject: &Reject) -> Result<(), ImportError> {
        self.count += 1;
        self.write(&reject.line.to_string(), &reject.reason)
    }

    /// Writes what is left, and removes a file without rows.
    pub(super) fn finish(mut self) -> Result<(), ImportError> {
        self.writer.flush().map_err(|error| unwritable(&self.path, error))?;
        if self.count == 0 {
            drop(self.writer);
            fs::remove_file(&self.path).map_err(|error| unwritable(&self.path, error))?;
        }
        Ok(())
    }

    fn write(&mut self, line: &str, reason: &str) -> Result<(), ImportError> {
        let written = self.writer.write_record([line, reason]);
        written.map_err(|error| unwritable(&self.path, error.into()))
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> ImportError {
    ImportError::Write { path: path.display().to_string(), error }
}
