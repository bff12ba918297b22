//! The habits of the learners of the demo.

/// How a learner behaves.
pub(crate) struct Habit {
    /// What the habit is called.
    pub(crate) name: &'static str,
    /// Ability in logits.
    pub(crate) theta: f64,
    /// Milliseconds to answer an item.
    pub(crate) response_ms: u32,
    /// Playback speed in percent.
    pub(crate) speed_percent: u16,
    /// How much of a clip is watched, 0 to 1.
    pub(crate) watched: f64,
    /// Segments played again in a clip.
    pub(crate) repeats: u32,
    /// Mistakes made in an answer.
    pub(crate) mistakes: usize,
    /// Lessons begun.
    pub(crate) lessons: u32,
    /// Whether the last lesson is given up.
    pub(crate) gives_up: bool,
    /// Whether they agree to emotion care.
    pub(crate) consents: bool,
    /// Minutes a day.
    pub(crate) daily_minutes: u16,
    /// What they like.
    pub(crate) interests: [&'static str; 3],
    /// Where they live.
    pub(crate) country: &'static str,
}

/// The habits that the demo goes through in turn.
pub(crate) const HABITS: &[Habit] = &[
    Habit {
        name: "steady",
        theta: 0.2,
        response_ms: 14_000,
        speed_percent: 100,
        watched: 1.0,
        repeats: 1,
        mistakes: 1,
        lessons: 2,
        gives_up: false,
        consents: true,
        daily_minutes: 20,
        interests: ["travel", "food", "daily_life"],
        country: "KR",
    },
    Habit {
        name: "struggling",
        theta: -1.8,
        response_ms: 38_000,
        speed_percent: 75,
        watched: 1.0,
        repeats: 6,
        mistakes: 4,
        lessons: 2,
        gives_up: true,
        consents: true,
        daily_minutes: 15,
        interests: ["family", "school", "comedy"],
        country: "KR",
    },
    Habit {
        name: "advanced",
        theta: 2.0,
        response_ms: 7_000,
        speed_percent: 150,
        watched: 0.95,
        repeats: 0,
        mistakes: 0,
        lessons: 3,
        gives_up: false,
        consents: true,
        daily_minutes: 45,
        interests: ["science", "history", "mystery"],
        country: "US",
    },
    Habit {
        name: "hurried",
        theta: 0.9,
        response_ms: 3_000,
        speed_percent: 200,
        watched: 0.4,
        repeats: 0,
        mistakes: 2,
        lessons: 1,
        gives_up: false,
        consents: true,
        daily_minutes: 10,
        interests: ["technology", "business", "sports"],
        country: "JP",
    },
    Habit {
        name: "private",
        theta: -0.6,
        response_ms: 20_000,
        speed_percent: 100,
        watched: 1.0,
        repeats: 2,
        mistakes: 2,
        lessons: 1,
        gives_up: false,
        consents: false,
        daily_minutes: 30,
        interests: ["romance", "music", "art"],
        country: "VN",
    },
];
