//! Content as vectors: what a title or clip is about and trains, as weights of tags.
//!
//! A tag is a topic, a focus or a skill. Its weight is its inverse document frequency, ln((1 + n) / (1 + df)) + 1 (as in
//! Manning, Raghavan & Schütze, *Introduction to Information Retrieval*, 2008, ch. 6, smoothed), and vectors are of length
//! one. The same catalogue gives the same vectors on every platform; no network and no weights are needed. The level is no
//! tag: how near two levels are is another question (`fit.rs`).

use std::collections::{BTreeMap, BTreeSet};

use baeum_domain::{catalog::Catalog, recommendation::recommending::Content};

/// The vectors of a catalogue.
#[derive(Clone, Debug, Default)]
pub struct Embeddings {
    dimensions: usize,
    vectors: BTreeMap<Content, Vec<f64>>,
}

impl Embeddings {
    /// Of every title and clip of `catalog`.
    pub fn of(catalog: &Catalog) -> Self {
        let tags: BTreeMap<Content, BTreeSet<String>> = tags(catalog).collect();
        let mut frequencies = BTreeMap::<&str, u32>::new();
        for tag in tags.values().flatten() {
            *frequencies.entry(tag).or_default() += 1;
        }
        let all = f64::from(u32::try_from(tags.len()).unwrap_or(u32::MAX));
        let rarity: BTreeMap<&str, (usize, f64)> = frequencies
            .iter()
            .enumerate()
            .map(|(at, (tag, frequency))| (*tag, (at, libm::log((1.0 + all) / (1.0 + f64::from(*frequency))) + 1.0)))
            .collect();
        let vector = |tags: &BTreeSet<String>| {
            let mut vector = vec![0.0; rarity.len()];
            for tag in tags {
                let (at, weight) = rarity[tag.as_str()];
                vector[at] = weight;
            }
            normalized(vector)
        };
        let vectors = tags.iter().map(|(content, tags)| (content.clone(), vector(tags))).collect();
        Self { dimensions: rarity.len(), vectors }
    }

    /// The vector of a content, of length 1; none for what is not in the catalogue.
    pub fn get(&self, content: &Content) -> Option<&[f64]> {
        self.vectors.get(content).map(Vec::as_slice)
    }

    /// Every content, in their order.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        self.vectors.keys()
    }

    /// The direction of several contents together, of length 1 (or 0 where none of them is known).
    pub fn mean<'a>(&self, contents: impl IntoIterator<Item = &'a Content>) -> Vec<f64> {
        let mut sum = vec![0.0; self.dimensions];
        for vector in contents.into_iter().filter_map(|content| self.get(content)) {
            for (total, value) in sum.iter_mut().zip(vector) {
                *total += value;
            }
        }
        normalized(sum)
    }
}

/// The cosine of two vectors of length 1; 0 where one of them has none.
pub(crate) fn cosine(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(x, y)| x * y).sum::<f64>().clamp(0.0, 1.0)
}

fn tags(catalog: &Catalog) -> impl Iterator<Item = (Content, BTreeSet<String>)> {
    let titles = catalog.titles.values().map(|title| {
        let topics = title.topics.iter().map(|it| format!("topic {it}"));
        let tags = topics.chain(title.focus.iter().map(|it| format!("focus {it}")));
        (Content::Title(title.id.clone()), tags.chain(title.skills.iter().map(|it| format!("skill {it}"))).collect())
    });
    let clips = catalog.clips.values().map(|clip| {
        let topics = clip.topics.iter().map(|it| format!("topic {it}"));
        let focuses = clip.focus.iter().chain(clip.tasks.iter().map(|task| &task.focus));
        let tags = topics.chain(focuses.map(|it| format!("focus {it}")));
        (Content::Clip(clip.id.clone()), tags.chain(clip.skills.iter().map(|it| format!("skill {it}"))).collect())
    });
    titles.chain(clips)
}

fn normalized(mut vector: Vec<f64>) -> Vec<f64> {
    let length = libm::sqrt(vector.iter().map(|value| value * value).sum());
    if length > 0.0 {
        for value in &mut vector {
            *value /= length;
        }
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommendation::samples::{catalog, clip, title};

    fn content(id: &str) -> Content {
        Content::Clip(id.parse().expect("a clip id"))
    }

    #[test]
    fn what_shares_rare_tags_is_nearer_than_what_shares_common_ones() {
        let mut content_of = vec![clip("a", "B1", "space"), clip("b", "B1", "space"), clip("c", "B1", "food")];
        content_of.extend((0..9).map(|at| clip(&format!("food-{at}"), "B1", "food")));
        let embeddings = Embeddings::of(&catalog(&content_of));
        let near = |left: &str, right: &str| {
            cosine(
                embeddings.get(&content(left)).expect("it is there"),
                embeddings.get(&content(right)).expect("it is there"),
            )
        };
        assert!((near("a", "b") - 1.0).abs() < 1e-12 && (near("c", "food-1") - 1.0).abs() < 1e-12);
        assert!(near("a", "c") < 0.9, "{}", near("a", "c"));
    }

    #[test]
    fn titles_and_clips_share_one_space_and_nothing_known_has_no_direction() {
        let embeddings =
            Embeddings::of(&catalog(&[clip("a", "B1", "food"), title("t", "B1", "\"food\"", "writing", "articles")]));
        let title = Content::Title("t".parse().expect("a title id"));
        let liked = embeddings.mean([&title]);
        assert!(cosine(&liked, embeddings.get(&content("a")).expect("it is there")) > 0.3);
        let nothing = embeddings.mean([&content("gone")]);
        assert!(cosine(&nothing, &liked).abs() < 1e-12);
    }
}
