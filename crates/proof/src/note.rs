//! Signed notes (C2SP `signed-note`): a text, an empty line, and lines with signatures.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{Signer, VerifierKey};

/// What a line with a signature begins with.
pub(crate) const SIGNATURE: &str = "\u{2014} ";

/// Why a note is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It has another form.
    #[error("it is no signed note")]
    Malformed,
    /// No key that is known has signed it.
    #[error("it is not signed by a key that was given")]
    Unknown,
    /// A signature under the name and id of a known key is wrong.
    #[error("the signature of '{0}' is wrong")]
    Wrong(String),
}

/// The note of this text, which ends with a line break.
///
/// # Panics
/// When the text does not end with a line break.
pub fn sign(text: &str, signer: &Signer) -> String {
    assert!(text.ends_with('\n'), "the text of a note ends with a line break");
    let key = signer.verifier();
    let mut bytes = key.id().to_vec();
    bytes.extend_from_slice(&signer.sign(text.as_bytes()));
    format!("{text}\n{SIGNATURE}{} {}\n", key.name(), BASE64_STANDARD.encode(bytes))
}

/// The text of a note, with its last line break; not verified.
///
/// # Errors
/// When it has another form.
pub fn text(note: &str) -> Result<&str, NoteError> {
    Ok(split(note)?.0)
}

/// The text of a note that one of `keys` has signed. Signatures of others are passed over.
///
/// # Errors
/// When it has another form, nobody known has signed it, or a signature of a known key is wrong.
pub fn verify<'a>(note: &'a str, keys: &[VerifierKey]) -> Result<&'a str, NoteError> {
    let (text, signatures) = split(note)?;
    let mut verified = false;
    for line in signatures.lines() {
        let signature = line.strip_prefix(SIGNATURE).and_then(|it| it.split_once(' '));
        let (name, encoded) = signature.ok_or(NoteError::Malformed)?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| NoteError::Malformed)?;
        let (id, bytes) = bytes.split_first_chunk::<4>().ok_or(NoteError::Malformed)?;
        let Some(key) = keys.iter().find(|key| key.name() == name && key.id() == *id) else { continue };
        let sound = bytes.try_into().is_ok_and(|signature| key.verifies(text.as_bytes(), signature));
        if !sound {
            return Err(NoteError::Wrong(name.to_owned()));
        }
        verified = true;
    }
    if verified { Ok(text) } else { Err(NoteError::Unknown) }
}

fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let sound = note.ends_with('\n') && !note.contains(|it: char| it.is_control() && it != '\n');
    let at = note.rfind("\n\n").filter(|_| sound).ok_or(NoteError::Malformed)?;
    let (text, signatures) = (&note[..=at], &note[at + 2..]);
    if text == "\n" || signatures.is_empty() { Err(NoteError::Malformed) } else { Ok((text, signatures)) }
}
