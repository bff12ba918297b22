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
    400 "webhook-forged" "The webhook is not signed by the gateway" "Its signature is missing or does not fit its body. Is BAEUM_GATEWAY_WEBHOOK_SECRET_FILE that of this endpoint?"
    400 "webhook-stale" "The webhook was signed too long ago" "More than five minutes lie between its signature and now. Are the clocks right?"
    400 "webhook-unreadable" "The webhook is no event" "It is signed, but has not the shape of an event of the gateway."
    401 "token-missing" "No token" "Sign in at POST /v1/auth/token and send the token as 'Authorization: Bearer <token>'."
    401 "token-expired" "The token has expired" "Tokens are valid for 15 minutes. Sign in again at POST /v1/auth/token."
    401 "token-invalid" "The token is not valid" "It was not issued here, was changed, or is signed with a key that is not in use. Sign in again at POST /v1/auth/token."
    401 "wrong-credentials" "Wrong address or password" "Check both and try again. It is not told which of the two is wrong."
    402 "evaluations-exhausted" "No evaluation is left" "The allowance of the plan and all bought credits are used. Buy credits at POST /v1/credits/purchases, change to a larger plan, or wait for the next period. The answer was not kept."
    403 "consent-withdrawn" "The consent was withdrawn" "Nothing is derived any more from what was done under a consent to emotion care that was withdrawn later, of the past neither."
    401 "account-erased" "The account of this token was erased" "Nothing of it is left. Register anew at POST /v1/users to go on as a new person."
    403 "code-forged" "The code was not made here" "Scan the code that came with your kit."
    401 "message-forged" "The message is not signed by the carrier" "Sign it with the secret that was agreed on, as the detail says."
    401 "message-stale" "The message was signed too long ago" "Sign it anew when it is sent again; clocks may differ by 5 minutes."
    403 "not-yours" "This is someone else's" "You can reach your own data only. Instructors reach profile and progress, analysts and administrators all read models but the estimate of how a learner feels, which is theirs alone."
    403 "role-missing" "Your roles do not allow this" "`roles` lists the roles that may. An administrator can grant one; sign in again afterwards."
    403 "wrong-password" "The password is wrong" "Give your own password, by which you sign in."
    403 "not-an-admin" "Only administrators may do this" "Ask an administrator."
    404 "unknown-tenant" "There is no such tenant" "Give a tenant of this server in the header Baeum-Tenant, or leave it out for the first."
    404 "plan-not-found" "There is no such plan" "GET /v1/plans lists the plans."
    404 "coupon-not-found" "There is no such coupon" "Check the code, or go on without it."
    404 "subscription-not-found" "There is no such subscription" "GET /v1/subscriptions lists yours; POST starts one."
    404 "invoice-not-found" "There is no such invoice" "GET /v1/invoices lists yours. One appears a moment after what it is for."
    404 "payment-not-found" "There is no such payment" "GET /v1/payments lists yours. One appears a moment after its invoice."
    404 "refund-not-found" "There is no such refund" "GET /v1/payments/{id} lists the refunds of a payment."
    404 "purchase-not-found" "There is no such purchase" "GET /v1/credits lists yours."
    404 "no-such-route" "There is nothing at this path" "See /docs for what there is."
    404 "no-such-problem" "There is no such kind of problem" "Follow the `type` of a problem that this server gave."
    404 "user-not-found" "There is no such user" "Check the id, or register at POST /v1/users."
    404 "assessment-not-found" "There is no such level test" "Check the id, or start one at POST /v1/assessments."
    404 "imported-learner-not-found" "Nothing was imported of such a learner" "Check the id: `baeum import` gives a learner a pseudonym for each source (docs/import.md)."
    404 "lesson-not-found" "There is no such lesson" "Check the id, or start one at POST /v1/lessons."
    404 "attempt-not-found" "There is no such attempt" "GET /v1/lessons/{id} lists the attempts of a lesson."
    404 "experiment-not-found" "There is no such experiment" "GET /v1/evaluators tells which runs, and lists those before it."
    404 "ability-not-found" "No ability is known yet" "It is estimated from answers that count: start a level test at POST /v1/assessments."
    404 "card-not-found" "There is no such card of yours" "GET /v1/reviews lists those that are due."
    404 "recommendation-not-found" "There is no such recommendation" "GET /v1/learners/{id}/recommendations tells the id of the latest."
    404 "item-not-found" "There is no such test item" "Check the id against the catalogue."
    404 "clip-not-found" "There is no such clip" "GET /v1/clips lists the clips."
    404 "projection-not-found" "There is no such read model" "GET /v1/projections lists the read models."
    404 "stream-not-parked" "The stream is not parked" "GET /v1/projections/{name}/parked lists those that are."
    404 "kit-not-found" "There is no such kit" "Check the id: GET /v1/kits lists yours."
    404 "kit-unit-not-found" "The kit has no such unit" "It has as many units as it was packed with, from 1, and none before it is packed."
    404 "sku-not-found" "There is no such SKU" "GET /v1/skus lists them; PUT /v1/skus/{id} makes one."
    404 "stock-not-found" "There is no stock of this SKU" "Nothing was ever delivered of it: POST /v1/stock/{id}/deliveries."
    404 "reservation-not-found" "There is no such reservation" "Reserve first."
    404 "no-such-plan" "There is no such plan" "Check the name, or create the plan first."
    404 "address-not-found" "It is not known where your kits go" "PUT /v1/kits/address."
    404 "event-not-found" "There is no such event" "Check the id: GET /v1/log/trail and GET /v1/events tell those of events."
    404 "not-sealed" "The log is not sealed as far" "`sealed` is the size of the latest checkpoint. Ask again a moment later; if it stays so, the operator has to run a sealer."
    404 "tile-not-found" "The tree has no such tile" "GET /v1/log/checkpoint tells its size; the names are those of C2SP tlog-tiles."
    404 "title-not-found" "There is no such title" "Check the id against the catalogue."
    404 "notification-not-found" "There is no such notification" "GET /v1/notifications lists your own."
    404 "webhook-not-found" "There is no such webhook" "GET /v1/notifications/webhooks lists those that there are."
    404 "delivery-not-given-up" "No such delivery was given up" "GET /v1/notifications/webhooks/deliveries?state=dead_lettered lists those that were."
    404 "payment-method-not-found" "The payment method is not saved" "GET /v1/payment-methods lists those that are."
    405 "method-not-allowed" "The method is not for this path" "The header Allow lists those that are."
    409 "email-taken" "The address is taken" "Sign in, or register with another address."
    409 "clock-not-travelling" "The clock goes by itself" "Start every process with BAEUM_CLOCK=travel to move it."
    409 "clock-backwards" "Time goes forwards only" "The detail says where the clock stands. Give a later moment."
    409 "no-billing-account" "There is no billing account yet" "Begin to save a payment method: POST /v1/payment-methods."
    409 "other-customer" "The billing account has a customer" "It keeps the one that it has. Send the request again."
    409 "too-many-payment-methods" "Too many payment methods" "Ten can be saved. Remove one first."
    409 "payment-method-refused" "The gateway refuses the payment method" "The detail has its code. Use another one."
    409 "payment-method-not-agreed" "The setup is not done" "Go on with it in the browser, with its client secret or at its redirect."
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
    409 "evaluation-pending" "Verdicts are missing" "All is done, but attempts wait for their evaluation. They will have it: complete the lesson after Retry-After."
    409 "not-evaluated" "The attempt has no verdict yet" "GET the attempt for it after Retry-After."
    409 "already-disputed" "This part of the verdict was disputed on another ground" "What was said stays."
    409 "evaluator-not-installed" "The model is not installed on this server" "GET /v1/evaluators lists those that are, with the hash of their weights."
    409 "model-not-promoted" "The model is not the promoted one" "GET /v1/evaluators tells which is."
    409 "experiment-running" "An experiment is running" "Stop it first: POST /v1/evaluators/experiments/{id}/stop."
    409 "experiment-over" "The experiment is over" "Start a new one."
    409 "lesson-not-done" "The lesson is not done" "Watch every clip and attempt as many tasks as required, then complete it."
    409 "plan-exists" "The plan exists" "Make a new offer for it at POST /v1/plans/{id}/offers, or choose another name."
    409 "plan-retired" "The plan takes no new subscribers" "Choose another plan of GET /v1/plans."
    409 "coupon-exists" "The coupon exists with other terms" "Choose another code."
    409 "coupon-over" "The coupon is not valid any more" "Go on without it."
    409 "coupon-used-up" "The coupon was redeemed as often as it can be" "Go on without it."
    409 "coupon-in-use" "Another coupon is in use" "It can follow when that has ended."
    409 "already-subscribed" "You have a subscription that runs" "Change its plan, or cancel it before you start another."
    409 "subscription-exists" "The subscription is another subscriber's" "Start one of your own."
    409 "subscription-ending" "The subscription ends with its period" "Take the cancellation back first."
    409 "subscription-replaced" "Another subscription took its place" "Go on with that one: the detail names it."
    409 "wrong-subscription-status" "It does not fit where the subscription stands" "The detail says where it stands and what to do."
    409 "bill-open" "A bill waits for its payment" "Pay it first: POST /v1/payments/{id}/attempts, with the payment of the open bill."
    409 "invoice-of-another" "The invoice is not of this subscription" "Check both ids."
    409 "period-not-over" "The period goes on" "The detail says until when."
    409 "period-over" "The period is over" "It is renewed in a moment: try again then."
    409 "period-not-begun" "The period has not begun" "Check its number."
    409 "preview-outdated" "The price that was shown holds no longer" "Show it again at GET /v1/subscriptions/{id}/change-preview and confirm that."
    409 "moment-in-the-past" "The moment is before what has happened" "Try again in a moment; if it stays so, a clock is wrong."
    409 "invoice-exists" "The invoice was issued with another bill" "An invoice never changes."
    409 "invoice-other-amount" "The payment is of another amount" "The whole is paid at once."
    409 "invoice-paid" "The invoice is paid" "Ask for a refund of its payment instead."
    409 "invoice-voided" "The invoice was given up" "It cannot be paid any more."
    409 "payment-exists" "The payment is for another invoice or amount" "Check the id."
    409 "payment-succeeded" "The payment has succeeded" "Ask for a refund instead."
    409 "payment-not-succeeded" "The payment has taken no money" "There is nothing to give back."
    409 "payment-closed" "The payment is closed" "Nothing is charged any more: start anew what it was for."
    409 "charge-in-flight" "A charge is on its way" "Wait for its outcome: GET /v1/payments/{id}."
    409 "charge-not-next" "It is not that attempt's turn" "Read the payment again."
    409 "charge-too-early" "The schedule has not come that far" "The detail says when."
    409 "too-many-charges" "The payment was attempted too often" "Start anew what it was for."
    409 "charge-not-begun" "The attempt was never begun" "Read the payment again."
    409 "unknown-charge" "The payment has no such charge" "Read the payment again."
    409 "refund-too-much" "More than is left of the charge" "The detail says how much is left."
    409 "refund-exists" "The refund is of another charge or amount" "Ask for another."
    409 "refund-decided" "The refund is decided" "Read the payment again."
    409 "refund-beyond-policy" "The policy does not allow so much" "The detail says how much can be given back now."
    409 "attempt-too-old" "The attempt is of an earlier period" "It is not counted any more."
    409 "purchase-exists" "The purchase is of another number of credits" "Buy anew."
    409 "purchase-decided" "The purchase is decided" "GET /v1/credits tells how."
    409 "credits-used" "Credits of the purchase are used" "Only credits that are all left can be given back."
    409 "recommendation-not-generated" "Nothing was recommended yet" "It follows the completion of a lesson."
    409 "notification-not-on-channel" "The notification is not sent by this channel" "GET /v1/notifications/dead-letters lists what was given up, by channel."
    409 "not-a-dead-letter" "The notification was not given up" "Only what was given up can be tried again: GET /v1/notifications/dead-letters."
    409 "notification-not-in-inbox" "The notification is not in the inbox" "Only what was delivered there can be read."
    409 "too-many-webhooks" "There are too many webhooks" "Delete one first."
    409 "review-before-last" "The card was reviewed at a later moment" "The clock of the server went back. Send the review again a moment later."
    409 "few-reviews" "There are too few reviews" "Wait for more: the detail says how many it needs."
    409 "stale-fit" "A later fit is there" "Fit again."
    409 "stale-calibration" "A calibration of more answers is there" "Calibrate again."
    409 "deck-full" "There are too many cards" "Review those that there are."
    409 "idempotency-key-in-flight" "A request with this key is being done" "Wait for its answer, or send it again after Retry-After."
    409 "contended" "Others kept changing the resource" "Send the request again."
    409 "erasure-not-requested" "No erasure is asked for" "POST /v1/learners/{id}/erasure asks for one."
    409 "erasure-not-due" "The erasure is not due" "It takes place when its grace is over."
    409 "erasure-not-done" "The erasure has not taken place" "Its key is destroyed first."
    409 "too-many-skus" "There are too many SKUs" "Revise one that is retired."
    409 "reservation-of-another-kit" "The reservation is of another kit" "Name the kit that it was made for."
    409 "kit-exists" "The kit exists" "There is one kit a bill."
    409 "kit-not-ready" "The kit cannot be packed yet" "It is packed once it is paid and stock is set aside for every item."
    409 "kit-not-packed" "The kit is not packed" "It is handed over once it is packed."
    409 "kit-cancelled" "The kit was cancelled" "What was paid for it is refunded."
    409 "kit-on-its-way" "The kit is on its way" "It cannot be cancelled any more. It can be sent back."
    409 "kit-not-revealed" "The contents are not shown yet" "They are shown on delivery, or at the moment that the detail names."
    409 "kit-without-contents" "The kit has no contents" "Nothing was chosen for it."
    409 "nothing-owed" "Nothing is owed for the kit" "Only what was paid for a kit that does not come is made good."
    409 "refund-refused" "The refund is refused" "The detail says why."
    409 "carrier-refused" "The carrier does not take it" "The detail says why."
    410 "code-revoked" "The code opens nothing any more" "It was revoked, or its kit came back."
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
    422 "no-fitted-skills" "The fit has no skills" "Fit once there are answers."
    422 "no-calibrated-items" "The calibration has no items" "Calibrate once there are answers."
    422 "parameter-out-of-range" "A parameter is out of range" "The detail names what it is of."
    422 "unknown-choice" "There is no such choice" "Choices count from 0."
    422 "same-languages" "Native and target language are the same" "Choose two different languages."
    422 "too-many-interests" "Too many interests" "Choose ten at most."
    422 "unknown-interest" "The catalogue has no such topic" "The detail lists the topics."
    422 "goal-out-of-range" "The daily goal is out of range" "Choose 5 to 240 minutes."
    422 "no-policy-version" "The consent names no policy" "Give the version of the policy that was shown."
    422 "not-an-email" "Not an e-mail address" "Give one such as name@example.org."
    422 "password-length" "The password is too short or too long" "Choose 10 to 128 characters."
    422 "unknown-span" "The verdict has no such span" "Its spans are counted from 0."
    422 "span-unfit" "Whether a span is named does not fit what is disputed" "A false mark names the span that is wrong; a missed mistake and a score name none."
    422 "impossible-experiment" "The experiment is not possible" "Two to four arms with names and models of their own; their shares, per mille, make 1000."
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
    422 "unknown-currency" "There is no such currency" "Give an ISO 4217 code such as KRW or USD. `field` says where."
    422 "wrong-decimals" "The currency has other decimals" "Give those of ISO 4217, or leave them out. `field` says where."
    422 "amount-out-of-range" "The amount is out of range" "Give whole minor units, at most 1,000,000,000,000,000. `field` says where."
    422 "quantity-out-of-range" "The number is out of range" "The detail says what is possible."
    422 "currencies-mixed" "Two currencies meet" "Give the amount in the currency of what it is about."
    422 "currency-not-offered" "It is not sold in this currency" "The detail says in which it is, or what to do."
    422 "impossible-offer" "The offer cannot be made" "The detail says why."
    422 "impossible-coupon" "The coupon gives nothing" "The detail says why."
    422 "coupon-unfit" "The coupon does not fit the plan" "Its amount is in another currency: go on without it."
    422 "beyond-calendar" "Beyond the calendar" "Use moments of the years 2000 to 8999."
    422 "part-of-credits" "Usage credits are given back whole" "Ask for the whole of the payment."
    422 "part-of-surplus" "A surplus is given back whole" "Ask for the whole of the charge."
    422 "wrong-bill" "The bill does not add up" "The detail says why."
    422 "impossible-payment" "The payment cannot be requested so" "The detail says why."
    422 "allowance-without-time" "The allowance has no time" "Let it end after it begins."
    422 "gateway-text" "What the gateway says cannot be recorded" "The detail says why."
    422 "sku-not-possible" "The SKU cannot be so" "The detail says what is wrong with it."
    422 "sku-not-portioned" "The SKU is not portioned" "Give units, not grams."
    422 "no-whole-units" "These are no whole units" "The detail says how much is left over: give a whole number of portions."
    422 "reservation-over" "The reservation would be over at once" "Give a later moment."
    422 "kit-not-possible" "Kits cannot be so" "The detail says what is wrong."
    422 "clip-unknown" "There is no such clip" "GET /v1/clips lists the clips."
    422 "clip-without-tasks" "The clip has no tasks" "No lesson can be made of it: choose another."
    422 "money-not-possible" "The amount cannot be" "`field` says which: give minor units as a whole number, and an ISO 4217 currency."
    422 "not-a-code" "This is no code of a kit" "Scan it again, or type all of it."
    422 "message-unreadable" "The message cannot be read" "The detail says what is missing."
    422 "not-recommended" "It was not recommended" "React to a title or clip of the recommendation."
    422 "text-empty" "The text is empty" "Write at least one word."
    422 "text-too-long" "The text is too long" "The detail says how long it may be."
    422 "control-character" "The text holds a control character" "The detail says which and where: remove it."
    422 "empty-quiet-hours" "Quiet hours begin and end at once" "Give two different times, or null for none."
    422 "too-many-topics" "Too many topics" "Name those of GET /v1/notifications/preferences."
    422 "unknown-topic" "There is no such topic" "The detail lists those that there are."
    422 "unknown-event-type" "Events of this type cannot be told" "Give types of events of the log, none about notifications. /v1/events shows them."
    422 "wrong-number-of-event-types" "No event types, or too many" "Give 1 to 50."
    422 "webhook-url-refused" "The URL of the webhook cannot be used" "Give an http or https URL on the public internet, without user name and password."
    422 "template-not-usable" "The text cannot be made" "The detail names the template and the parameter."
    422 "link-not-valid" "The link is not valid" "It was cut off or changed. Set your preferences in the application instead."
    422 "not-evidence" "This is no evidence" "Outcomes lie between 0 and 1, weights above 0."
    429 "too-many-attempts-to-sign-in" "Too many attempts to sign in" "Wait as long as Retry-After says."
    500 "internal" "A mistake of ours" "It was logged under the X-Request-Id of this answer. Nothing that was answered before is lost."
    503 "no-content" "The catalogue lacks what is needed" "The operator must load a catalogue that has items, clips and tasks."
    503 "no-gateway" "No payment gateway is configured" "The operator has to set BAEUM_GATEWAY_URL and BAEUM_GATEWAY_KEY_FILE. Nothing is lost: charges and refunds wait."
    503 "gateway-unavailable" "The payment gateway cannot be asked" "Try again in a moment."
    503 "no-speech-model" "Recordings cannot be judged here" "Send what was said as text."
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
    503 "no-carrier" "No carrier is configured" "The operator sets BAEUM_CARRIER_URL with its key. What waits is sent then."
    503 "carrier-unavailable" "The carrier cannot be reached" "Try again in a moment."
    503 "scheduler-failed" "The card could not be scheduled" "Try again in a moment. The review was not kept."
    503 "evaluator-failed" "The recording could not be judged now" "Nothing was taken in, for no recording is kept: send it again after Retry-After."
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
            include_str!("../../commands/src/learning/deployment.rs"),
            include_str!("../../commands/src/notification/error.rs"),
            include_str!("../../commands/src/kit/error.rs"),
            include_str!("../../commands/src/operations/error.rs"),
            include_str!("../../commands/src/recommendation/error.rs"),
            include_str!("../../commands/src/subscription/payment_methods.rs"),
            include_str!("../../commands/src/subscription/error.rs"),
            include_str!("../../commands/src/review/error.rs"),
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
                Some("PaymentRequired") => 402,
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
