//! What goes wrong, and the plan by which it does.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What can go wrong with a request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 429 with `Retry-After: 0`; nothing is done.
    RateLimited,
    /// 500 before anything is done; a repeat goes through.
    ErrorBefore,
    /// The connection is cut before anything is done; a repeat goes through.
    LostBefore,
    /// It is done only after the configured delay.
    Slow,
    /// It is done only when `POST /control/release` says so.
    Held,
    /// It is done, and answered 500; so is every repeat with the key.
    ErrorAfter,
    /// It is done, and the connection is cut; a repeat is told what was done.
    LostAfter,
}

/// What can go wrong with the webhooks of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// They are sent after the configured delay, or when `POST /control/webhooks/release` says so.
    Late,
    /// Each is sent twice.
    Duplicated,
    /// Those of the request are sent in the opposite order.
    Reordered,
    /// Before each a changed one is sent, signed with another secret.
    Forged,
    /// They are never sent.
    Lost,
}

/// What is to go wrong. By chance: the same seed and the same keys give the same faults, in whatever order the requests
/// come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// What the chances are drawn by.
    pub seed: u64,
    /// The share of requests with each fault, 0 to 1, at most 1 in all. A repeat is drawn anew.
    pub requests: BTreeMap<Fault, f64>,
    /// The share of requests whose webhooks have each trouble, 0 to 1, at most 1 in all.
    pub webhooks: BTreeMap<Trouble, f64>,
    /// What happens to the next requests, one each, before any chance.
    pub next: VecDeque<Fault>,
    /// What happens to the webhooks of the next requests that have any, one each, before any chance.
    pub next_webhooks: VecDeque<Trouble>,
}

impl Plan {
    /// What is wrong with it, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let shares = |name: &str, shares: Vec<f64>| {
            let each = shares.iter().all(|share| (0.0..=1.0).contains(share));
            let all = shares.iter().sum::<f64>() <= 1.0 + 1e-9;
            (!each || !all).then(|| format!("the shares in '{name}' must be from 0 to 1, and at most 1 in all"))
        };
        let requests = shares("requests", self.requests.values().copied().collect());
        requests.or_else(|| shares("webhooks", self.webhooks.values().copied().collect()))
    }

    /// What happens to the `attempt`th request with this key.
    pub(crate) fn fault(&self, key: &str, attempt: u32) -> Option<Fault> {
        draw(&self.requests, unit(self.seed, &format!("request {attempt} {key}")))
    }

    /// What happens to the webhooks of the request that made the object with this id.
    pub(crate) fn trouble(&self, id: &str) -> Option<Trouble> {
        draw(&self.webhooks, unit(self.seed, &format!("webhook {id}")))
    }
}

fn draw<T: Copy>(shares: &BTreeMap<T, f64>, mut chance: f64) -> Option<T> {
    for (what, share) in shares {
        if chance < *share {
            return Some(*what);
        }
        chance -= share;
    }
    None
}

/// A number from 0 to 1 that depends on nothing but the seed and the text.
fn unit(seed: u64, text: &str) -> f64 {
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(text).finalize();
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    f64::from(number) / 4_294_967_296.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_key_have_the_same_fault_and_the_shares_are_kept() {
        let plan = |seed| Plan {
            seed,
            requests: BTreeMap::from([(Fault::ErrorAfter, 0.1), (Fault::LostAfter, 0.3)]),
            ..Plan::default()
        };
        let drawn = |seed| (0..10_000).map(move |n| plan(seed).fault(&format!("key-{n}"), 0)).collect::<Vec<_>>();
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        let lost = drawn(1).iter().filter(|it| **it == Some(Fault::LostAfter)).count();
        assert!((2_800..3_200).contains(&lost), "{lost}");
        let keys = (0..100).map(|n| format!("key-{n}"));
        assert!(keys.into_iter().any(|key| plan(1).fault(&key, 0) != plan(1).fault(&key, 1)), "a repeat is drawn anew");
    }

    #[test]
    fn shares_beyond_one_are_a_problem() {
        let plan = |share| Plan { requests: BTreeMap::from([(Fault::Slow, share)]), ..Plan::default() };
        assert!(plan(1.0).problem().is_none());
        assert!(plan(1.5).problem().is_some());
        assert!(plan(-0.1).problem().is_some());
    }
}
