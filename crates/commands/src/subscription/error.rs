//! Why something about plans, subscriptions and money is refused.

use baeum_domain::{
    identity::user,
    ids::{PaymentId, SubscriptionId},
    money::{Currency, Money},
    subscription::{coupon, credits, invoice, payment, plan, refund, subscription},
};
use baeum_eventlog::LogError;

use crate::refusal::{Refusal, RefusalKind, log_code};

/// Why something about plans, subscriptions and money is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the plan.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// A rule of the coupon.
    #[error(transparent)]
    Coupon(#[from] coupon::Error),
    /// A rule of the subscription.
    #[error(transparent)]
    Subscription(#[from] subscription::Error),
    /// A rule of the invoice.
    #[error(transparent)]
    Invoice(#[from] invoice::Error),
    /// A rule of the payment.
    #[error(transparent)]
    Payment(#[from] payment::Error),
    /// A rule of the refund.
    #[error(transparent)]
    Refund(#[from] refund::Error),
    /// A rule of usage credits.
    #[error(transparent)]
    Credits(#[from] credits::Error),
    /// The caller is no registered user.
    #[error(transparent)]
    User(#[from] user::Error),
    /// It is someone else's.
    #[error("{0} is another subscriber's: only they or an administrator can do this")]
    NotYours(String),
    /// The caller is no administrator.
    #[error("only an administrator can change plans and coupons")]
    NotAnAdmin,
    /// One at a time.
    #[error("you have subscription {0}, which runs: change its plan, or cancel it before you start another")]
    AlreadySubscribed(SubscriptionId),
    /// The platform sells no credits for this currency.
    #[error("usage credits are not sold in {given}: {}", sold(.offered))]
    CreditsNotSold {
        /// What was asked for.
        given: Currency,
        /// What there is.
        offered: Vec<Money>,
    },
    /// There is nothing to give back.
    #[error("payment {0} has taken no money: there is nothing to give back")]
    NotPaid(PaymentId),
    /// Credits are taken back whole.
    #[error("{asked} is not the whole of the {paid} that payment {payment_id} took for usage credits: refund that")]
    PartOfCredits {
        /// The payment.
        payment_id: PaymentId,
        /// What was asked for.
        asked: Money,
        /// What was paid.
        paid: Money,
    },
    /// What it needs could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

fn sold(prices: &[Money]) -> String {
    let prices: Vec<String> = prices.iter().map(ToString::to_string).collect();
    if prices.is_empty() {
        return "the operator has set no price".to_owned();
    }
    format!("one costs {}", prices.join(" or "))
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Plan(error) => error.kind(),
            Self::Coupon(error) => error.kind(),
            Self::Subscription(error) => error.kind(),
            Self::Invoice(error) => error.kind(),
            Self::Payment(error) => error.kind(),
            Self::Refund(error) => error.kind(),
            Self::Credits(error) => error.kind(),
            Self::User(error) => error.kind(),
            Self::NotYours(_) | Self::NotAnAdmin => RefusalKind::Forbidden,
            Self::AlreadySubscribed(_) | Self::NotPaid(_) => RefusalKind::Conflict,
            Self::CreditsNotSold { .. } | Self::PartOfCredits { .. } => RefusalKind::Invalid,
            Self::Log(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Plan(error) => error.code(),
            Self::Coupon(error) => error.code(),
            Self::Subscription(error) => error.code(),
            Self::Invoice(error) => error.code(),
            Self::Payment(error) => error.code(),
            Self::Refund(error) => error.code(),
            Self::Credits(error) => error.code(),
            Self::User(error) => error.code(),
            Self::NotYours(_) => "not-yours",
            Self::NotAnAdmin => "not-an-admin",
            Self::AlreadySubscribed(_) => "already-subscribed",
            Self::CreditsNotSold { .. } => "currency-not-offered",
            Self::NotPaid(_) => "payment-not-succeeded",
            Self::PartOfCredits { .. } => "part-of-credits",
            Self::Log(error) => log_code(error),
        }
    }
}
