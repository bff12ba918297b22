//! Reading what a model answers: strictly, for it may answer anything.

use baeum_domain::learning::evaluation::{ErrorCategory, ErrorSpan};
use serde::Deserialize;

/// The most mistakes that are taken in.
const MISTAKES: usize = 200;
/// The longest suggestion, in characters.
const SUGGESTION: usize = 200;

/// The parts of a completion that are read.
#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    score: f64,
    mistakes: Vec<Mistake>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mistake {
    quote: String,
    occurrence: usize,
    category: ErrorCategory,
    confidence: f64,
    suggestion: Option<String>,
}

/// Score and spans.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) score: f64,
    pub(crate) spans: Vec<ErrorSpan>,
}

/// Why an answer of the model is no verdict. None of them repeats what it said, which may repeat what a learner wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error("it is no completion")]
    NoCompletion,
    #[error("the model did not finish")]
    Unfinished,
    #[error("it has not the form that was asked for")]
    Form,
    #[error("its score or a confidence is not within 0 and 1")]
    Probability,
    #[error("it names a mistake that is not in the text")]
    NotInText,
    #[error("its mistakes overlap")]
    Overlap,
    #[error("it has too many mistakes, or too long suggestions")]
    TooMuch,
}

/// Reads the body of a completion about `text`.
pub(crate) fn read(body: &[u8], text: &str) -> Result<Found, Unread> {
    let completion: Completion = serde_json::from_slice(body).map_err(|_| Unread::NoCompletion)?;
    let choice = completion.choices.into_iter().next().ok_or(Unread::NoCompletion)?;
    if choice.finish_reason.is_some_and(|reason| reason != "stop") {
        return Err(Unread::Unfinished);
    }
    let content = choice.message.content.ok_or(Unread::NoCompletion)?;
    let Said { score, mistakes } = serde_json::from_str(&content).map_err(|_| Unread::Form)?;
    // NaN is within nothing.
    let probable = |value: f64| (0.0..=1.0).contains(&value);
    if !probable(score) || mistakes.iter().any(|it| !probable(it.confidence)) {
        return Err(Unread::Probability);
    }
    let long = |it: &Mistake| it.suggestion.as_ref().is_some_and(|text| text.chars().count() > SUGGESTION);
    if mistakes.len() > MISTAKES || mistakes.iter().any(long) {
        return Err(Unread::TooMuch);
    }
    let mut spans = mistakes.into_iter().map(|it| span(it, text)).collect::<Result<Vec<_>, _>>()?;
    spans.sort_by_key(|span| (span.start, span.end));
    if spans.windows(2).any(|pair| pair[1].start < pair[0].end) {
        return Err(Unread::Overlap);
    }
    Ok(Found { score, spans })
}

fn span(mistake: Mistake, text: &str) -> Result<ErrorSpan, Unread> {
    let Mistake { quote, occurrence, category, confidence, suggestion } = mistake;
    if quote.is_empty() {
        return Err(Unread::NotInText);
    }
    let nth = occurrence.checked_sub(1).ok_or(Unread::NotInText)?;
    let (at, _) = text.match_indices(&quote).nth(nth).ok_or(Unread::NotInText)?;
    let place = |bytes: usize| u32::try_from(text[..bytes].chars().count()).map_err(|_| Unread::NotInText);
    Ok(ErrorSpan { start: place(at)?, end: place(at + quote.len())?, category, confidence, suggestion })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TEXT: &str = "Ë, he go home and he go out.";

    fn completion(said: &Value) -> Vec<u8> {
        let choice =
            json!({ "message": { "role": "assistant", "content": said.to_string() }, "finish_reason": "stop" });
        json!({ "id": "1", "choices": [choice] }).to_string().into_bytes()
    }

    fn mistake(quote: &str, occurrence: u64) -> Value {
        json!({
            "quote": quote, "occurrence": occurrence, "category": "agreement", "confidence": 0.9, "suggestion": "goes"
        })
    }

    fn said(score: f64, mistakes: &[Value]) -> Result<Found, Unread> {
        read(&completion(&json!({ "score": score, "mistakes": mistakes })), TEXT)
    }

    #[test]
    fn quotes_become_places_in_the_text_in_its_order() {
        let found = said(0.5, &[mistake("go", 2), mistake("go", 1)]).expect("a verdict");
        let places: Vec<_> = found.spans.iter().map(|it| (it.start, it.end)).collect();
        assert_eq!((found.score, places), (0.5, vec![(6, 8), (21, 23)]));
        assert_eq!(found.spans[0].suggestion.as_deref(), Some("goes"));
    }

    #[test]
    fn what_is_not_in_the_text_or_overlaps_is_no_verdict() {
        for wrong in [mistake("goes", 1), mistake("go", 3), mistake("go", 0), mistake("", 1)] {
            assert_eq!(said(0.5, &[wrong]), Err(Unread::NotInText));
        }
        assert_eq!(said(0.5, &[mistake("he go", 1), mistake("go home", 1)]), Err(Unread::Overlap));
    }

    #[test]
    fn what_is_out_of_range_or_of_another_form_is_no_verdict() {
        assert_eq!(said(1.5, &[]), Err(Unread::Probability));
        let mut sure = mistake("go", 1);
        sure["confidence"] = json!(-0.1);
        assert_eq!(said(0.5, &[sure]), Err(Unread::Probability));
        let mut unknown = mistake("go", 1);
        unknown["category"] = json!("style");
        assert_eq!(said(0.5, &[unknown]), Err(Unread::Form));
        let mut wordy = mistake("go", 1);
        wordy["suggestion"] = json!("x".repeat(201));
        assert_eq!(said(0.5, &[wordy]), Err(Unread::TooMuch));
        for garbage in [json!("fine"), json!({ "score": 1 }), json!({ "score": 1, "mistakes": [], "note": "" })] {
            assert_eq!(read(&completion(&garbage), TEXT), Err(Unread::Form));
        }
        let cut = json!({ "choices": [{ "message": { "content": "{" }, "finish_reason": "length" }] });
        assert_eq!(read(cut.to_string().as_bytes(), TEXT), Err(Unread::Unfinished));
        for body in ["", "null", "{}", "{\"choices\":[]}", "<html>"] {
            assert_eq!(read(body.as_bytes(), TEXT), Err(Unread::NoCompletion));
        }
    }
}
