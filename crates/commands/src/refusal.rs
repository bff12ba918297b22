//! What a refusal means to whoever asked, independent of how it is told.

use baeum_domain::{
    assessment::{assessment, item_bank},
    identity::{erasure, user},
    kit::{address, kit, plan as kit_plan, sku, stock},
    learning::{curriculum, evaluator_deployment, lesson},
    money::MoneyError,
    progress::{knowledge_tracing, progress},
    recommendation::recommendation,
    review::deck,
    subscription::{coupon, credits, invoice, payment, plan, refund, subscription},
    text::TextError,
};
use baeum_eventlog::LogError;

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The caller is not who they say.
    Unauthenticated,
    /// The caller may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// There was such a thing, and is no more.
    Gone,
    /// It does not fit the present state.
    Conflict,
    /// The input is wrong.
    Invalid,
    /// It must be paid for first.
    PaymentRequired,
    /// It cannot be done at the moment.
    Unavailable,
}

/// A refusal by a rule: its text says what, which and what to do.
pub trait Refusal: std::error::Error {
    /// What kind of refusal it is.
    fn kind(&self) -> RefusalKind;

    /// A stable name in kebab case, by which a client tells it apart.
    fn code(&self) -> &'static str;
}

/// The name under which a failing log is told.
pub(crate) fn log_code(error: &LogError) -> &'static str {
    match error {
        LogError::Busy => "log-busy",
        LogError::Unreadable { .. } => "log-unreadable",
        LogError::Unavailable(_) | LogError::Closed | LogError::Unwritable { .. } | LogError::Broker(_) => {
            "log-unavailable"
        }
    }
}

macro_rules! refusals {
    ($($error:path { $($pattern:pat => $kind:ident $code:literal),* $(,)? })+) => {$(
        impl Refusal for $error {
            fn kind(&self) -> RefusalKind {
                #[allow(unused_imports, reason = "an error without variants needs none")]
                use $error::*;
                match *self { $($pattern => RefusalKind::$kind,)* }
            }

            fn code(&self) -> &'static str {
                #[allow(unused_imports, reason = "an error without variants needs none")]
                use $error::*;
                match *self { $($pattern => $code,)* }
            }
        }
    )+};
}

refusals! {
    user::Error {
        NotRegistered => NotFound "user-not-found",
        AlreadyRegistered(_) => Conflict "already-registered",
        SameLanguages(_) => Invalid "same-languages",
        TooManyInterests(_) => Invalid "too-many-interests",
        GoalOutOfRange(_) => Invalid "goal-out-of-range",
        NoPolicyVersion => Invalid "no-policy-version",
        LastRole(_) => Conflict "last-role",
    }
    erasure::Error {
        GraceOutOfRange(_) => Invalid "grace-out-of-range",
        NotRequested => Conflict "erasure-not-requested",
        Erased(_) => Gone "subject-erased",
        NotDue(_) => Conflict "erasure-not-due",
        NotErased(_) => Conflict "erasure-not-done",
    }
    assessment::Error {
        NotStarted => NotFound "assessment-not-found",
        AlreadyStarted(_) => Conflict "assessment-exists",
        Ended(_) => Conflict "assessment-ended",
        AlreadyAnswered(_) => Conflict "item-already-answered",
        NotAsked { .. } => Conflict "item-not-asked",
    }
    knowledge_tracing::Error {
        NoSkills => Invalid "no-fitted-skills",
        Stale { .. } => Conflict "stale-fit",
        OutOfRange(_) => Invalid "parameter-out-of-range",
    }
    item_bank::Error {
        NoItems => Invalid "no-calibrated-items",
        Stale { .. } => Conflict "stale-calibration",
        OutOfRange(_) => Invalid "parameter-out-of-range",
    }
    lesson::Error {
        NotStarted => NotFound "lesson-not-found",
        AlreadyStarted(_) => Conflict "lesson-exists",
        EmptyPlan(_) => Unavailable "no-content",
        Ended(_) => Conflict "lesson-ended",
        UnknownClip { .. } => Invalid "clip-not-in-lesson",
        ImpossibleViewing { .. } => Invalid "impossible-viewing",
        UnknownTask { .. } => Invalid "task-not-in-lesson",
        WrongKind { .. } => Invalid "wrong-kind-of-attempt",
        ClipNotConsumed { .. } => Conflict "clip-not-watched",
        TooShort { .. } => Invalid "answer-too-short",
        TooManyAttempts(_) => Conflict "too-many-attempts",
        UnknownAttempt { .. } => NotFound "attempt-not-found",
        NotEvaluated(_) => Conflict "not-evaluated",
        UnknownSpan { .. } => Invalid "unknown-span",
        SpanUnfit => Invalid "span-unfit",
        AlreadyDisputed(_) => Conflict "already-disputed",
        EvaluationPending { .. } => Conflict "evaluation-pending",
        NotDone { .. } => Conflict "lesson-not-done",
    }
    evaluator_deployment::Error {
        NotPromoted(_) => Conflict "model-not-promoted",
        Reason(_) => Invalid "text-empty",
        ExperimentRunning(_) => Conflict "experiment-running",
        ExperimentOver(_) => Conflict "experiment-over",
        UnknownExperiment(_) => NotFound "experiment-not-found",
        ImpossibleExperiment(_) => Invalid "impossible-experiment",
    }
    progress::Error {
        NotEvidence(_) => Invalid "not-evidence",
    }
    deck::Error {
        UnknownCard(_) => NotFound "card-not-found",
        BeforeLast(_) => Conflict "review-before-last",
        NoMemory(_) => Unavailable "scheduler-failed",
        Full => Conflict "deck-full",
        Stale { .. } => Conflict "stale-fit",
        NoParameters => Unavailable "scheduler-failed",
    }
    recommendation::Error {
        NotGenerated(_) => Conflict "recommendation-not-generated",
    }
    MoneyError {
        UnknownCurrency(_) => Invalid "unknown-currency",
        NotACurrency(..) => Invalid "unknown-currency",
        Mixed(..) => Invalid "currencies-mixed",
        TooLarge(_) => Invalid "amount-out-of-range",
    }
    plan::Error {
        NotCreated => NotFound "plan-not-found",
        AlreadyCreated(_) => Conflict "plan-exists",
        Retired(_) => Conflict "plan-retired",
        NoPrice(..) => Invalid "currency-not-offered",
        ImpossibleOffer(..) => Invalid "impossible-offer",
    }
    coupon::Error {
        NotCreated => NotFound "coupon-not-found",
        AlreadyCreated(_) => Conflict "coupon-exists",
        Impossible(..) => Invalid "impossible-coupon",
        Over(_) => Conflict "coupon-over",
        UsedUp(..) => Conflict "coupon-used-up",
    }
    subscription::Error {
        NotStarted => NotFound "subscription-not-found",
        AlreadyStarted(_) => Conflict "subscription-exists",
        WrongStatus(..) => Conflict "wrong-subscription-status",
        Ending(_) => Conflict "subscription-ending",
        BillOpen(..) => Conflict "bill-open",
        UnknownInvoice(..) => Conflict "invoice-of-another",
        NotOver { .. } => Conflict "period-not-over",
        Over(..) => Conflict "period-over",
        NoSuchPeriod(..) => Conflict "period-not-begun",
        OtherCurrency(..) => Invalid "currency-not-offered",
        PreviewOutdated(_) => Conflict "preview-outdated",
        CouponInUse(..) => Conflict "coupon-in-use",
        CouponUnfit(..) => Invalid "coupon-unfit",
        Replaced(..) => Conflict "subscription-replaced",
        InThePast(..) => Conflict "moment-in-the-past",
        BeyondCalendar(_) => Invalid "beyond-calendar",
        ImpossibleTerms(..) => Invalid "impossible-offer",
        Money(..) => Invalid "amount-out-of-range",
    }
    invoice::Error {
        NotIssued => NotFound "invoice-not-found",
        AlreadyIssued(_) => Conflict "invoice-exists",
        Bill(_) => Invalid "wrong-bill",
        OtherAmount { .. } => Conflict "invoice-other-amount",
        PaidBefore(..) => Conflict "invoice-paid",
        Paid(_) => Conflict "invoice-paid",
        Voided(..) => Conflict "invoice-voided",
    }
    payment::Error {
        NotRequested => NotFound "payment-not-found",
        AlreadyRequested(_) => Conflict "payment-exists",
        Impossible(..) => Invalid "impossible-payment",
        InFlight(..) => Conflict "charge-in-flight",
        NotNext { .. } => Conflict "charge-not-next",
        TooEarly(..) => Conflict "charge-too-early",
        TooManyAttempts(_) => Conflict "too-many-charges",
        Succeeded(_) => Conflict "payment-succeeded",
        Closed(_) => Conflict "payment-closed",
        NotBegun(..) => Conflict "charge-not-begun",
        Reference(..) => Invalid "gateway-text",
        UnknownCharge(..) => Conflict "unknown-charge",
        TooMuch { .. } => Conflict "refund-too-much",
        UnknownRefund(..) => NotFound "refund-not-found",
        RefundDecided(..) => Conflict "refund-decided",
        Money(..) => Invalid "currencies-mixed",
    }
    refund::Error {
        NotRequested => NotFound "refund-not-found",
        AlreadyRequested(_) => Conflict "refund-exists",
        BeyondPolicy { .. } => Conflict "refund-beyond-policy",
        PartOfSurplus { .. } => Invalid "part-of-surplus",
        WrongStage(..) => Conflict "refund-decided",
        Text(..) => Invalid "gateway-text",
        Money(..) => Invalid "currencies-mixed",
    }
    credits::Error {
        NothingLeft(_) => PaymentRequired "evaluations-exhausted",
        TooOld(_) => Conflict "attempt-too-old",
        UnknownPurchase(_) => NotFound "purchase-not-found",
        AlreadyBought(_) => Conflict "purchase-exists",
        PurchaseDecided(..) => Conflict "purchase-decided",
        OutOfRange(_) => Invalid "quantity-out-of-range",
        Used { .. } => Conflict "credits-used",
        NoTime(..) => Invalid "allowance-without-time",
        NoPrice(_) => Invalid "amount-out-of-range",
        Money(..) => Invalid "amount-out-of-range",
    }
    sku::Error {
        Unknown(_) => NotFound "sku-not-found",
        TooMany => Conflict "too-many-skus",
        Name(..) => Invalid "sku-not-possible",
        Impossible(..) => Invalid "sku-not-possible",
        NotPortioned(_) => Invalid "sku-not-portioned",
        Remainder { .. } => Invalid "no-whole-units",
    }
    stock::Error {
        Quantity { .. } => Invalid "quantity-out-of-range",
        Over(_) => Invalid "reservation-over",
        NotReserved(..) => NotFound "reservation-not-found",
        OfAnotherKit(..) => Conflict "reservation-of-another-kit",
    }
    kit_plan::Error {
        Impossible(..) => Invalid "kit-not-possible",
    }
    kit::Error {
        NotOpened => NotFound "kit-not-found",
        AlreadyOpened(_) => Conflict "kit-exists",
        NotReady(..) => Conflict "kit-not-ready",
        NotPacked(_) => Conflict "kit-not-packed",
        Cancelled(_) => Conflict "kit-cancelled",
        OnItsWay(..) => Conflict "kit-on-its-way",
        NotYet(..) => Conflict "kit-not-revealed",
        NoContents(_) => Conflict "kit-without-contents",
        UnknownUnit(..) => NotFound "kit-unit-not-found",
        NotYours(_) => Forbidden "not-yours",
        Revoked(_) => Gone "code-revoked",
        NothingOwed(_) => Conflict "nothing-owed",
    }
    TextError {
        Empty => Invalid "text-empty",
        TooLong { .. } => Invalid "text-too-long",
        Control { .. } => Invalid "control-character",
    }
}

impl Refusal for address::Error {
    fn kind(&self) -> RefusalKind {
        match *self {}
    }

    fn code(&self) -> &'static str {
        match *self {}
    }
}

impl Refusal for curriculum::Error {
    fn kind(&self) -> RefusalKind {
        match *self {}
    }

    fn code(&self) -> &'static str {
        match *self {}
    }
}
