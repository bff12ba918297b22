//! Where an event and its hash differ: which of the two was changed.

use std::collections::BTreeMap;

use super::{folder::ReadError, leaves::StoredTiles};
use crate::{EventRecord, Hash, Tree};

/// Says which of both leads to the next signed checkpoint. `lines` are the events from the one in question on, `before`
/// the tree before it.
pub(super) fn culprit(
    before: &Tree,
    lines: impl Iterator<Item = Result<String, ReadError>>,
    stored: &mut StoredTiles<'_>,
    roots: &BTreeMap<u64, Hash>,
) -> Result<String, ReadError> {
    let Some((&size, root)) = roots.range(before.size() + 1..).next() else {
        return Ok("no checkpoint after it says which of the two was changed".to_owned());
    };
    let (mut by_events, mut by_tiles) = (Some(before.clone()), Some(before.clone()));
    let mut lines = lines;
    for index in before.size()..size {
        let line = lines.next().transpose()?;
        extend(&mut by_events, line.map(|it| EventRecord::leaf(&it)));
        extend(&mut by_tiles, stored.leaf(index)?);
    }
    let leads = |tree: Option<Tree>| tree.is_some_and(|it| it.root() == *root);
    Ok(match (leads(by_events), leads(by_tiles)) {
        (_, true) => format!("the tree leads to the signed checkpoint of size {size}, so the event was changed"),
        (true, _) => format!("the events lead to the signed checkpoint of size {size}, so the tree was changed"),
        _ => format!("neither events nor tree lead to the signed checkpoint of size {size}"),
    })
}

fn extend(tree: &mut Option<Tree>, leaf: Option<Hash>) {
    match (tree.as_mut(), leaf) {
        (Some(it), Some(leaf)) => it.push(leaf, |_, _| {}),
        _ => *tree = None,
    }
}
