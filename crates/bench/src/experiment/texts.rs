//! Texts of which it is known what is wrong: sentences without a mistake, some of which get one.

use baeum_domain::learning::evaluation::ErrorSpan;
use fastrand::Rng;

/// A sentence around a word that is right or wrong: before it, right, wrong, after it.
type Sentence = (&'static str, &'static str, &'static str, &'static str);

const SENTENCES: &[Sentence] = &[
    ("My sister ", "works", "work", " in a small hotel near the station."),
    ("She ", "lives", "live", " with two friends in the old town."),
    ("He always ", "drinks", "drink", " a cup of tea after lunch."),
    ("The train ", "leaves", "leave", " at nine in the morning."),
    ("Yesterday we ", "went", "go", " to the market by bus."),
    ("Last night I ", "saw", "see", " a good film with my brother."),
    ("They ", "bought", "buyed", " some bread and cheese for the party."),
    ("I have ", "eaten", "ate", " dinner with my family already."),
    ("There is ", "an", "a", " apple on the kitchen table."),
    ("I saw ", "a", "an", " dog in the garden this morning."),
    ("She reads two ", "books", "book", " every month in the winter."),
    ("There are many ", "people", "peoples", " in the park on Sunday."),
    ("We are ", "waiting", "wait", " for the bus in front of the school."),
    ("I am interested ", "in", "on", " music and old films."),
    ("He is good ", "at", "in", " playing the guitar."),
    ("My friends ", "are", "is", " very kind to new students."),
    ("The children ", "were", "was", " tired after the long walk."),
    ("I can ", "swim", "swims", " very well now."),
    ("He does not ", "like", "likes", " cold weather at all."),
    ("It was a ", "beautiful", "beatiful", " day at the sea."),
];

/// A text and what is wrong in it.
pub(super) struct Text {
    pub(super) text: String,
    /// Where, in characters.
    planted: Vec<(u32, u32)>,
}

/// How a verdict fares against what is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mistakes {
    /// Spans that mark nothing that is wrong.
    pub(super) false_marks: u32,
    /// What is wrong and not marked.
    pub(super) missed: u32,
}

impl Text {
    /// Sentences until there are so many words; two in five get a mistake.
    pub(super) fn write(rng: &mut Rng, words: u32) -> Self {
        let mut this = Self { text: String::new(), planted: vec![] };
        let mut written = 0;
        while written < words.max(1) {
            let (before, right, wrong, after) = SENTENCES[rng.usize(..SENTENCES.len())];
            if !this.text.is_empty() {
                this.text.push(' ');
            }
            this.text.push_str(before);
            let start = length(&this.text);
            if rng.f64() < 0.4 {
                this.text.push_str(wrong);
                this.planted.push((start, length(&this.text)));
            } else {
                this.text.push_str(right);
            }
            this.text.push_str(after);
            written = baeum_domain::text::count_words(&this.text);
        }
        this
    }

    /// Which spans are false marks, and how much was missed. A mark is right where it touches what was planted or the
    /// word beside it: "a apple" may be marked at either.
    pub(super) fn judge(&self, spans: &[ErrorSpan]) -> (Vec<u32>, Mistakes) {
        let meets = |span: &ErrorSpan, (start, end): (u32, u32)| span.start <= end + 1 && start <= span.end + 1;
        let of = |span: &ErrorSpan| !self.planted.iter().any(|planted| meets(span, *planted));
        let numbered = (0..).zip(spans);
        let false_marks: Vec<u32> = numbered.filter(|(_, span)| of(span)).map(|(at, _)| at).collect();
        let missed = self.planted.iter().filter(|planted| !spans.iter().any(|span| meets(span, **planted))).count();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mistakes = Mistakes { false_marks: count(false_marks.len()), missed: count(missed) };
        (false_marks, mistakes)
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
