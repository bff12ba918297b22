//! Where an export goes: a folder, or a bucket that speaks S3.
//!
//! Files are written aside first, under `_aside/`, and put in their places when all of an export are there; so no file is
//! ever seen half written, and what a killed export has left is easily told.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart, aws::AmazonS3Builder, path::Path as Key};

use super::ExportError;

/// Where files wait until they are put in their places.
pub(super) const ASIDE: &str = "_aside";
/// Parts of an upload to a bucket that are on their way at once.
const ON_THE_WAY: usize = 4;

/// Where an export goes.
#[derive(Clone, Debug)]
pub struct Target(Place);

#[derive(Clone, Debug)]
enum Place {
    Folder(PathBuf),
    Bucket { store: Arc<dyn ObjectStore>, url: String, prefix: Key },
}

/// A file that is being written aside.
pub(super) enum Sink {
    File(File),
    Upload(Box<WriteMultipart>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Folder(folder) => folder.display().fmt(f),
            Place::Bucket { url, .. } => f.write_str(url),
        }
    }
}

impl Target {
    /// A folder, or `s3://bucket/prefix` with region, endpoint and credentials of the usual variables (`AWS_REGION`,
    /// `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, …).
    ///
    /// # Errors
    /// When the URL or what the variables say cannot be used.
    pub fn parse(text: &str) -> Result<Self, ExportError> {
        if !text.starts_with("s3://") {
            return match text {
                "" => {
                    Err(ExportError::Target { target: text.to_owned(), problem: "it is empty: give a folder".into() })
                }
                _ if text.contains("://") => Err(ExportError::Target {
                    target: text.to_owned(),
                    problem: "give a folder, or s3://bucket/prefix".into(),
                }),
                _ => Ok(Self(Place::Folder(PathBuf::from(text)))),
            };
        }
        let url = text.trim_end_matches('/').to_owned();
        let path = url.trim_start_matches("s3://").split_once('/').map_or("", |(_, path)| path);
        let wrong = |problem: String| ExportError::Target { target: url.clone(), problem };
        let prefix = Key::parse(path).map_err(|error| wrong(error.to_string()))?;
        let store = AmazonS3Builder::from_env().with_url(&url).build().map_err(|error| wrong(error.to_string()))?;
        Ok(Self(Place::Bucket { store: Arc::new(store), url, prefix }))
    }

    /// A folder of it.
    #[must_use]
    pub fn within(&self, name: &str) -> Self {
        Self(match &self.0 {
            Place::Folder(folder) => Place::Folder(folder.join(name)),
            Place::Bucket { store, url, prefix } => {
                Place::Bucket { store: store.clone(), url: format!("{url}/{name}"), prefix: prefix.clone().join(name) }
            }
        })
    }

    /// The content of a file, where it is there.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ExportError> {
        match &self.0 {
            Place::Folder(folder) => match fs::read(folder.join(path)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.failed(path, &error)),
            },
            Place::Bucket { store, .. } => match store.get(&self.key(path)).await {
                Ok(found) => Ok(Some(found.bytes().await.map_err(|error| self.failed(path, &error))?.to_vec())),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(self.failed(path, &error)),
            },
        }
    }

    /// Puts a small file in its place, at once and whole.
    pub(super) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ExportError> {
        match &self.0 {
            Place::Folder(folder) => {
                let written = || {
                    let aside = folder.join(format!("{path}.new"));
                    fs::create_dir_all(folder)?;
                    let mut file = File::create(&aside)?;
                    file.write_all(&bytes)?;
                    file.sync_all()?;
                    fs::rename(&aside, folder.join(path))?;
                    // The name is durable when its folder is.
                    File::open(folder)?.sync_all()
                };
                written().map_err(|error| self.failed(path, &error))
            }
            Place::Bucket { store, .. } => {
                let put = store.put(&self.key(path), bytes.into()).await;
                put.map(drop).map_err(|error| self.failed(path, &error))
            }
        }
    }

    /// Every file of it, in no order.
    pub(super) async fn list(&self) -> Result<Vec<String>, ExportError> {
        match &self.0 {
            Place::Folder(folder) => {
                let mut found = vec![];
                match files(folder, folder, &mut found) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
                    Err(error) => Err(self.failed("", &error)),
                    Ok(()) => Ok(found),
                }
            }
            Place::Bucket { store, prefix, .. } => {
                let listed: Result<Vec<_>, _> = store.list(Some(prefix)).map_ok(|it| it.location).try_collect().await;
                let listed = listed.map_err(|error| self.failed("", &error))?;
                let within = |key: &Key| {
                    let parts: Vec<_> = key.prefix_match(prefix)?.map(|part| part.as_ref().to_owned()).collect();
                    Some(parts.join("/"))
                };
                Ok(listed.iter().filter_map(within).collect())
            }
        }
    }

    /// Removes a file.
    pub(super) async fn delete(&self, path: &str) -> Result<(), ExportError> {
        match &self.0 {
            Place::Folder(folder) => fs::remove_file(folder.join(path)).map_err(|error| self.failed(path, &error)),
            Place::Bucket { store, .. } => {
                store.delete(&self.key(path)).await.map_err(|error| self.failed(path, &error))
            }
        }
    }

    /// Begins a file aside.
    pub(super) async fn create(&self, path: &str) -> Result<Sink, ExportError> {
        let aside = format!("{ASIDE}/{path}");
        match &self.0 {
            Place::Folder(folder) => {
                let file = folder.join(&aside);
                let created = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&file));
                Ok(Sink::File(created.map_err(|error| self.failed(&aside, &error))?))
            }
            Place::Bucket { store, .. } => {
                let upload = store.put_multipart(&self.key(&aside)).await;
                Ok(Sink::Upload(Box::new(WriteMultipart::new(upload.map_err(|error| self.failed(&aside, &error))?))))
            }
        }
    }

    /// Puts a file in its place that was finished aside; one that is there is replaced.
    pub(super) async fn publish(&self, path: &str) -> Result<(), ExportError> {
        let aside = format!("{ASIDE}/{path}");
        match &self.0 {
            Place::Folder(folder) => {
                let (from, to) = (folder.join(aside), folder.join(path));
                let moved = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::rename(from, to));
                moved.map_err(|error| self.failed(path, &error))
            }
            Place::Bucket { store, .. } => {
                let moved = store.rename(&self.key(&aside), &self.key(path)).await;
                moved.map_err(|error| self.failed(path, &error))
            }
        }
    }

    /// Makes durable what was published, and removes the empty folders that it waited in.
    pub(super) fn settle<'a>(&self, published: impl Iterator<Item = &'a str>) -> Result<(), ExportError> {
        let Place::Folder(folder) = &self.0 else { return Ok(()) };
        // Each folder on the way holds a name that may be new.
        let parents = |path: &'a str| Path::new(path).ancestors().skip(1).map(|it| folder.join(it));
        let folders: std::collections::BTreeSet<PathBuf> = published.flat_map(parents).collect();
        for folder in folders {
            File::open(&folder).and_then(|it| it.sync_all()).map_err(|error| self.failed("", &error))?;
        }
        match fs::remove_dir_all(folder.join(ASIDE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(ASIDE, &error)),
            _ => Ok(()),
        }
    }

    fn key(&self, path: &str) -> Key {
        let prefix = match &self.0 {
            Place::Bucket { prefix, .. } => prefix.clone(),
            Place::Folder(_) => Key::default(),
        };
        path.split('/').fold(prefix, Key::join)
    }

    fn failed(&self, path: &str, error: &dyn fmt::Display) -> ExportError {
        ExportError::Storage { at: format!("{self}/{path}"), problem: in_one_line(error) }
    }
}

impl Sink {
    /// Takes bytes; of an upload they may wait in memory until [`Sink::wait`]. Within a runtime only.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        match self {
            Self::File(file) => file.write_all(bytes).map_err(|error| unwritten(&error)),
            Self::Upload(upload) => {
                upload.write(bytes);
                Ok(())
            }
        }
    }

    /// Waits until few of the bytes wait.
    pub(super) async fn wait(&mut self) -> Result<(), ExportError> {
        match self {
            Self::File(_) => Ok(()),
            Self::Upload(upload) => upload.wait_for_capacity(ON_THE_WAY).await.map_err(|error| unwritten(&error)),
        }
    }

    /// Ends the file; it is durable then.
    pub(super) async fn finish(self) -> Result<(), ExportError> {
        match self {
            Self::File(file) => file.sync_all().map_err(|error| unwritten(&error)),
            Self::Upload(upload) => upload.finish().await.map(drop).map_err(|error| unwritten(&error)),
        }
    }
}

fn unwritten(error: &dyn fmt::Display) -> ExportError {
    ExportError::Storage { at: "a file of the export".to_owned(), problem: in_one_line(error) }
}

/// What a bucket answers may be a page of XML.
fn in_one_line(error: &dyn fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn files(root: &Path, folder: &Path, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            files(root, &path, found)?;
        } else if let Ok(within) = path.strip_prefix(root) {
            let parts: Vec<_> = within.iter().map(|part| part.to_string_lossy()).collect();
            found.push(parts.join("/"));
        }
    }
    Ok(())
}
