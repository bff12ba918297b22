//! What the processes that bill send: each step between subscription, invoice, payment and refund.
//!
//! The books stay whoever is forgotten: whose a bill is, its subscription says; only a purchase of credits names who buys. A refusal
//! that only says that a step came late, and that another has taken its place, is no failure: each is named here.

use baeum_domain::{
    Decider,
    ids::{InvoiceId, PaymentId, RefundId, SubscriptionId, UserId},
    money::Money,
    subscription::{
        bill::{Bill, Purpose},
        credits::{self, CreditBalance},
        invoice::{self, Invoice, VoidReason},
        payment::{self, AskedBy, Payment},
        refund::{self, Ground, Reason, Refund},
        subscription::{self, Subscription},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{Commands, dispatch::DispatchError};

/// How much later than its timer a period may end and the timer still be meant for it: clocks differ by less, and a pause
/// that puts the end off further has set a timer of its own.
const SOON: TimeDelta = TimeDelta::days(1);

/// A step of billing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BillingCommand {
    /// The time of a period is over.
    EndPeriod {
        /// Whose.
        subscription_id: SubscriptionId,
        /// Which.
        number: u32,
    },
    /// Include AI evaluations for some time.
    GrantAllowance {
        /// Whose subscription includes them.
        subscription_id: SubscriptionId,
        /// How many.
        units: u32,
        /// From when on.
        from: DateTime<Utc>,
        /// Until when.
        until: DateTime<Utc>,
        /// Whether it goes on from the present allowance.
        continues: bool,
    },
    /// Issue the invoice of a bill.
    IssueInvoice {
        /// What is to be paid.
        bill: Bill,
    },
    /// Begin to collect an invoice.
    RequestPayment {
        /// The invoice.
        invoice_id: InvoiceId,
        /// What is to be charged.
        amount: Money,
        /// When.
        attempts_at: Vec<DateTime<Utc>>,
    },
    /// Begin an attempt of the schedule.
    BeginCharge {
        /// Of which payment.
        payment_id: PaymentId,
        /// Which, from 1.
        attempt: u32,
    },
    /// Ask the gateway for a charge whose attempt has begun, and record what it says.
    Charge {
        /// Of which payment.
        payment_id: PaymentId,
        /// Which attempt.
        attempt: u32,
        /// When it began.
        begun_at: DateTime<Utc>,
    },
    /// Tell the subscription that a charge failed.
    RecordFailedCharge {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The invoice.
        invoice_id: InvoiceId,
        /// Which attempt.
        attempt: u32,
        /// When it is tried again.
        next_attempt_at: Option<DateTime<Utc>>,
        /// When it failed.
        at: DateTime<Utc>,
    },
    /// Tell the invoice that it was paid.
    RecordPayment {
        /// The invoice.
        invoice_id: InvoiceId,
        /// By what.
        payment_id: PaymentId,
        /// How much.
        amount: Money,
        /// When.
        at: DateTime<Utc>,
    },
    /// Attempt no more charges.
    ClosePayment {
        /// Of which payment.
        payment_id: PaymentId,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Give an invoice up whose payment is closed.
    VoidInvoice {
        /// The invoice.
        invoice_id: InvoiceId,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Tell what was billed that it is paid.
    SettleBill {
        /// What it was for.
        purpose: Purpose,
    },
    /// Tell what was billed that it is given up.
    DropBill {
        /// What it was for.
        purpose: Purpose,
    },
    /// Ask a charge back that must not have been.
    RefundSurplus {
        /// Of which payment.
        payment_id: PaymentId,
        /// The gateway's name of the charge.
        reference: String,
        /// How much it took.
        amount: Money,
        /// Which attempt to give it back, from 1.
        attempt: u32,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Have a payment reserve a refund, or reject the refund.
    ReserveRefund {
        /// The refund.
        refund_id: RefundId,
        /// Of which payment.
        payment_id: PaymentId,
        /// The gateway's name of the charge.
        reference: String,
        /// How much.
        amount: Money,
    },
    /// Send a refund that is reserved.
    SendRefund {
        /// The refund.
        refund_id: RefundId,
    },
    /// Ask the gateway for a refund that was sent, and record what it says.
    Refund {
        /// The refund.
        refund_id: RefundId,
        /// When it was sent.
        sent_at: DateTime<Utc>,
    },
    /// Tell the payment that a refund was made.
    SettleRefund {
        /// The refund.
        refund_id: RefundId,
        /// Of which payment.
        payment_id: PaymentId,
    },
    /// Tell the payment that a refund will not be.
    ReleaseRefund {
        /// The refund.
        refund_id: RefundId,
        /// Of which payment.
        payment_id: PaymentId,
    },
}

impl Commands {
    pub(crate) async fn bill(&self, context: &CommandContext, command: BillingCommand) -> Result<(), DispatchError> {
        use BillingCommand as B;
        match command {
            B::EndPeriod { subscription_id, number } => self.end_period(context, subscription_id, number).await,
            B::GrantAllowance { subscription_id, units, from, until, continues } => {
                let subscriber = self.subscriber_of(context, subscription_id).await?;
                let grant = credits::Command::GrantAllowance { subscriber, units, from, until, continues };
                let id = credits::id_of(subscriber).to_string();
                done(self.decide::<CreditBalance>(context, &id, grant).await?)
            }
            B::IssueInvoice { bill } => self.issue(context, bill).await,
            B::RequestPayment { invoice_id, amount, attempts_at } => {
                let payment_id = baeum_domain::subscription::bill::payment_id(invoice_id);
                let request = payment::Command::Request { payment_id, invoice_id, amount, attempts_at };
                self.log.expect_new::<Payment>(&context.tenant, &payment_id.to_string());
                done(self.decide::<Payment>(context, &payment_id.to_string(), request).await?)
            }
            B::BeginCharge { payment_id, attempt } => self.begin_charge(context, payment_id, attempt).await,
            B::Charge { payment_id, attempt, begun_at } => self.charge(context, payment_id, attempt, begun_at).await,
            B::RecordFailedCharge { subscription_id, invoice_id, attempt, next_attempt_at, at } => {
                let failed = subscription::Command::RecordFailedCharge { invoice_id, attempt, next_attempt_at, at };
                done(self.decide::<Subscription>(context, &subscription_id.to_string(), failed).await?)
            }
            B::RecordPayment { invoice_id, payment_id, amount, at } => {
                let paid = invoice::Command::RecordPayment { payment_id, amount, at };
                done(self.decide::<Invoice>(context, &invoice_id.to_string(), paid).await?)
            }
            B::ClosePayment { payment_id, at } => {
                let close = payment::Command::Close { at };
                match self.decide::<Payment>(context, &payment_id.to_string(), close).await? {
                    // It was paid before, which is told to all that it concerns.
                    Ok(()) | Err(payment::Error::Succeeded(_)) => Ok(()),
                    // Another process is on its way to request it.
                    Err(error @ payment::Error::NotRequested) => Err(later(error)),
                    Err(error) => Err(refused(&error)),
                }
            }
            B::VoidInvoice { invoice_id, at } => {
                let void = invoice::Command::Void { reason: VoidReason::Unpaid, at };
                done(self.decide::<Invoice>(context, &invoice_id.to_string(), void).await?)
            }
            B::SettleBill { purpose } => self.settle_bill(context, purpose).await,
            B::DropBill { purpose } => self.drop_bill(context, purpose).await,
            B::RefundSurplus { payment_id, reference, amount, attempt, at } => {
                let refund_id = refund::id_of_surplus(payment_id, &reference, attempt);
                let (ground, reason) = (Ground::Surplus(amount), Reason::Surplus);
                let request = refund::Command::Request { refund_id, payment_id, reference, amount, ground, reason, at };
                done(self.decide::<Refund>(context, &refund_id.to_string(), request).await?)
            }
            B::ReserveRefund { refund_id, payment_id, reference, amount } => {
                let reserve = payment::Command::ReserveRefund { refund_id, reference, amount };
                match self.decide::<Payment>(context, &payment_id.to_string(), reserve).await? {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        tracing::info!(%refund_id, %error, "a refund is rejected");
                        done(self.decide::<Refund>(context, &refund_id.to_string(), refund::Command::Reject).await?)
                    }
                }
            }
            B::SendRefund { refund_id } => {
                let send = refund::Command::Send { at: self.clock().now() };
                done(self.decide::<Refund>(context, &refund_id.to_string(), send).await?)
            }
            B::Refund { refund_id, sent_at } => self.refund(context, refund_id, sent_at).await,
            B::SettleRefund { refund_id, payment_id } => {
                let settle = payment::Command::SettleRefund { refund_id };
                done(self.decide::<Payment>(context, &payment_id.to_string(), settle).await?)
            }
            B::ReleaseRefund { refund_id, payment_id } => {
                let release = payment::Command::ReleaseRefund { refund_id };
                done(self.decide::<Payment>(context, &payment_id.to_string(), release).await?)
            }
        }
    }

    async fn end_period(
        &self,
        context: &CommandContext,
        subscription_id: SubscriptionId,
        number: u32,
    ) -> Result<(), DispatchError> {
        let at = self.clock().now();
        let end = subscription::Command::EndPeriod { number, at };
        match self.decide::<Subscription>(context, &subscription_id.to_string(), end).await? {
            // The timer is set again when that bill is paid.
            Ok(()) | Err(subscription::Error::BillOpen(..)) => Ok(()),
            // It was put off by a pause, whose end has set another timer, unless the clocks merely differ.
            Err(error @ subscription::Error::NotOver { ends_at, .. }) if ends_at - at < SOON => Err(later(error)),
            Err(subscription::Error::NotOver { .. }) => Ok(()),
            Err(error) => Err(refused(&error)),
        }
    }

    async fn issue(&self, context: &CommandContext, bill: Bill) -> Result<(), DispatchError> {
        let subscriber = self.payer(context, &bill.purpose).await?;
        let (id, at) = (bill.invoice_id.to_string(), bill.due_at);
        self.log.expect_new::<Invoice>(&context.tenant, &id);
        done(self.decide::<Invoice>(context, &id, invoice::Command::Issue { subscriber, bill, at }).await?)
    }

    async fn begin_charge(
        &self,
        context: &CommandContext,
        payment_id: PaymentId,
        attempt: u32,
    ) -> Result<(), DispatchError> {
        let begin = payment::Command::BeginCharge { attempt, asked_by: AskedBy::Schedule, at: self.clock().now() };
        match self.decide::<Payment>(context, &payment_id.to_string(), begin).await? {
            Ok(()) => Ok(()),
            // Paid or given up meanwhile; or the subscriber has begun an attempt, whose failure sets the next timer.
            Err(
                payment::Error::Succeeded(_)
                | payment::Error::Closed(_)
                | payment::Error::InFlight(..)
                | payment::Error::NotNext { .. },
            ) => Ok(()),
            Err(error @ payment::Error::TooEarly(..)) => Err(later(error)),
            Err(error) => Err(refused(&error)),
        }
    }

    async fn settle_bill(&self, context: &CommandContext, purpose: Purpose) -> Result<(), DispatchError> {
        let invoice_id = purpose.invoice_id();
        match purpose {
            Purpose::Credits { purchase_id, subscriber } => {
                let confirm = credits::Command::ConfirmPurchase { subscriber, purchase_id };
                let id = credits::id_of(subscriber).to_string();
                done(self.decide::<CreditBalance>(context, &id, confirm).await?)
            }
            Purpose::Period { subscription_id, .. } | Purpose::Change { subscription_id, .. } => {
                let paid = subscription::Command::RecordPaid { invoice_id };
                done(self.decide::<Subscription>(context, &subscription_id.to_string(), paid).await?)
            }
        }
    }

    async fn drop_bill(&self, context: &CommandContext, purpose: Purpose) -> Result<(), DispatchError> {
        let invoice_id = purpose.invoice_id();
        match purpose {
            Purpose::Credits { purchase_id, subscriber } => {
                let drop = credits::Command::DropPurchase { subscriber, purchase_id };
                let id = credits::id_of(subscriber).to_string();
                done(self.decide::<CreditBalance>(context, &id, drop).await?)
            }
            Purpose::Period { subscription_id, .. } | Purpose::Change { subscription_id, .. } => {
                let voided = subscription::Command::RecordVoided { invoice_id };
                match self.decide::<Subscription>(context, &subscription_id.to_string(), voided).await? {
                    Ok(()) => Ok(()),
                    // Its cancellation is on its way.
                    Err(error @ subscription::Error::WrongStatus(..)) => Err(later(error)),
                    Err(error) => Err(refused(&error)),
                }
            }
        }
    }

    /// Who pays what is billed for this.
    pub(crate) async fn payer(&self, context: &CommandContext, purpose: &Purpose) -> Result<UserId, DispatchError> {
        match purpose {
            Purpose::Credits { subscriber, .. } => Ok(*subscriber),
            Purpose::Period { subscription_id, .. } | Purpose::Change { subscription_id, .. } => {
                self.subscriber_of(context, *subscription_id).await
            }
        }
    }

    async fn subscriber_of(
        &self,
        context: &CommandContext,
        subscription_id: SubscriptionId,
    ) -> Result<UserId, DispatchError> {
        let loaded = self.log.load::<Subscription>(&context.tenant, &subscription_id.to_string()).await;
        let loaded = loaded.map_err(later)?;
        let contract = loaded.state.contract.as_ref();
        contract.map(|it| it.subscriber).ok_or_else(|| refused(&subscription::Error::NotStarted))
    }

    /// Has an aggregate decide: what it refuses, or why it could not be asked.
    pub(crate) async fn decide<D: Decider>(
        &self,
        context: &CommandContext,
        id: &str,
        command: D::Command,
    ) -> Result<Result<(), D::Error>, DispatchError>
    where
        D::Command: Clone + Send + Sync,
        D::Error: std::error::Error + Send,
    {
        let prepare = |_: Loaded<D>| std::future::ready(Ok::<_, D::Error>(command.clone()));
        match self.log.execute::<D, (), D::Error, _>(context, id, prepare, |_, _| ()).await {
            Ok(_) => Ok(Ok(())),
            Err(ExecuteError::Refused(error)) => Ok(Err(error)),
            Err(ExecuteError::KeyReused) => Err(DispatchError::Refused {
                code: "key-reused",
                reason: ExecuteError::<D::Error>::KeyReused.to_string(),
            }),
            Err(other) => Err(later(other)),
        }
    }
}

pub(super) fn done<E: std::error::Error>(decided: Result<(), E>) -> Result<(), DispatchError> {
    decided.map_err(|error| refused(&error))
}

pub(super) fn refused(error: &dyn std::error::Error) -> DispatchError {
    DispatchError::Refused { code: "billing", reason: error.to_string() }
}

#[allow(clippy::needless_pass_by_value, reason = "errors are passed on to it")]
pub(super) fn later(error: impl std::fmt::Display) -> DispatchError {
    DispatchError::Transient(error.to_string())
}
