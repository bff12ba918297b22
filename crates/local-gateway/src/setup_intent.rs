//! `/v1/setup_intents`: every card can be saved; some want the customer to agree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    books::{Books, Change},
    card::Issuer,
    customer,
    desk::Desk,
    form::Form,
    payment_intent::next_action,
    payment_method::{self, PaymentMethod},
    problem::Problem,
    table::Row,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SetupIntent {
    pub(crate) id: String,
    status: String,
    customer: Option<String>,
    payment_method: Option<String>,
    next_action: Option<Value>,
    last_setup_error: Option<Value>,
    client_secret: String,
    pub(crate) return_url: Option<String>,
    metadata: BTreeMap<String, String>,
    created: i64,
}

impl Row for SetupIntent {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn owner(&self) -> Option<&str> {
        self.customer.as_deref()
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id, "object": "setup_intent", "status": self.status, "customer": self.customer,
            "payment_method": self.payment_method, "payment_method_types": ["card"], "usage": "off_session",
            "next_action": self.next_action, "last_setup_error": self.last_setup_error,
            "client_secret": self.client_secret, "metadata": self.metadata, "created": self.created, "livemode": false,
        })
    }
}

pub(crate) fn create(desk: &mut Desk<'_>, _: &str, mut form: Form) -> Result<Value, Problem> {
    form.cards_only()?;
    if let Some(usage) = form.take("usage").filter(|it| it != "off_session" && it != "on_session") {
        return Err(Problem::invalid(format!("Invalid usage: {usage}")).param("usage"));
    }
    let (customer, method) = (form.take("customer"), form.take("payment_method"));
    let (confirm, return_url, metadata) = (form.flag("confirm")?, form.take("return_url"), form.metadata());
    form.finish()?;
    if let Some(customer) = &customer {
        customer::find(desk.books, customer)?;
    }
    let id = desk.id("seti");
    let client_secret = format!("{id}_{}", desk.id("secret"));
    let intent = SetupIntent {
        id,
        status: "requires_payment_method".to_owned(),
        customer,
        payment_method: None,
        next_action: None,
        last_setup_error: None,
        client_secret,
        return_url,
        metadata,
        created: desk.now,
    };
    desk.tell("setup_intent.created", intent.json());
    let Some(method) = method else { return Ok(done(desk, intent)) };
    let method = payment_method::find(desk, &method)?;
    let intent =
        SetupIntent { payment_method: Some(method.id.clone()), status: "requires_confirmation".to_owned(), ..intent };
    if confirm { try_it(desk, intent, method) } else { Ok(done(desk, intent)) }
}

pub(crate) fn confirm(desk: &mut Desk<'_>, id: &str, mut form: Form) -> Result<Value, Problem> {
    let intent = desk.books.setup_intents.get(id).cloned();
    let intent = intent.ok_or_else(|| Problem::missing("setup_intent", id).param("intent"))?;
    let method = form.take("payment_method").or(intent.payment_method.clone());
    let return_url = form.take("return_url").or(intent.return_url.clone());
    form.finish()?;
    if intent.status == "succeeded" {
        let problem = Problem::invalid("This setup has succeeded already.").code("setup_intent_unexpected_state");
        return Err(problem.about("setup_intent", intent.json()));
    }
    let method = method.ok_or_else(|| Problem::invalid("Missing required param: payment_method."))?;
    let method = payment_method::find(desk, &method)?;
    let intent = SetupIntent { payment_method: Some(method.id.clone()), return_url, ..intent };
    try_it(desk, intent, method)
}

fn try_it(desk: &mut Desk<'_>, intent: SetupIntent, method: PaymentMethod) -> Result<Value, Problem> {
    if matches!(method.card().issuer, Issuer::Asks { .. }) {
        let next_action = Some(next_action(desk.url, &intent.id, intent.return_url.as_deref()));
        let intent =
            SetupIntent { status: "requires_action".to_owned(), next_action, last_setup_error: None, ..intent };
        desk.tell("setup_intent.requires_action", intent.json());
        return Ok(done(desk, intent));
    }
    succeed(desk, intent, method)
}

fn succeed(desk: &mut Desk<'_>, intent: SetupIntent, method: PaymentMethod) -> Result<Value, Problem> {
    let method = match &intent.customer {
        Some(customer) => method.attached(customer)?,
        None => method,
    };
    let method = method.agreed();
    let shown = method.json();
    desk.put(Change::PaymentMethod(method));
    let intent = SetupIntent { status: "succeeded".to_owned(), next_action: None, last_setup_error: None, ..intent };
    if intent.customer.is_some() {
        desk.tell("payment_method.attached", shown);
    }
    desk.tell("setup_intent.succeeded", intent.json());
    Ok(done(desk, intent))
}

/// The customer has been at the bank's page.
pub(crate) fn authenticated(desk: &mut Desk<'_>, id: &str, agreed: bool) -> Result<Value, Problem> {
    let intent = desk.books.setup_intents.get(id).cloned().filter(|it| it.status == "requires_action");
    let intent = intent.ok_or_else(|| Problem::missing("setup_intent that waits for the customer", id))?;
    let method = payment_method::find(desk, intent.payment_method.as_deref().unwrap_or_default())?;
    if agreed {
        return succeed(desk, intent, method);
    }
    let words =
        ("setup_intent_authentication_failure", "authentication_failure", "The customer did not agree at the bank.");
    let problem = Problem::card(words).about("payment_method", method.json());
    let intent = SetupIntent {
        status: "requires_payment_method".to_owned(),
        payment_method: None,
        next_action: None,
        last_setup_error: Some(problem.fields()),
        ..intent
    };
    desk.tell("setup_intent.setup_failed", intent.json());
    Ok(done(desk, intent))
}

fn done(desk: &mut Desk<'_>, intent: SetupIntent) -> Value {
    let shown = intent.json();
    desk.put(Change::SetupIntent(intent));
    shown
}

pub(crate) fn get(books: &Books, id: &str, _: &mut Form) -> Result<Value, Problem> {
    books.setup_intents.get(id).map(Row::json).ok_or_else(|| Problem::missing("setup_intent", id).param("intent"))
}
