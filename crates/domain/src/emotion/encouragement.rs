//! What a learner is told, by how they seem to feel.

use super::affect::Affect;
use crate::identity::locale::Language;

/// A motivating message for a state, in Korean for `ko` and in English otherwise.
///
/// `variant` chooses among the messages of a state, so that a learner does not read the same one every day.
pub fn message(affect: Affect, language: &Language, variant: u64) -> &'static str {
    let (korean, english): ([&str; 3], [&str; 3]) = match affect {
        Affect::Engaged => (
            [
                "지금 흐름이 아주 좋아요. 한 걸음 더 가 볼까요?",
                "집중력이 빛나는 날이네요!",
                "오늘 배운 표현을 한 문장으로 써 보세요.",
            ],
            [
                "You are in a good flow. Shall we take one more step?",
                "Your focus shows today.",
                "Try to use what you have just learned in a sentence of your own.",
            ],
        ),
        Affect::Confused => (
            [
                "헷갈리는 건 배우고 있다는 뜻이에요. 그 부분만 천천히 다시 들어 봐요.",
                "속도를 조금 낮추고 자막과 함께 봐도 좋아요.",
                "모르는 부분을 하나만 골라 볼까요?",
            ],
            [
                "Being unsure means that you are learning. Play that part again, slowly.",
                "Try it a little slower, with the transcript beside it.",
                "Pick just one thing that is unclear and start there.",
            ],
        ),
        Affect::Frustrated => (
            [
                "여기까지 온 것도 대단해요. 잠깐 쉬었다가 더 쉬운 것부터 해 봐요.",
                "틀린 문장은 다음 문장의 재료예요.",
                "짧은 클립 하나로 기분을 바꿔 볼까요?",
            ],
            [
                "You have come a long way. Take a short break, then start with something easier.",
                "A wrong sentence is what the next one is made of.",
                "How about one short clip for a change?",
            ],
        ),
        Affect::Bored => (
            [
                "조금 쉬웠죠? 한 단계 높은 클립을 골라 봐요.",
                "새로운 주제로 바꿔 볼까요?",
                "이번에는 자막 없이 도전해 보세요.",
            ],
            [
                "That was easy for you. Choose a clip one level up.",
                "How about a new topic?",
                "Try the next one without the transcript.",
            ],
        ),
    };
    let messages = if language.as_str() == "ko" { korean } else { english };
    messages[usize::try_from(variant % 3).unwrap_or(0)]
}
