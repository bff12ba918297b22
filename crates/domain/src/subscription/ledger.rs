//! The ledger: what an event moves between accounts, in double entry.
//!
//! A pure function of the event, so that the ledger can be thrown away and derived again. Every movement has debits and
//! credits of the same sum in each currency; a projection that keeps the accounts only adds up.
//!
//! | event | debit | credit |
//! |---|---|---|
//! | `InvoiceIssued` | receivable (total), account credit (applied), discounts, revenue (unused time) | revenue, account credit (added) |
//! | `InvoiceVoided` | the same entries, the other way round | |
//! | `ChargeSucceeded` | gateway | receivable |
//! | `SurplusCharged` | gateway | surplus |
//! | `RefundSucceeded` | refunds, or surplus | gateway |
//! | a settlement | partner shares | partner, each |
//!
//! Revenue counts when it is invoiced; spreading it over the period is left to accounting, which has the lines' times.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    bill::{Bill, Item},
    invoice, payment, refund,
    settlement::Settlement,
};
use crate::{
    AnyEvent,
    ids::PartnerId,
    money::{Currency, Money},
};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// What subscribers owe (asset).
    Receivable,
    /// What lies with the gateway (asset).
    Gateway,
    /// What subscribers have too much (liability).
    AccountCredit,
    /// What was taken and must be given back (liability).
    Surplus,
    /// What was sold (income).
    Revenue,
    /// What coupons took off (against income).
    Discounts,
    /// What was given back (against income).
    Refunds,
    /// What partners get (expense).
    PartnerShares,
    /// What is owed to a partner (liability).
    Partner(PartnerId),
}

/// The side of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Left.
    Debit,
    /// Right.
    Credit,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Debit => Self::Credit,
            Self::Credit => Self::Debit,
        }
    }
}

/// One line of a movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The account.
    pub account: Account,
    /// On which side.
    pub side: Side,
    /// How much, more than nothing.
    pub amount: Money,
}

/// What one event moves: entries that balance, none where it moves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Movement {
    /// Its entries.
    pub entries: Vec<Entry>,
}

impl Movement {
    fn between(debit: Account, credit: Account, amount: Money) -> Self {
        let mut movement = Self::default();
        movement.enter(debit, Side::Debit, amount);
        movement.enter(credit, Side::Credit, amount);
        movement
    }

    /// Adds an entry; a negative amount goes to the other side, nothing is left out.
    fn enter(&mut self, account: Account, side: Side, amount: Money) {
        if amount.is_negative() {
            self.entries.push(Entry { account, side: side.other(), amount: amount.negated() });
        } else if amount.is_positive() {
            self.entries.push(Entry { account, side, amount });
        }
    }

    fn reversed(mut self) -> Self {
        for entry in &mut self.entries {
            entry.side = entry.side.other();
        }
        self
    }

    /// Debits less credits of each currency, in minor units; nothing where it balances.
    pub fn imbalance(&self) -> BTreeMap<Currency, i128> {
        let mut sums = BTreeMap::new();
        for entry in &self.entries {
            *sums.entry(entry.amount.currency()).or_insert(0) += entry.signed();
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }
}

impl Entry {
    /// The amount in minor units, negative on the credit side.
    pub fn signed(&self) -> i128 {
        match self.side {
            Side::Debit => self.amount.minor().into(),
            Side::Credit => -i128::from(self.amount.minor()),
        }
    }
}

/// What an event moves.
pub fn movement(event: &AnyEvent) -> Movement {
    match event {
        AnyEvent::Invoice(event) => match event {
            invoice::Event::InvoiceIssued { bill, .. } => of_bill(bill),
            invoice::Event::InvoiceVoided { bill, .. } => of_bill(bill).reversed(),
            // The charge that paid it moves the money.
            invoice::Event::InvoicePaid { .. } => Movement::default(),
        },
        AnyEvent::Payment(event) => match event {
            payment::Event::ChargeSucceeded { amount, .. } => {
                Movement::between(Account::Gateway, Account::Receivable, *amount)
            }
            payment::Event::SurplusCharged { amount, .. } => {
                Movement::between(Account::Gateway, Account::Surplus, *amount)
            }
            payment::Event::PaymentRequested { .. }
            | payment::Event::ChargeAttempted { .. }
            | payment::Event::ChargeFailed { .. }
            | payment::Event::PaymentClosed { .. }
            | payment::Event::RefundReserved { .. }
            | payment::Event::RefundReleased { .. }
            | payment::Event::RefundSettled { .. } => Movement::default(),
        },
        AnyEvent::Refund(event) => match event {
            refund::Event::RefundSucceeded { amount, surplus, .. } => {
                let of = if *surplus { Account::Surplus } else { Account::Refunds };
                Movement::between(of, Account::Gateway, *amount)
            }
            refund::Event::RefundRequested { .. }
            | refund::Event::RefundSent { .. }
            | refund::Event::RefundRejected { .. }
            | refund::Event::RefundFailed { .. } => Movement::default(),
        },
        _ => Movement::default(),
    }
}

/// What a settlement moves.
pub fn movement_of_settlement(settlement: &Settlement) -> Movement {
    let mut movement = Movement::default();
    for (partner, amount) in &settlement.partners {
        movement.enter(Account::PartnerShares, Side::Debit, *amount);
        movement.enter(Account::Partner(partner.clone()), Side::Credit, *amount);
    }
    movement
}

fn of_bill(bill: &Bill) -> Movement {
    let mut movement = Movement::default();
    for line in &bill.lines {
        let account = match line.item {
            Item::Period | Item::UnusedTime | Item::RemainingTime | Item::UsageCredits => Account::Revenue,
            Item::Discount => Account::Discounts,
        };
        movement.enter(account, Side::Credit, line.amount);
    }
    movement.enter(Account::AccountCredit, Side::Credit, bill.credit_added);
    movement.enter(Account::AccountCredit, Side::Debit, bill.credit_applied);
    movement.enter(Account::Receivable, Side::Debit, bill.total);
    movement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        money::samples::money,
        subscription::{
            bill::{Line, Purpose, payment_id, samples},
            settlement::{Share, Turnover, settle},
        },
    };

    fn usd(minor: i64) -> Money {
        money(minor, "USD")
    }

    fn entries(movement: &Movement) -> Vec<(Account, i128)> {
        assert_eq!(movement.imbalance(), BTreeMap::new(), "{movement:?} does not balance");
        movement.entries.iter().map(|entry| (entry.account.clone(), entry.signed())).collect()
    }

    #[test]
    fn an_invoice_is_owed_and_earned_and_the_reverse_when_it_is_voided() {
        let mut bill = samples::bill(usd(990), usd(0));
        let (from, purpose) = (bill.due_at, bill.purpose);
        let discount = Line::of_time(Item::Discount, usd(-90), from, from);
        bill = Bill::draw(purpose, from, vec![bill.lines[0], discount], usd(300)).expect("one currency");
        let issued = [
            (Account::Revenue, -990),
            (Account::Discounts, 90),
            (Account::AccountCredit, 300),
            (Account::Receivable, 600),
        ];
        assert_eq!(entries(&of_bill(&bill)), issued);
        let voided = issued.map(|(account, signed)| (account, -signed));
        assert_eq!(entries(&of_bill(&bill).reversed()), voided);
    }

    #[test]
    fn what_a_change_gives_back_stays_as_account_credit() {
        let sample = samples::bill(usd(0), usd(0));
        let line = |item, minor| Line::of_time(item, usd(minor), sample.due_at, sample.due_at);
        let lines = vec![line(Item::UnusedTime, -800), line(Item::RemainingTime, 300)];
        let Purpose::Period { subscription_id, .. } = sample.purpose else { panic!("of a period") };
        let purpose = Purpose::Change { subscription_id, number: 1 };
        let bill = Bill::draw(purpose, sample.due_at, lines, usd(0)).expect("one currency");
        let expected = [(Account::Revenue, 800), (Account::Revenue, -300), (Account::AccountCredit, -500)];
        assert_eq!(entries(&of_bill(&bill)), expected);
    }

    #[test]
    fn money_comes_through_the_gateway_and_goes_back_through_it() {
        let bill = samples::bill(usd(990), usd(0));
        let (payment_id, invoice_id) = (payment_id(bill.invoice_id), bill.invoice_id);
        let (at, reference) = (bill.due_at, "ch_1".to_owned());
        let charged =
            payment::Event::ChargeSucceeded { payment_id, invoice_id, attempt: 1, reference, amount: usd(990), at };
        let charged = movement(&charged.into());
        assert_eq!(entries(&charged), [(Account::Gateway, 990), (Account::Receivable, -990)]);
        let refund_id = crate::ids::RefundId(uuid::Uuid::nil());
        let refunded = |surplus| refund::Event::RefundSucceeded { refund_id, payment_id, amount: usd(90), surplus, at };
        let back = movement(&refunded(false).into());
        assert_eq!(entries(&back), [(Account::Refunds, 90), (Account::Gateway, -90)]);
        let surplus = movement(&refunded(true).into());
        assert_eq!(entries(&surplus), [(Account::Surplus, 90), (Account::Gateway, -90)]);
    }

    #[test]
    fn a_settlement_is_owed_to_each_partner() {
        let partner: PartnerId = "studio".parse().expect("a partner");
        let share = Share { partner: partner.clone(), basis_points: 7_000 };
        let turnover = Turnover { paid: usd(990), refunded: usd(0), carried: usd(0) };
        let moved = movement_of_settlement(&settle(turnover, &[share]).expect("shares out"));
        assert_eq!(entries(&moved), [(Account::PartnerShares, 693), (Account::Partner(partner), -693)]);
    }
}
