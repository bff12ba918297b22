//! `/v1/refunds`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    books::{Books, Change},
    charge::Charge,
    desk::Desk,
    form::Form,
    payment_intent::check_amount,
    problem::Problem,
    table::Row,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refund {
    id: String,
    amount: i64,
    currency: String,
    charge: String,
    payment_intent: String,
    reason: Option<String>,
    metadata: BTreeMap<String, String>,
    created: i64,
}

impl Row for Refund {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn owner(&self) -> Option<&str> {
        Some(&self.payment_intent)
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id, "object": "refund", "amount": self.amount, "currency": self.currency, "charge": self.charge,
            "payment_intent": self.payment_intent, "reason": self.reason, "metadata": self.metadata,
            "status": "succeeded", "created": self.created,
        })
    }
}

pub(crate) fn create(desk: &mut Desk<'_>, _: &str, mut form: Form) -> Result<Value, Problem> {
    let charge = charge_of(desk.books, &mut form)?;
    let left = charge.amount - charge.amount_refunded;
    let asked = form.number("amount")?;
    let reason = form.take("reason");
    if let Some(reason) = &reason
        && !["duplicate", "fraudulent", "requested_by_customer"].contains(&reason.as_str())
    {
        return Err(Problem::invalid(format!("Invalid reason: {reason}")).param("reason"));
    }
    let metadata = form.metadata();
    form.finish()?;
    if left == 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(Problem::invalid(message).code("charge_already_refunded"));
    }
    let amount = asked.unwrap_or(left);
    check_amount(amount, &charge.currency)?;
    if amount > left {
        let message = format!("{amount} is more than the {left} that are left of charge {} to refund.", charge.id);
        return Err(Problem::invalid(message).param("amount"));
    }
    let refund = Refund {
        id: desk.id("re"),
        amount,
        currency: charge.currency.clone(),
        charge: charge.id.clone(),
        payment_intent: charge.payment_intent.clone(),
        reason,
        metadata,
        created: desk.now,
    };
    let charge = Charge { amount_refunded: charge.amount_refunded + amount, ..charge };
    let (shown, charged) = (refund.json(), charge.json());
    desk.put(Change::Refund(refund));
    desk.put(Change::Charge(charge));
    desk.tell("refund.created", shown.clone());
    desk.tell("charge.refunded", charged);
    Ok(shown)
}

/// What was paid, by payment or by charge.
fn charge_of(books: &Books, form: &mut Form) -> Result<Charge, Problem> {
    let id = match (form.take("payment_intent"), form.take("charge")) {
        (Some(id), None) => {
            let intent = books.payment_intents.get(&id);
            let intent = intent.ok_or_else(|| Problem::missing("payment_intent", &id).param("payment_intent"))?;
            intent.latest_charge.clone().unwrap_or_default()
        }
        (None, Some(id)) => id,
        _ => return Err(Problem::invalid("Give either payment_intent or charge.").param("payment_intent")),
    };
    match books.charges.get(&id) {
        Some(charge) if charge.paid() => Ok(charge.clone()),
        Some(_) => Err(Problem::invalid("This payment was not paid.").param("payment_intent")),
        None if id.is_empty() => Err(Problem::invalid("This payment was not paid.").param("payment_intent")),
        None => Err(Problem::missing("charge", &id).param("charge")),
    }
}

pub(crate) fn get(books: &Books, id: &str, _: &mut Form) -> Result<Value, Problem> {
    books.refunds.get(id).map(Row::json).ok_or_else(|| Problem::missing("refund", id).param("id"))
}

pub(crate) fn list(books: &Books, _: &str, form: &mut Form) -> Result<Value, Problem> {
    let intent = form.take("payment_intent");
    books.refunds.page(intent.as_deref(), form, "refund")
}
