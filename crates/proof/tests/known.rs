//! Vectors that are known from elsewhere, and what must not be believed.

use baeum_proof::{Checkpoint, EventRecord, Hash, RecordError, Signer, Tree, VerifierKey, note, split_notes};
use base64::{Engine as _, prelude::BASE64_STANDARD};

/// The leaves and roots that the tests of Certificate Transparency use (RFC 6962 trees of 0 to 8 leaves).
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect()
}

#[test]
fn trees_have_the_roots_of_certificate_transparency() {
    let mut tree = Tree::new();
    assert_eq!(hex(tree.root().as_bytes()), ROOTS[0]);
    for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
        tree.push(Hash::of_leaf(&bytes(leaf)), |_, _| {});
        assert_eq!(hex(tree.root().as_bytes()), *root);
    }
}

/// The verifier key and the note of the documentation of golang.org/x/mod/sumdb/note.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
                       then you don't know what your problem is.\n\n\
                       \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn a_note_of_go_is_verified() {
    let key: VerifierKey = GO_KEY.parse().expect("its key");
    assert_eq!(key.to_string(), GO_KEY);
    let text = note::verify(GO_NOTE, std::slice::from_ref(&key)).expect("it is signed");
    assert!(text.ends_with("what your problem is.\n"));
    let changed = GO_NOTE.replace("your problem is", "the problem is");
    assert!(matches!(note::verify(&changed, &[key]), Err(note::NoteError::Wrong(_))));
}

#[test]
fn a_key_is_read_as_openssl_writes_it() {
    // RFC 8410, section 10.3.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    let signer = Signer::from_pem(pem, "school.example").expect("a key");
    // Its public key is in section 10.1.
    let public = bytes("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
    assert!(signer.verifier().to_string().starts_with("school.example+"));
    let verifier: VerifierKey = signer.verifier().to_string().parse().expect("its own text");
    assert_eq!(&verifier, signer.verifier());
    let text = signer.verifier().to_string();
    let key = text.splitn(3, '+').nth(2).and_then(|key| BASE64_STANDARD.decode(key).ok()).expect("base64");
    assert_eq!(key, [&[1][..], &public].concat());
    assert!(Signer::from_pem("no key", "x").is_err());
    for name in ["", "a b", "a+b", "a\nb"] {
        assert!(Signer::from_pem(pem, name).is_err(), "'{name}' is no name");
    }
    let again = Signer::pem(&[7; 32]).expect("written");
    assert!(Signer::from_pem(&again, "x").is_ok());
}

#[test]
fn only_a_checkpoint_that_a_key_of_its_own_log_has_signed_is_believed() {
    let (ours, others) = (Signer::from_seed(&[1; 32], "ours").expect("a key"), Signer::from_seed(&[2; 32], "ours"));
    let keys = [ours.verifier().clone()];
    let checkpoint = Checkpoint { origin: "ours".into(), size: 3, root: Hash::of_nothing() };
    let signed = checkpoint.sign(&ours);
    assert_eq!(Checkpoint::verify(&signed, &keys), Ok(checkpoint.clone()));
    assert!(Checkpoint::verify(&checkpoint.sign(&others.expect("a key")), &keys).is_err(), "another key");
    let foreign = Checkpoint { origin: "theirs".into(), ..checkpoint.clone() };
    assert!(Checkpoint::verify(&foreign.sign(&ours), &keys).is_err(), "another log");
    assert!(Checkpoint::verify(&signed.replace("\n3\n", "\n4\n"), &keys).is_err(), "another size");
    for wrong in ["", "\n", "ours\n3\n", &signed.replace("\n3\n", "\n03\n"), &signed.replace('\u{2014}', "-")] {
        assert!(Checkpoint::verify(wrong, &keys).is_err(), "{wrong:?}");
    }
    let both = format!("{signed}\n{signed}{signed}");
    assert_eq!(split_notes(&both), [signed.as_str(); 3]);
}

#[test]
fn the_stored_text_of_a_payload_is_hashed_as_it_is() {
    let record = |payload: &'static str| EventRecord {
        actor: "mina".into(),
        aggregate_id: "a".into(),
        aggregate_type: "lesson".into(),
        causation_id: "c".into(),
        correlation_id: "c".into(),
        event_id: "e".into(),
        event_type: "T".into(),
        event_version: "1".into(),
        global_position: 1,
        metadata: "{}".into(),
        payload: payload.into(),
        recorded_at: "2026-03-01T09:00:00.000000Z".into(),
        sequence: 1,
        tenant: "main".into(),
    };
    let leaf = |payload| EventRecord::leaf(&record(payload).canonical().expect("canonical"));
    let near = [
        r#"{"n":9007199254740993}"#,
        r#"{"n":9007199254740992}"#,
        r#"{"n":9007199254740992.0}"#,
        r#"{"n": 9007199254740992}"#,
        r#"{"n":1,"n":2}"#,
        r#"{"n":2}"#,
        r#"{"n":"\ud800"}"#,
        r#"{"n":"\ud801"}"#,
        r#"{"n":1e400}"#,
    ];
    for (at, one) in near.iter().enumerate() {
        for other in &near[at + 1..] {
            assert_ne!(leaf(one), leaf(other), "{one} and {other}");
        }
    }
    let beyond = EventRecord { sequence: 1 << 53, ..record("{}") };
    assert!(matches!(beyond.canonical(), Err(RecordError::Inexact { column: "sequence", .. })));
    let canonical = record("{}").canonical().expect("canonical");
    assert_eq!(EventRecord::read(&canonical.replace(',', ", ")), Err(RecordError::NotCanonical));
}
