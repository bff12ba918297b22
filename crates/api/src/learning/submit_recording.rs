//! `POST /v1/lessons/{id}/attempts/audio`: answering a task by voice, and getting the verdict on every sound.

use axum::{
    extract::{FromRequest, FromRequestParts as _, Request as HttpRequest},
    http::{HeaderMap, HeaderName, header},
    response::Response,
};
use baeum_commands::{IdempotencyKey, Request, learning::submit_recording::Recording};
use baeum_domain::{
    ids::{LessonId, TaskId},
    learning::{
        sounds::Sound,
        speech::{self, Spoken},
    },
};
use percent_encoding::percent_decode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::wire::Verdict;
use crate::{
    caller::SignedIn,
    conditional::{Head, Positioned, answered, fingerprint},
    docs::{CommandHeaders, CommandProblems},
    id::Id,
    json,
    layers::RequestId,
    min_position::Params,
    problem::Problem,
    state::ApiState,
    tenants::TenantState,
};

/// The most bytes that a recording may have: ten minutes of 16-bit WAV at 16 kHz, and a little.
const LIMIT: usize = 20 * 1024 * 1024;
/// The header that tells what was said, percent-encoded as UTF-8. It is no part of the address, which others log.
const TEXT: HeaderName = HeaderName::from_static("baeum-text");
/// A recording is kept nowhere, so that nothing can be judged later.
const JUDGED: &str = "a recording is taken in with its verdict";
/// How recordings may be declared.
const TYPES: [&str; 10] = [
    "audio/wav",
    "audio/x-wav",
    "audio/wave",
    "audio/vnd.wave",
    "audio/flac",
    "audio/x-flac",
    "audio/mpeg",
    "audio/mp3",
    "audio/ogg",
    "audio/opus",
];

/// Which task.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordingQuery {
    /// The task, one of the lesson's.
    #[param(value_type = String)]
    task_id: TaskId,
}

/// The verdict on a recording.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordingAnswer {
    /// The lesson.
    lesson_id: Uuid,
    /// The attempt.
    attempt_id: Uuid,
    /// The task.
    task_id: String,
    /// What the evaluator found in the words; where the sample was read, the score of the pronunciation.
    verdict: Verdict,
    /// Whether that score reached the pass mark.
    passed: bool,
    /// Tasks that must still be attempted before the lesson can be completed.
    attempts_left: u32,
    /// A good answer, to read aloud.
    sample: Option<String>,
    /// How it was said.
    pronunciation: Pronunciation,
}

/// How it was said.
#[derive(Serialize, ToSchema)]
struct Pronunciation {
    /// Mean score of the sounds of the words that were said, 0 to 1.
    score: f64,
    /// Share of the judged words that were said, 0 to 1.
    completeness: f64,
    /// Syllables a second, pauses included.
    syllables_per_second: f64,
    /// Pauses of a quarter of a second or more between the first and the last sound.
    pauses: u32,
    /// Their length together, in milliseconds.
    paused_ms: u32,
    /// From the first to the last sound, in milliseconds.
    speaking_ms: u32,
    /// How long the recording is, in milliseconds.
    recording_ms: u32,
    /// What to work on, the weakest sound first.
    work_on: Vec<WorkOn>,
    /// Every word of the text, in order.
    words: Vec<Word>,
    /// Which model said so.
    model_id: String,
    /// SHA-256 of its weights, hexadecimal.
    weights_hash: String,
    /// How long it took, in microseconds.
    latency_us: u32,
}

/// A sound to work on.
#[derive(Serialize, ToSchema)]
struct WorkOn {
    /// Its ARPAbet name.
    sound: String,
    /// Its sign in the International Phonetic Alphabet.
    ipa: &'static str,
    /// A word that has it.
    example: &'static str,
    /// How often it was to be said.
    times: u32,
    /// Its mean score, 0 to 1.
    score: f64,
    /// What it sounded like, where that is another sound.
    heard: Option<String>,
    /// How to make it.
    hint: &'static str,
}

/// A word that was to be said.
#[derive(Serialize, ToSchema)]
struct Word {
    /// Where it begins in the text, in Unicode scalar values from 0.
    start: u32,
    /// Where it ends, exclusive.
    end: u32,
    /// Whether it was said; none where the dictionary lacks it.
    said: Option<bool>,
    /// Mean score of its sounds, 0 to 1.
    score: Option<f64>,
    /// Where in the recording it begins, in milliseconds.
    from_ms: u32,
    /// Where it ends.
    to_ms: u32,
    /// Its sounds.
    sounds: Vec<WordSound>,
}

/// A sound of a word.
#[derive(Serialize, ToSchema)]
struct WordSound {
    /// Its ARPAbet name.
    sound: String,
    /// Its sign in the International Phonetic Alphabet.
    ipa: &'static str,
    /// How likely it was said right, 0 to 1.
    score: f64,
    /// What it sounded like, where that is another sound and the score is low.
    heard: Option<String>,
}

/// A recording with what its headers say.
pub(crate) struct Incoming {
    request: Request,
    text: Option<String>,
    audio: axum::body::Bytes,
}

impl FromRequest<ApiState> for Incoming {
    type Rejection = Problem;

    async fn from_request(request: HttpRequest, state: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, state).await?;
        let head = Head::of(&parts.headers, parts.extensions.get::<RequestId>(), state)?;
        declared(&parts.headers)?;
        let text = text(&parts.headers)?;
        let audio = json::bytes_up_to(LIMIT, body).await?;
        // The same recording for another task, or of other words, is another request.
        let asked = format!("{}\n{}", parts.uri, text.as_deref().unwrap_or_default());
        let fingerprint = |key| IdempotencyKey { key, fingerprint: fingerprint(&parts.method, &asked, &audio) };
        let request = Request {
            caller: signed_in.caller,
            idempotency: head.key.map(fingerprint),
            expected_sequence: head.expected_sequence,
            correlation_id: head.correlation_id,
        };
        Ok(Self { request, text, audio })
    }
}

fn declared(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if TYPES.contains(&kind.as_str()) { Ok(()) } else { Err(Problem::plain("unsupported-audio")) }
}

fn text(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let wrong = || {
        let detail = "Baeum-Text: give the words that were said, once, percent-encoded as UTF-8";
        Problem::new("invalid-header", detail).with("header", "Baeum-Text")
    };
    let mut given = headers.get_all(TEXT).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = percent_decode(value.as_bytes()).decode_utf8().map_err(|_| wrong())?;
    if given.next().is_some() { Err(wrong()) } else { Ok(Some(text.into_owned())) }
}

/// Submits a recording as the answer to a speaking task. Its body is the audio file itself. What was said is told by
/// `Baeum-Text`; without it, the sample of the task is read aloud, which is shown after the first attempt. The recording
/// is listened to and let go of: only the verdict is kept, its words and sounds encrypted under the learner's key.
#[utoipa::path(
    post, path = "/v1/lessons/{id}/attempts/audio", tag = "learning", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), RecordingQuery,
           ("Baeum-Text" = Option<String>, Header, description = "The words that were said, percent-encoded as UTF-8; at most 4,000 characters and 400 words"),
           CommandHeaders),
    request_body(content = Vec<u8>, content_type = "audio/wav", description = "WAV, FLAC, MP3, or Opus in Ogg; ten minutes and 20 MiB at most"),
    responses(
        (status = 201, description = "Judged", body = Positioned<RecordingAnswer>,
         headers(("Location" = String, description = "The lesson"), ("ETag" = String), ("Baeum-Position" = i64),
                 ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn submit_recording(
    state: TenantState,
    _signed_in: SignedIn,
    Id(lesson_id): Id<LessonId>,
    Params(RecordingQuery { task_id }): Params<RecordingQuery>,
    Incoming { request, text, audio }: Incoming,
) -> Result<Response, Problem> {
    let recording = Recording { task_id, text, audio: audio.as_ref().into() };
    drop(audio);
    let outcome = state.commands().submit_recording(&request, lesson_id, recording).await?;
    let detail = &outcome.answer.detail;
    let words = state.commands().spoken_words(&request.caller, detail).await.map_err(|it| Problem::refusal(&it))?;
    let location = format!("/v1/lessons/{lesson_id}");
    let catalog = state.catalog();
    Ok(answered(&state, request.caller.user_id, outcome, Some(location), |it| RecordingAnswer {
        lesson_id: it.evaluated.lesson_id.0,
        attempt_id: it.evaluated.attempt_id.0,
        sample: catalog.task(&it.evaluated.task_id).map(|(_, task)| task.sample.clone()),
        task_id: it.evaluated.task_id.into(),
        verdict: it.evaluated.verdict.expect(JUDGED).into(),
        passed: it.evaluated.passed.expect(JUDGED),
        attempts_left: it.evaluated.attempts_left,
        pronunciation: Pronunciation::of(it.spoken, words),
    }))
}

impl Pronunciation {
    fn of(spoken: Spoken, words: Vec<speech::SpokenWord>) -> Self {
        let name = |sound: Sound| sound.to_string();
        let weak = |it: speech::WeakSound| WorkOn {
            sound: it.sound.to_string(),
            ipa: it.sound.ipa(),
            example: it.sound.example(),
            times: it.times,
            score: it.score,
            heard: it.heard.map(name),
            hint: it.sound.hint(),
        };
        let sound = |it: speech::SpokenSound| WordSound {
            sound: it.sound.to_string(),
            ipa: it.sound.ipa(),
            score: it.score,
            heard: it.heard.map(name),
        };
        let word = |it: speech::SpokenWord| Word {
            start: it.start,
            end: it.end,
            said: it.said,
            score: it.score,
            from_ms: it.from_ms,
            to_ms: it.to_ms,
            sounds: it.sounds.into_iter().map(sound).collect(),
        };
        Self {
            score: spoken.score,
            completeness: spoken.completeness,
            syllables_per_second: spoken.fluency.syllables_per_second,
            pauses: spoken.fluency.pauses,
            paused_ms: spoken.fluency.paused_ms,
            speaking_ms: spoken.fluency.speaking_ms,
            recording_ms: spoken.recording_ms,
            work_on: spoken.weak.into_iter().map(weak).collect(),
            words: words.into_iter().map(word).collect(),
            model_id: spoken.model_id,
            weights_hash: spoken.weights_hash,
            latency_us: spoken.latency_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn given(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn recordings_are_told_by_their_type() {
        assert!(declared(&given(header::CONTENT_TYPE, "audio/wav")).is_ok());
        assert!(declared(&given(header::CONTENT_TYPE, "Audio/OGG; codecs=opus")).is_ok());
        assert!(declared(&given(header::CONTENT_TYPE, "application/json")).is_err());
        assert!(declared(&HeaderMap::new()).is_err());
    }

    #[test]
    fn the_words_are_percent_encoded_so_that_any_can_be_sent() {
        assert_eq!(text(&HeaderMap::new()).expect("none"), None);
        let found = text(&given(TEXT, "caf%C3%A9%20%26%20tea+milk")).expect("text");
        assert_eq!(found.as_deref(), Some("café & tea+milk"));
        assert!(text(&given(TEXT, "%FF%FE")).is_err());
    }
}
