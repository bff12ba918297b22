//! Programs that we did not write read our checkpoints, tiles, proofs and canonical bytes, and agree.

use std::collections::HashMap;

use baeum_proof::{
    Checkpoint, EventRecord, Hash, Signer, Tile, Tiles, Tree, VerifierKey, bundle, consistency, inclusion, tiles_of,
};
use proptest::prelude::*;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{HashReader as _, TileHashReader, TileReader};

const NAME: &str = "school.example/log/shard-0";

/// A log as a server of tiles has it.
struct Served {
    tree: Tree,
    tiles: HashMap<Tile, Vec<Hash>>,
}

impl Served {
    fn of(entries: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let (mut tree, mut tiles) = (Tree::new(), HashMap::new());
        for entry in entries {
            tree.push(Hash::of_leaf(&entry), |tile, hashes| {
                tiles.insert(tile, hashes);
            });
        }
        tiles.extend(tree.edge().map(|(tile, hashes)| (tile, hashes.to_vec())));
        Self { tree, tiles }
    }

    fn of_size(size: u64) -> Self {
        Self::of((0..size).map(|it| it.to_be_bytes().to_vec()))
    }

    /// A tree that is smaller has the same tiles, but narrower ones at its edge.
    fn hashes_of(&self, tile: Tile) -> Option<&[Hash]> {
        let wide = Tile::in_tree(tile.level(), tile.index(), self.tree.size())?;
        let hashes = self.tiles.get(&wide)?;
        hashes.get(..usize::try_from(tile.width()).ok()?)
    }
}

impl Tiles for Served {
    fn hashes(&self, tile: Tile) -> Option<&[Hash]> {
        self.hashes_of(tile)
    }
}

impl TileReader for Served {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &tlog_tiles::Tile| {
            // The name is all that passes between the two.
            let ours: Tile = tile.path().replacen("tile/8/", "tile/", 1).parse().expect("a name that we know");
            Tile::write(self.hashes_of(ours).expect("a tile that there is"))
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash.as_bytes())
}

fn signer() -> Signer {
    Signer::from_seed(&[7; 32], NAME).expect("a key")
}

#[test]
fn a_checkpoint_is_verified_and_read_by_others() {
    let tree = Served::of_size(1_000).tree;
    let checkpoint = Checkpoint { origin: NAME.into(), size: tree.size(), root: tree.root() };
    let note = checkpoint.sign(&signer());
    let verifier = StandardVerifier::new(&signer().verifier().to_string()).expect("our verifier key is read");
    let read = Note::from_bytes(note.as_bytes()).expect("our note is read");
    let (verified, _) = read.verify(&VerifierList::new(vec![Box::new(verifier)])).expect("our signature is verified");
    assert_eq!(verified.len(), 1);
    let read = tlog_tiles::Checkpoint::from_bytes(read.text()).expect("our checkpoint is read");
    assert_eq!((read.origin(), read.size(), *read.hash()), (NAME, 1_000, theirs(tree.root())));
    assert_eq!(Checkpoint::verify(&note, &[signer().verifier().clone()]), Ok(checkpoint));
}

#[test]
fn a_client_of_tiles_reads_every_leaf_of_our_tree_and_checks_it_against_the_root() {
    for size in [1, 2, 255, 256, 257, 1_000, 65_536, 70_001] {
        let served = Served::of_size(size);
        let reader = TileHashReader::new(size, theirs(served.tree.root()), &served);
        for index in [0, 1, size / 3, size / 2, size - 1].into_iter().filter(|it| *it < size) {
            let hashes = reader.read_hashes(&[tlog_tiles::stored_hash_index(0, index)]).expect("read and checked");
            assert_eq!(hashes, [theirs(Hash::of_leaf(&index.to_be_bytes()))], "leaf {index} of {size}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn our_proofs_are_theirs_and_both_verify(size in 1_u64..3_000, part in 0.0_f64..1.0, grown in 0_u64..2_000) {
        let served = Served::of_size(size + grown);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let index = ((size as f64) * part) as u64 % size;
        let (root, leaf) = (Served::of_size(size).tree.root(), Hash::of_leaf(&index.to_be_bytes()));
        let path = inclusion::prove(&served, index, size).expect("every tile is there");
        prop_assert!(inclusion::verify(leaf, index, size, &path, root));
        let their_path: Vec<_> = path.iter().map(|it| theirs(*it)).collect();
        prop_assert!(tlog_tiles::check_record(&their_path, size, theirs(root), index, theirs(leaf)).is_ok());
        let other = Hash::of_leaf(b"another");
        prop_assert!(!inclusion::verify(other, index, size, &path, root));
        for wrong in 0..path.len() {
            let mut path = path.clone();
            path[wrong] = other;
            prop_assert!(!inclusion::verify(leaf, index, size, &path, root));
        }
        prop_assert!(!inclusion::verify(leaf, index, size, &[path.clone(), vec![other]].concat(), root));

        let later = served.tree.root();
        let proof = consistency::prove(&served, size, size + grown).expect("every tile is there");
        prop_assert!(consistency::verify(size, root, size + grown, later, &proof));
        if grown > 0 {
            let their_proof: Vec<_> = proof.iter().map(|it| theirs(*it)).collect();
            let checked = tlog_tiles::check_tree(&their_proof, size + grown, theirs(later), size, theirs(root));
            prop_assert!(checked.is_ok());
            prop_assert!(!consistency::verify(size, other, size + grown, later, &proof));
            prop_assert!(!consistency::verify(size, root, size + grown, other, &proof));
        }
        let wanted = tiles_of(|tiles| inclusion::prove(tiles, index, size).map(drop));
        prop_assert!(wanted.iter().all(|tile| tile.least_size().is_some_and(|least| least <= size)));
    }

    #[test]
    fn a_tree_goes_on_from_its_edge(size in 0_u64..70_000, more in 1_u64..600) {
        let before = Served::of_size(size);
        let mut resumed = Tree::resume(size, |tile| before.hashes_of(tile).map(<[Hash]>::to_vec)).expect("its edge");
        prop_assert_eq!(&resumed, &before.tree);
        for index in size..size + more {
            resumed.push(Hash::of_leaf(&index.to_be_bytes()), |_, _| {});
        }
        prop_assert_eq!(resumed.root(), Served::of_size(size + more).tree.root());
    }

    #[test]
    fn the_canonical_bytes_of_an_event_are_those_of_rfc_8785(
        texts in prop::collection::vec(any::<String>(), 12), position in 1_i64..(1 << 52), sequence in 1_i64..(1 << 40),
    ) {
        let text = |at: usize| texts[at].as_str().into();
        let record = EventRecord {
            actor: text(0), aggregate_id: text(1), aggregate_type: text(2), causation_id: text(3),
            correlation_id: text(4), event_id: text(5), event_type: text(6), event_version: text(7),
            global_position: position, metadata: text(8), payload: text(9), recorded_at: text(10), sequence,
            tenant: text(11),
        };
        let canonical = record.canonical().expect("within range");
        prop_assert_eq!(&canonical, &serde_json_canonicalizer::to_string(&record).expect("canonical"));
        prop_assert_eq!(EventRecord::read(&canonical).expect("it is read back"), record);
    }

    #[test]
    fn a_name_of_a_tile_means_the_same_to_others(level in 0_u8..4, index in 0_u64..10_000_000_000, width in 1_u32..=256) {
        let theirs = tlog_tiles::Tile::new(8, level, index, width, false).path().replacen("tile/8/", "tile/", 1);
        let ours: Tile = theirs.parse().expect("a tile");
        prop_assert_eq!((ours.level(), ours.index(), ours.width()), (level, index, u64::from(width)));
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in any::<String>()) {
        let _ = (text.parse::<Tile>(), text.parse::<VerifierKey>(), Checkpoint::read(&text), EventRecord::read(&text));
        let _ = (bundle::entries(text.as_bytes()), baeum_proof::split_notes(&text), Tile::read(text.as_bytes()));
    }
}

#[test]
fn a_bundle_of_entries_is_read_back_and_a_broken_one_is_refused() {
    let mut written = vec![];
    for entry in [&b"one"[..], b"", &vec![9; 65_535]] {
        bundle::push(&mut written, entry);
    }
    assert_eq!(written[..5], [0, 3, b'o', b'n', b'e']);
    assert_eq!(bundle::entries(&written).map(|it| it.len()), Some(3));
    assert_eq!(bundle::entries(&written[..written.len() - 1]), None);
}
