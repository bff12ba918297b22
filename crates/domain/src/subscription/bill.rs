//! What is to be paid for one thing, line by line.
//!
//! Invariant: the lines, with what went to the account credit and without what was taken from it, make the total; the
//! total is never negative. What a subscriber has too much stays with them as account credit.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{InvoiceId, PaymentId, PurchaseId, SubscriptionId, UserId, derive_id},
    money::{Money, MoneyError},
};

/// What a bill is for. It names the invoice, so that nothing is billed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Purpose {
    /// A period of a subscription.
    Period {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The period, from 1.
        number: u32,
    },
    /// A change of plan within a period.
    Change {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// Which change of this subscription, from 1.
        number: u32,
    },
    /// Usage credits.
    Credits {
        /// Who buys them.
        subscriber: UserId,
        /// The purchase.
        purchase_id: PurchaseId,
    },
}

impl Purpose {
    /// The id of the only invoice that there can be for it.
    pub fn invoice_id(&self) -> InvoiceId {
        InvoiceId(match self {
            Self::Period { subscription_id, number } => {
                derive_id(&["invoice", "period", &subscription_id.to_string(), &number.to_string()])
            }
            Self::Change { subscription_id, number } => {
                derive_id(&["invoice", "change", &subscription_id.to_string(), &number.to_string()])
            }
            Self::Credits { subscriber, purchase_id } => {
                derive_id(&["invoice", "credits", &subscriber.to_string(), &purchase_id.to_string()])
            }
        })
    }
}

/// The id of the only payment of an invoice.
pub fn payment_id(invoice_id: InvoiceId) -> PaymentId {
    PaymentId(derive_id(&["payment", &invoice_id.to_string()]))
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Item {
    /// A whole period of a plan: never negative.
    Period,
    /// What a coupon takes off a period: never positive.
    Discount,
    /// Time of the earlier plan that was paid and is not used: never positive.
    UnusedTime,
    /// Time of the new plan until the end of the period: never negative.
    RemainingTime,
    /// Usage credits: never negative.
    UsageCredits,
}

/// A line of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// What it is about.
    pub item: Item,
    /// What it costs; negative for what is taken off.
    pub amount: Money,
    /// From when the service is, where it is about time.
    pub from: Option<DateTime<Utc>>,
    /// Until when.
    pub until: Option<DateTime<Utc>>,
}

impl Line {
    /// A line about the time from `from` to `until`.
    pub fn of_time(item: Item, amount: Money, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { item, amount, from: Some(from), until: Some(until) }
    }
}

/// What is to be paid, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bill {
    /// The invoice that it becomes.
    pub invoice_id: InvoiceId,
    /// What it is for.
    pub purpose: Purpose,
    /// From when on it is to be paid.
    pub due_at: DateTime<Utc>,
    /// At least one, all of one currency.
    pub lines: Vec<Line>,
    /// What was taken from the account credit, not negative.
    pub credit_applied: Money,
    /// What went to the account credit because the lines are negative, not negative.
    pub credit_added: Money,
    /// What is left to pay, not negative.
    pub total: Money,
}

/// Why a bill is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// It does not add up, or says something that cannot be.
    #[error("the bill of invoice {0} is wrong: {1}")]
    Wrong(InvoiceId, &'static str),
    /// Its amounts do not go together.
    #[error("the bill of invoice {0} is wrong: {1}")]
    Money(InvoiceId, MoneyError),
}

impl Bill {
    /// Draws up the bill of `lines`, using `account_credit` as far as it goes.
    ///
    /// # Errors
    /// Amounts of two currencies, or out of range.
    pub fn draw(
        purpose: Purpose,
        due_at: DateTime<Utc>,
        lines: Vec<Line>,
        account_credit: Money,
    ) -> Result<Self, MoneyError> {
        let none = Money::zero(account_credit.currency());
        let sum = Money::sum(none.currency(), lines.iter().map(|line| line.amount))?;
        let credit_added = if sum.is_negative() { sum.negated() } else { none };
        let credit_applied = if sum.is_negative() { none } else { sum.at_most(account_credit)? };
        let total = sum.plus(credit_added)?.minus(credit_applied)?;
        Ok(Self { invoice_id: purpose.invoice_id(), purpose, due_at, lines, credit_applied, credit_added, total })
    }

    /// Checks that it adds up and that its invoice is the one of its purpose.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), BillError> {
        let wrong = |what| Err(BillError::Wrong(self.invoice_id, what));
        if self.invoice_id != self.purpose.invoice_id() {
            return wrong("its invoice is not that of its purpose");
        }
        if self.lines.is_empty() {
            return wrong("it has no line");
        }
        for line in &self.lines {
            let off = match line.item {
                Item::Period | Item::RemainingTime | Item::UsageCredits => line.amount.is_negative(),
                Item::Discount | Item::UnusedTime => line.amount.is_positive(),
            };
            if off {
                return wrong("a line has the wrong sign");
            }
        }
        if [self.credit_applied, self.credit_added, self.total].into_iter().any(Money::is_negative) {
            return wrong("a total is negative");
        }
        let adds_up = || {
            let sum = Money::sum(self.total.currency(), self.lines.iter().map(|line| line.amount))?;
            Ok(sum.plus(self.credit_added)?.minus(self.credit_applied)? == self.total)
        };
        match adds_up() {
            Ok(true) => Ok(()),
            Ok(false) => wrong("its lines do not make its total"),
            Err(error) => Err(BillError::Money(self.invoice_id, error)),
        }
    }
}

/// Sample values for tests and documentation.
pub mod samples {
    use uuid::Uuid;

    use super::{Bill, Item, Line, Purpose};
    use crate::{ids::SubscriptionId, money::Money};

    /// The bill of the first period of a subscription: `price`, less `credit` of the account.
    ///
    /// # Panics
    /// When the two amounts are of two currencies.
    pub fn bill(price: Money, credit: Money) -> Bill {
        let from = "2026-01-30T15:00:00Z".parse().expect("a moment");
        let until = "2026-02-27T15:00:00Z".parse().expect("a moment");
        let purpose = Purpose::Period { subscription_id: SubscriptionId(Uuid::from_u128(7)), number: 1 };
        Bill::draw(purpose, from, vec![Line::of_time(Item::Period, price, from, until)], credit).expect("one currency")
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::bill, *};
    use crate::money::samples::money;

    #[test]
    fn account_credit_is_used_as_far_as_it_goes() {
        let part = bill(money(990, "USD"), money(300, "USD"));
        assert_eq!((part.credit_applied, part.total), (money(300, "USD"), money(690, "USD")));
        let all = bill(money(990, "USD"), money(5_000, "USD"));
        assert_eq!((all.credit_applied, all.total), (money(990, "USD"), money(0, "USD")));
        assert_eq!((part.check(), all.check()), (Ok(()), Ok(())));
    }

    #[test]
    fn a_bill_that_does_not_add_up_is_found() {
        let good = bill(money(990, "USD"), money(0, "USD"));
        let cheaper = Bill { total: money(1, "USD"), ..good.clone() };
        assert!(cheaper.check().expect_err("off").to_string().contains("do not make its total"));
        let foreign = Bill { total: money(990, "KRW"), ..good.clone() };
        assert!(foreign.check().is_err());
        let anothers = Bill { invoice_id: InvoiceId(uuid::Uuid::nil()), ..good };
        assert!(anothers.check().expect_err("another's").to_string().contains("not that of its purpose"));
    }
}
