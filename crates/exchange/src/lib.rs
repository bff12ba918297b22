//! Events and read models out to analysts, and attempts of other systems in.
//!
//! [`export`] writes the log and the read models as Parquet, CSV or JSON Lines into a folder or a bucket, and goes on
//! where it stopped; [`import`] brings files of past attempts into the log, once.

pub mod export;
pub mod import;
