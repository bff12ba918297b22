//! Witnesses: a file, and an HTTP endpoint.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    time::Duration,
};

use baeum_eventlog::sealer::{Witness, WitnessError};
use baeum_proof::{Checkpoint, split_notes};
use futures::future::BoxFuture;

/// How much of the end of a file is read in search of its latest checkpoint.
const TAIL: u64 = 64 * 1024;
/// How long an endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Appends each checkpoint to a file, and sees that it is on the disk.
pub(super) struct FileWitness {
    path: PathBuf,
    name: String,
}

impl FileWitness {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { name: format!("file {}", path.display()), path }
    }

    fn wrong(&self, error: &io::Error) -> WitnessError {
        WitnessError { witness: self.name.clone(), why: error.to_string() }
    }
}

impl Witness for FileWitness {
    fn name(&self) -> &str {
        &self.name
    }

    fn latest(&self, origin: &str) -> BoxFuture<'_, Result<Option<String>, WitnessError>> {
        let (path, origin) = (self.path.clone(), origin.to_owned());
        Box::pin(async move {
            let read = blocking(move || match File::open(path) {
                Ok(mut file) => Ok(complete_tail(&mut file)?.0),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
                Err(error) => Err(error),
            });
            let tail = read.await.map_err(|error| self.wrong(&error))?;
            let ours = |note: &String| Checkpoint::read(note).is_ok_and(|it| it.origin == origin);
            Ok(split_notes(&tail).into_iter().rev().find(ours))
        })
    }

    fn show(&self, notes: Vec<String>) -> BoxFuture<'_, Result<(), WitnessError>> {
        let path = self.path.clone();
        Box::pin(async move {
            let written = blocking(move || {
                let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
                // A note that a power failure has cut would spoil the next one.
                let (_, end) = complete_tail(&mut file)?;
                file.set_len(end)?;
                file.seek(SeekFrom::End(0))?;
                let gap = if end > 0 { "\n" } else { "" };
                file.write_all(format!("{gap}{}", notes.join("\n")).as_bytes())?;
                file.sync_data()
            });
            written.await.map_err(|error| self.wrong(&error))
        })
    }
}

/// The end of the file up to the last line with a signature, and where that line ends in the file.
fn complete_tail(file: &mut File) -> io::Result<(String, u64)> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = vec![];
    file.take(TAIL).read_to_end(&mut bytes)?;
    let mut complete = 0;
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line.starts_with("\u{2014} ".as_bytes()) && line.ends_with(b"\n") {
            complete = at;
        }
    }
    if complete == 0 && start > 0 {
        return Err(io::Error::other("it does not end with checkpoints: is it another file?"));
    }
    bytes.truncate(complete);
    let end = start + u64::try_from(complete).unwrap_or(u64::MAX);
    Ok((String::from_utf8_lossy(&bytes).into_owned(), end))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Posts each checkpoint, as `text/plain`, to an endpoint, which answers with 2xx when it has it.
pub(super) struct HttpWitness {
    url: String,
    name: String,
    http: Result<reqwest::Client, String>,
}

impl HttpWitness {
    pub(super) fn new(url: &str) -> Self {
        // reqwest is built without a provider of its own; a second installation is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|error| error.to_string());
        // The path may hold a token: the host is enough to tell it from others.
        let host = reqwest::Url::parse(url).ok().and_then(|it| it.host_str().map(ToOwned::to_owned));
        Self { name: format!("endpoint at {}", host.unwrap_or_default()), url: url.to_owned(), http }
    }

    fn wrong(&self, why: String) -> WitnessError {
        WitnessError { witness: self.name.clone(), why }
    }
}

impl Witness for HttpWitness {
    fn name(&self) -> &str {
        &self.name
    }

    /// It is only ever told.
    fn latest(&self, _: &str) -> BoxFuture<'_, Result<Option<String>, WitnessError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn show(&self, notes: Vec<String>) -> BoxFuture<'_, Result<(), WitnessError>> {
        Box::pin(async move {
            let http = self.http.as_ref().map_err(|error| self.wrong(error.clone()))?;
            for note in notes {
                let posted = http.post(&self.url).header("content-type", "text/plain; charset=utf-8").body(note);
                let answer = posted.send().await.map_err(|error| self.wrong(error.without_url().to_string()))?;
                if !answer.status().is_success() {
                    return Err(self.wrong(format!("it answered {}", answer.status())));
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, http::StatusCode, routing::post};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_endpoint_is_shown_each_checkpoint_in_order_and_its_refusal_is_told_without_its_token() {
        let (shown, refusals) = (Arc::new(Mutex::new(vec![])), Arc::new(AtomicUsize::new(1)));
        let (kept, left) = (shown.clone(), refusals.clone());
        let receive = async move |body: String| {
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1)).is_ok() {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            kept.lock().expect("nobody panicked").push(body);
            StatusCode::NO_CONTENT
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/secret-token/checkpoints", post(receive));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let witness = HttpWitness::new(&format!("http://{address}/secret-token/checkpoints"));
        let notes = || vec!["first".to_owned(), "second".to_owned()];
        let refused = witness.show(notes()).await.expect_err("it is not ready").to_string();
        assert!(refused.contains("503") && refused.contains("127.0.0.1"), "{refused}");
        assert!(!refused.contains("secret-token"), "{refused}");
        witness.show(notes()).await.expect("shown");
        assert_eq!(*shown.lock().expect("nobody panicked"), notes());
        server.abort();
    }
}
