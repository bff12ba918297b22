//! The tags that the network gives to tokens.

use baeum_domain::learning::evaluation::ErrorCategory;

/// The categories by their place in the softmax; the first place is "nothing wrong".
pub const TAGS: [Option<ErrorCategory>; 9] = [
    None,
    Some(ErrorCategory::Agreement),
    Some(ErrorCategory::Article),
    Some(ErrorCategory::Preposition),
    Some(ErrorCategory::Tense),
    Some(ErrorCategory::NounNumber),
    Some(ErrorCategory::WordChoice),
    Some(ErrorCategory::Spelling),
    Some(ErrorCategory::Order),
];

/// The place of a category in the softmax; that of [`ErrorCategory::WordChoice`] for one that is not trained.
pub fn index(category: Option<ErrorCategory>) -> usize {
    let place = |wanted| TAGS.iter().position(|tag| *tag == wanted);
    place(category).or_else(|| place(Some(ErrorCategory::WordChoice))).unwrap_or(0)
}
