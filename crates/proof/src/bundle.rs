//! Bundles: the entries of up to 256 leaves, each after its length in two bytes (C2SP `tlog-tiles`).

/// Adds an entry.
///
/// # Panics
/// When it has more than 65,535 bytes. Ours have 32: see [`crate::EventRecord::entry`].
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).expect("an entry has 65,535 bytes at most");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of a bundle; `None` where it breaks off.
pub fn entries(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = vec![];
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry);
        bundle = rest;
    }
    Some(entries)
}
