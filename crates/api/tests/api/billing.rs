//! What the processes that bill would do, done on the aggregates: there is no gateway here.

use baeum_commands::{CommandContext, EventLog};
use baeum_domain::{
    Clock as _, Decider,
    identity::user::Role,
    ids::{InvoiceId, PurchaseId, SubscriptionId, UserId},
    money::samples::money,
    subscription::{
        bill::{Bill, Purpose, payment_id},
        credits::{self, CreditBalance},
        invoice::{self, Invoice},
        payment::{self, AskedBy, ChargeOutcome, Payment},
        policy::BillingPolicy,
        settlement::Share,
        subscription::{Command, Event, Subscription},
    },
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{client::Person, world::World};

/// What the operator of the tests decided.
pub(crate) fn policy() -> BillingPolicy {
    let shares = vec![Share { partner: "studio".parse().expect("a partner"), basis_points: 7_000 }];
    let credit_prices = vec![money(100, "KRW"), money(8, "USD")];
    BillingPolicy { credit_prices, shares, ..BillingPolicy::default() }
}

pub(crate) fn krw(minor: i64) -> Value {
    json!({ "minor": minor, "currency": "KRW", "decimals": 0 })
}

pub(crate) fn offer(price: i64, trial_days: u16, evaluations: u32) -> Value {
    let prices = json!([krw(price), { "minor": price / 10, "currency": "USD" }]);
    json!({ "interval": { "every": 1, "unit": "month" }, "prices": prices, "trial_days": trial_days,
            "evaluations": evaluations })
}

impl World {
    fn log(&self) -> &EventLog {
        self.commands.log()
    }

    /// Executes a command as a process does.
    pub(crate) async fn execute<D: Decider>(&self, id: impl ToString, command: D::Command) {
        let fresh = baeum_testing::new_id();
        let context = CommandContext {
            tenant: "main".into(),
            actor: "saga:test".into(),
            command_id: fresh,
            fingerprint: None,
            correlation_id: fresh,
            causation_id: fresh,
            expected_sequence: None,
        };
        let prepare = move |_| std::future::ready(Ok::<_, D::Error>(command.clone()));
        let done = self.log().execute::<D, (), D::Error, _>(&context, &id.to_string(), prepare, |_, _| ()).await;
        done.expect("the command is allowed");
    }

    /// An administrator who has made the plans `plus` (12,900 won, a week of trial, two evaluations) and `premium`.
    pub(crate) async fn a_shop(&self) -> Person {
        let admin = self.someone_with("admin", Role::Admin).await;
        for (plan_id, offer) in [("plus", offer(12_900, 7, 2)), ("premium", offer(19_900, 0, 5))] {
            let plan = json!({ "plan_id": plan_id, "offer": offer });
            let reply = self.post("/v1/plans").by(&admin).json(&plan).send().await;
            assert_eq!(reply.status, 201, "{reply:?}");
        }
        admin
    }

    /// Someone who subscribes to `plus` without a trial; with the subscription's id.
    pub(crate) async fn subscriber(&self, name: &str) -> (Person, String) {
        let person = self.someone(name).await;
        let id = self.subscribe(&person).await;
        (person, id)
    }

    pub(crate) async fn subscribe(&self, person: &Person) -> String {
        let wish = json!({ "plan_id": "plus", "currency": "KRW", "trial": false });
        let reply = self.post("/v1/subscriptions").by(person).json(&wish).send().await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.body["subscription_id"].as_str().expect("an id").to_owned()
    }

    /// Time goes on; tokens do not.
    pub(crate) async fn later(&self, by: TimeDelta, people: &mut [&mut Person]) {
        self.clock.advance(by);
        for person in people {
            **person = self.sign_in(person.tenant, person.id, &person.email).await;
        }
    }

    /// The bill that is open of a subscription.
    pub(crate) async fn open_bill(&self, subscription: &str) -> Bill {
        let state = self.log().load::<Subscription>("main", subscription).await.expect("a log").state;
        let open = state.contract.as_ref().and_then(|it| it.open).expect("a bill is open").invoice_id;
        let events = self.log().read_stream::<Subscription>("main", subscription, 0).await.expect("a log");
        let mut bills = events.into_iter().filter_map(|event| match event.payload {
            Event::SubscriptionStarted { bill, .. } | Event::SubscriptionPlanChanged { bill, .. } => bill,
            Event::SubscriptionRenewed { bill, .. } | Event::SubscriptionReactivated { bill, .. } => Some(bill),
            _ => None,
        });
        bills.find(|bill| bill.invoice_id == open).expect("the bill was drawn up")
    }

    /// Issues the invoice of a bill and requests its payment.
    pub(crate) async fn invoice(&self, person: &Person, bill: &Bill) {
        let (invoice_id, amount, at) = (bill.invoice_id, bill.total, bill.due_at);
        let issue = invoice::Command::Issue { subscriber: UserId(person.id), bill: bill.clone(), at };
        self.execute::<Invoice>(invoice_id, issue).await;
        let payment_id = payment_id(invoice_id);
        let request = payment::Command::Request { payment_id, invoice_id, amount, attempts_at: vec![at] };
        self.execute::<Payment>(payment_id, request).await;
    }

    /// Has the gateway take the money of an attempt that has begun, with all that follows.
    pub(crate) async fn succeed(&self, invoice_id: InvoiceId, attempt: u32) {
        let (payment_id, at) = (payment_id(invoice_id), self.clock.now());
        let outcome = ChargeOutcome::Succeeded { reference: format!("ch_{invoice_id}") };
        self.execute::<Payment>(payment_id, payment::Command::RecordCharge { attempt, outcome, at }).await;
        let loaded = self.log().load::<Invoice>("main", &invoice_id.to_string()).await.expect("a log");
        let bill = loaded.state.claim.clone().expect("issued").bill;
        let paid = invoice::Command::RecordPayment { payment_id, amount: bill.total, at };
        self.execute::<Invoice>(invoice_id, paid).await;
        match bill.purpose {
            Purpose::Period { subscription_id, .. } | Purpose::Change { subscription_id, .. } => {
                self.execute::<Subscription>(subscription_id, Command::RecordPaid { invoice_id }).await;
            }
            Purpose::Credits { subscriber, purchase_id } => {
                let confirm = credits::Command::ConfirmPurchase { subscriber, purchase_id };
                self.execute::<CreditBalance>(credits::id_of(subscriber), confirm).await;
            }
        }
    }

    /// Charges a bill by its schedule, with success.
    pub(crate) async fn collect(&self, person: &Person, bill: &Bill) {
        self.invoice(person, bill).await;
        let at = self.clock.now();
        let begin = payment::Command::BeginCharge { attempt: 1, asked_by: AskedBy::Schedule, at };
        self.execute::<Payment>(payment_id(bill.invoice_id), begin).await;
        self.succeed(bill.invoice_id, 1).await;
    }

    /// The bill of a purchase of credits.
    pub(crate) async fn bill_of_purchase(&self, person: &Person, purchase: &str) -> Bill {
        let id = credits::id_of(UserId(person.id)).to_string();
        let wanted: PurchaseId = purchase.parse().expect("an id");
        let events = self.log().read_stream::<CreditBalance>("main", &id, 0).await.expect("a log");
        let mut bills = events.into_iter().filter_map(|event| match event.payload {
            credits::Event::CreditPurchaseBilled { purchase_id, bill, .. } if purchase_id == wanted => Some(bill),
            _ => None,
        });
        bills.next().expect("it was billed")
    }

    /// The period of a subscription is over.
    pub(crate) async fn end_period(&self, subscription: &str, number: u32) {
        let id: SubscriptionId = subscription.parse().expect("an id");
        self.execute::<Subscription>(id, Command::EndPeriod { number, at: self.clock.now() }).await;
    }

    /// Grants evaluations from now on for a month.
    pub(crate) async fn grant_evaluations(&self, person: &Person, units: u32) {
        let (subscriber, from) = (UserId(person.id), self.clock.now());
        let until = from + TimeDelta::days(30);
        let grant = credits::Command::GrantAllowance { subscriber, units, from, until, continues: false };
        self.execute::<CreditBalance>(credits::id_of(subscriber), grant).await;
    }

    /// The payment of an open bill, by its id on the wire.
    pub(crate) fn payment_of(bill: &Bill) -> Uuid {
        payment_id(bill.invoice_id).0
    }
}
