//! Lines for the person at the terminal.

use std::{
    fmt::Display,
    io::{Write as _, stdout},
};

/// Prints a line on stdout. Where nobody reads any more (`| head`), there is nobody to tell.
pub(crate) fn tell(line: impl Display) {
    let _ = writeln!(stdout(), "{line}");
}
