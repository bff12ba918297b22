//! Every kind of problem that there is, and the page about each.

use axum::{extract::Path, http::header, response::IntoResponse};

use crate::problem::Problem;

/// A kind of problem.
pub(crate) struct Kind {
    /// Its stable name: the end of its `type`.
    pub(crate) code: &'static str,
    /// The status that it is told with.
    pub(crate) status: u16,
    /// It in words.
    pub(crate) title: &'static str,
    /// What it means, and what to do.
    pub(crate) about: &'static str,
}

/// The kind of this name.
pub(crate) fn find(code: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.code == code)
}

/// What a kind of problem means.
#[utoipa::path(
    get, path = "/problems/{code}", tag = "problems", params(("code" = String, Path, description = "The end of a problem's `type`")),
    responses(
        (status = 200, description = "What it means and what to do", body = String, content_type = "text/plain"),
        crate::docs::PublicProblems,
    )
)]
pub(crate) async fn get_problem(Path(code): Path<String>) -> Result<impl IntoResponse, Problem> {
    let kind = find(&code).ok_or_else(|| Problem::plain("no-such-problem"))?;
    let text = format!(
        "{} ({})\n\n{}\n\n{}\n",
        kind.title,
        kind.code,
        kind.about,
        "HTTP status: ".to_owned() + &kind.status.to_string()
    );
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text))
}

macro_rules! kinds {
    ($($status:literal $code:literal $title:literal $about:literal)+) => {
        /// All kinds.
        pub(crate) const KINDS: &[Kind] =
            &[$(Kind { code: $code, status: $status, title: $title, about: $about }),+];
    };
}

kinds! {
    400 "malformed-json" "The body is not JSON" "The body cannot be read as JSON. `line` and `column` say where."
    400 "invalid-header" "A header is wrong" "`header` names it: Idempotency-Key takes 1 to 255 visible ASCII characters, If-Match a quoted version such as \"3\" or *, Last-Event-ID a position, Baeum-Tenant one tenant."
    400 "bad-request" "The request cannot be read" "The request or its body broke off, or is not HTTP as this server speaks it. Send it again."
    401 "token-missing" "No token" "Sign in at POST /v1/auth/token and send the token as 'Authorization: Bearer <token>'."
    401 "token-expired" "The token has expired" "Tokens are valid for 15 minutes. Sign in again at POST /v1/auth/token."
    401 "token-invalid" "The token is not valid" "It was not issued here, was changed, or is signed with a key that is not in use. Sign in again at POST /v1/auth/token."
    401 "wrong-credentials" "Wrong address or password" "Check both and try again. It is not told which of the two is wrong."
    403 "consent-withdrawn" "The consent was withdrawn" "Nothing is derived any more from what was done under a consent to emotion care that was withdrawn later, of the past neither."
    401 "account-erased" "The account of this token was erased" "Nothing of it is left. Register anew at POST /v1/users to go on as a new person."
    403 "not-yours" "This is someone else's" "You can reach your own data only. Instructors reach profile and progress, analysts and administrators all read models."
    403 "role-missing" "Your roles do not allow this" "`roles` lists the roles that may. An administrator can grant one; sign in again afterwards."
    403 "wrong-password" "The password is wrong" "Give your own password, by which you sign in."
    403 "not-an-admin" "Only administrators may do this" "Ask an administrator."
    404 "unknown-tenant" "There is no such tenant" "Give a tenant of this server in the header Baeum-Tenant, or leave it out for the first."
    404 "no-such-route" "There is nothing at this path" "See /docs for what there is."
    404 "no-such-problem" "There is no such kind of problem" "Follow the `type` of a problem that this server gave."
    404 "user-not-found" "There is no such user" "Check the id, or register at POST /v1/users."
    404 "assessment-not-found" "There is no such level test" "Check the id, or start one at POST /v1/assessments."
    404 "lesson-not-found" "There is no such lesson" "Check the id, or start one at POST /v1/lessons."
    404 "item-not-found" "There is no such test item" "Check the id against the catalogue."
    404 "clip-not-found" "There is no such clip" "GET /v1/clips lists the clips."
    404 "projection-not-found" "There is no such read model" "GET /v1/projections lists the read models."
    404 "stream-not-parked" "The stream is not parked" "GET /v1/projections/{name}/parked lists those that are."
    404 "event-not-found" "There is no such event" "Check the id: GET /v1/log/trail and GET /v1/events tell those of events."
    404 "not-sealed" "The log is not sealed as far" "`sealed` is the size of the latest checkpoint. Ask again a moment later; if it stays so, the operator has to run a sealer."
    404 "tile-not-found" "The tree has no such tile" "GET /v1/log/checkpoint tells its size; the names are those of C2SP tlog-tiles."
    404 "title-not-found" "There is no such title" "Check the id against the catalogue."
    405 "method-not-allowed" "The method is not for this path" "The header Allow lists those that are."
    409 "email-taken" "The address is taken" "Sign in, or register with another address."
    409 "already-registered" "Already registered" "Sign in instead."
    409 "last-role" "The only role of the user" "Grant another role first."
    409 "assessment-exists" "The level test exists" "Start another one."
    409 "assessment-ended" "The level test has ended" "Start a new one to be assessed again."
    409 "item-already-answered" "The item was answered" "An answer cannot be changed. GET the assessment for the next item."
    409 "item-not-asked" "Another item is being asked" "GET the assessment for the item that waits."
    409 "no-level" "There is no level yet" "Finish a level test first: POST /v1/assessments."
    409 "lesson-exists" "The lesson exists" "Start another one."
    409 "lesson-ended" "The lesson has ended" "Start a new one."
    409 "clip-not-watched" "The clip was not watched" "Watch the task's clip first: POST /v1/lessons/{id}/clips."
    409 "too-many-attempts" "The task was attempted too often" "Go on to another task."
    409 "nothing-to-read" "It is not known what was to be said" "Send the words in the header Baeum-Text, percent-encoded as UTF-8; or answer the task once, after which its sample can be read aloud."
    409 "lesson-not-done" "The lesson is not done" "Watch every clip and attempt as many tasks as required, then complete it."
    409 "recommendation-not-generated" "Nothing was recommended yet" "It follows the completion of a lesson."
    409 "idempotency-key-in-flight" "A request with this key is being done" "Wait for its answer, or send it again after Retry-After."
    409 "contended" "Others kept changing the resource" "Send the request again."
    409 "erasure-not-requested" "No erasure is asked for" "POST /v1/learners/{id}/erasure asks for one."
    409 "erasure-not-due" "The erasure is not due" "It takes place when its grace is over."
    409 "erasure-not-done" "The erasure has not taken place" "Its key is destroyed first."
    410 "subject-erased" "This person was erased" "What there was about them cannot be had again, and nothing new is kept."
    412 "stale-version" "The resource has changed" "Read it again and repeat the change with its new ETag. `actual` is its version."
    413 "body-too-large" "The body is too large" "Bodies may have 64 KiB at most, recordings 20 MiB. `limit` is the number of bytes."
    415 "unsupported-media-type" "The body is not declared as JSON" "Send 'Content-Type: application/json'."
    415 "unsupported-audio" "The recording is of a kind that cannot be read" "Send WAV, FLAC, MP3, or Opus in Ogg, with its Content-Type: audio/wav, audio/flac, audio/mpeg or audio/ogg."
    422 "invalid-body" "The body does not have the right shape" "`field` says where. See /docs for the shape."
    422 "invalid-id" "The id in the path cannot be one" "Ids of users, assessments and lessons are UUIDs; those of items, clips and titles are lower-case names."
    422 "history-too-long" "There are too many events" "The detail says how to have the read model replayed into a schema of its own."
    422 "invalid-query" "The query parameters are wrong" "The detail names the parameter. See /docs for what there is."
    422 "position-of-another-shard" "The position is of another log" "`shard` is that of your log. Give a position that a command of your tenant answered, or 0."
    422 "position-in-the-future" "The log has not come that far" "`head` is the position of the latest event. Give a position that a command answered."
    422 "idempotency-key-reused" "The key was used for another request" "Use a new key for a new request."
    422 "unknown-item" "There is no such item" "Answer the item that is asked."
    422 "unknown-choice" "There is no such choice" "Choices count from 0."
    422 "same-languages" "Native and target language are the same" "Choose two different languages."
    422 "too-many-interests" "Too many interests" "Choose ten at most."
    422 "unknown-interest" "The catalogue has no such topic" "The detail lists the topics."
    422 "goal-out-of-range" "The daily goal is out of range" "Choose 5 to 240 minutes."
    422 "no-policy-version" "The consent names no policy" "Give the version of the policy that was shown."
    422 "not-an-email" "Not an e-mail address" "Give one such as name@example.org."
    422 "password-length" "The password is too short or too long" "Choose 10 to 128 characters."
    422 "clip-not-in-lesson" "The clip is not of this lesson" "GET the lesson for its clips."
    422 "impossible-viewing" "The viewing cannot have happened so" "The detail says what is wrong."
    422 "task-not-in-lesson" "The task is not of this lesson" "GET the lesson for its tasks."
    422 "wrong-kind-of-attempt" "The task is answered otherwise" "Writing is typed, speaking is spoken: give the `kind` of the task."
    422 "answer-too-short" "The answer is too short" "Write at least as many words as the task asks for."
    422 "recording-empty" "The recording is empty" "Record again and send the whole file."
    422 "recording-damaged" "The recording is damaged" "Send the whole file again. The detail says where it breaks."
    422 "recording-too-long" "The recording is too long" "Ten minutes at most: cut it into parts."
    422 "recording-too-short" "The recording is too short" "It has no time for the words. Send the whole recording, and the words that were said in it."
    422 "recording-silent" "Nothing was recorded" "Check that the microphone is on."
    422 "recording-too-quiet" "The recording is too quiet" "Come closer to the microphone."
    422 "recording-distorted" "The recording is distorted" "Turn the microphone down and record again."
    422 "recording-without-speech" "There is no speech in the recording" "Look for a quieter place, or check the microphone."
    422 "other-words-spoken" "Something else was said" "Read the text as it stands, in English, or send the words that you said in Baeum-Text."
    422 "words-not-in-dictionary" "No word of the text can be judged" "The pronouncing dictionary has none of the words. Write numbers as words."
    422 "password-missing" "The password is missing" "Who asks to be forgotten gives their password, so that nobody else can."
    422 "grace-out-of-range" "The grace is out of range" "Choose 0 to 30 days."
    422 "text-empty" "The text is empty" "Write at least one word."
    422 "text-too-long" "The text is too long" "The detail says how long it may be."
    422 "control-character" "The text holds a control character" "The detail says which and where: remove it."
    422 "not-evidence" "This is no evidence" "Outcomes lie between 0 and 1, weights above 0."
    429 "too-many-attempts-to-sign-in" "Too many attempts to sign in" "Wait as long as Retry-After says."
    500 "internal" "A mistake of ours" "It was logged under the X-Request-Id of this answer. Nothing that was answered before is lost."
    503 "no-content" "The catalogue lacks what is needed" "The operator must load a catalogue that has items, clips and tasks."
    503 "no-speech-model" "Recordings cannot be judged here" "Send what was said as text. The operator can install a speech model: see docs/speaking.md."
    503 "not-yet-consistent" "The read model is not there yet" "It has not taken in `min_position` in time. Try again after Retry-After."
    503 "timed-out" "It took too long" "Whether it took effect is not known: send it again with the same Idempotency-Key to find out."
    503 "log-busy" "The log is busy" "Try again in a moment."
    503 "log-unavailable" "The log cannot be reached" "Whether a command took effect is not known: send it again with the same Idempotency-Key to find out."
    503 "log-unreadable" "The log holds an event that this build cannot read" "The operator must run a build that knows the event. Nothing is lost."
    503 "seal-misfit" "The log does not fit its seal" "An event or the tree was changed after it was sealed. The operator has to find out: see docs/audit.md."
    503 "database-unavailable" "The database cannot be reached" "Try again in a moment."
    503 "credential-store-unavailable" "The credential store cannot be reached" "Try again in a moment."
    503 "password-not-processed" "The password cannot be processed" "Try again in a moment."
    503 "key-store-unavailable" "The key store cannot be reached" "Try again in a moment. The answer was not kept."
    503 "evaluator-failed" "The model gave no verdict" "Try again in a moment. The answer was not kept."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_kind_is_listed_twice() {
        let codes: BTreeSet<_> = KINDS.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), KINDS.len());
    }

    #[test]
    fn every_code_that_a_rule_refuses_with_is_listed_with_the_status_of_its_kind() {
        let sources = [
            include_str!("../../commands/src/refusal.rs"),
            include_str!("../../commands/src/identity/error.rs"),
            include_str!("../../commands/src/assessment/error.rs"),
            include_str!("../../commands/src/learning/error.rs"),
            include_str!("../../commands/src/operations/error.rs"),
            include_str!("../../commands/src/recommendation/error.rs"),
        ];
        let mut found = 0;
        for line in sources.iter().flat_map(|source| source.lines()) {
            let Some((before, rest)) = line.split_once('"') else { continue };
            let Some((code, _)) = rest.split_once('"') else { continue };
            if !(before.contains("=>") && code.contains('-')) {
                continue;
            }
            let kind = find(code).unwrap_or_else(|| panic!("'{code}' is not listed"));
            let expected = match before.split_whitespace().last() {
                Some("NotFound") => 404,
                Some("Conflict") => 409,
                Some("Invalid") => 422,
                Some("Unavailable") => 503,
                _ => kind.status,
            };
            assert_eq!(kind.status, expected, "{code}");
            found += 1;
        }
        assert!(found > 30, "only {found} codes were found: has the form of the sources changed?");
    }
}
