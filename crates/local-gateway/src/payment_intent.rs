//! `/v1/payment_intents`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    books::{Books, Change},
    card::{Decline, Issuer},
    charge::Charge,
    customer,
    desk::Desk,
    form::Form,
    payment_method::{self, PaymentMethod},
    problem::Problem,
    search::Query,
    table::Row,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentIntent {
    pub(crate) id: String,
    amount: i64,
    amount_received: i64,
    currency: String,
    pub(crate) status: String,
    pub(crate) customer: Option<String>,
    pub(crate) payment_method: Option<String>,
    pub(crate) latest_charge: Option<String>,
    next_action: Option<Value>,
    last_payment_error: Option<Value>,
    client_secret: String,
    pub(crate) return_url: Option<String>,
    description: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    created: i64,
}

impl Row for PaymentIntent {
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
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": 0,
            "amount_received": self.amount_received, "capture_method": "automatic",
            "confirmation_method": "automatic", "currency": self.currency, "customer": self.customer,
            "payment_method": self.payment_method, "payment_method_types": ["card"], "status": self.status,
            "latest_charge": self.latest_charge, "next_action": self.next_action,
            "last_payment_error": self.last_payment_error, "client_secret": self.client_secret,
            "description": self.description, "metadata": self.metadata, "created": self.created, "livemode": false,
        })
    }
}

/// That cards can be charged this.
pub(crate) fn check_amount(amount: i64, currency: &str) -> Result<(), Problem> {
    let invalid = |message: &str| Err(Problem::invalid(message).param("amount"));
    let whole_only = || {
        let message = "Amounts in this currency have no decimals: give a multiple of 100.";
        Problem::invalid(message).code("invalid_charge_amount_no_decimal_compatible").param("amount")
    };
    match currency {
        _ if amount <= 0 => invalid("The amount must be above zero."),
        "bhd" | "jod" | "kwd" | "omr" | "tnd" if amount % 10 != 0 => {
            invalid("The last digit of an amount in this currency must be 0.")
        }
        "isk" if amount % 100 != 0 => Err(whole_only()),
        _ => Ok(()),
    }
}

fn currency_of(form: &mut Form) -> Result<String, Problem> {
    let code = form.need("currency")?.to_ascii_lowercase();
    if code.len() != 3 || !code.bytes().all(|it| it.is_ascii_lowercase()) {
        return Err(Problem::invalid(format!("Invalid currency: {code}")).param("currency"));
    }
    Ok(code)
}

pub(crate) fn create(desk: &mut Desk<'_>, _: &str, mut form: Form) -> Result<Value, Problem> {
    form.cards_only()?;
    let amount = form.number("amount")?;
    let amount = amount.ok_or_else(|| Problem::invalid("Missing required param: amount.").param("amount"))?;
    let currency = currency_of(&mut form)?;
    check_amount(amount, &currency)?;
    let (customer, method) = (form.take("customer"), form.take("payment_method"));
    let (confirm, off_session) = (form.flag("confirm")?, form.flag("off_session")?);
    let (return_url, description, metadata) = (form.take("return_url"), form.take("description"), form.metadata());
    form.finish()?;
    if off_session && !confirm {
        return Err(Problem::invalid("off_session needs confirm=true.").param("off_session"));
    }
    if let Some(customer) = &customer {
        customer::find(desk.books, customer)?;
    }
    let id = desk.id("pi");
    let client_secret = format!("{id}_{}", desk.id("secret"));
    let intent = PaymentIntent {
        id,
        amount,
        amount_received: 0,
        currency,
        status: "requires_payment_method".to_owned(),
        customer,
        payment_method: None,
        latest_charge: None,
        next_action: None,
        last_payment_error: None,
        client_secret,
        return_url,
        description,
        metadata,
        created: desk.now,
    };
    let Some(method) = method else {
        if confirm {
            return Err(
                Problem::invalid("A payment cannot be confirmed without payment_method.").param("payment_method")
            );
        }
        desk.tell("payment_intent.created", intent.json());
        return Ok(done(desk, intent));
    };
    let method = method_of(desk, &method, intent.customer.as_deref())?;
    let intent =
        PaymentIntent { payment_method: Some(method.id.clone()), status: "requires_confirmation".to_owned(), ..intent };
    desk.tell("payment_intent.created", intent.json());
    if confirm { try_it(desk, intent, &method, off_session) } else { Ok(done(desk, intent)) }
}

pub(crate) fn confirm(desk: &mut Desk<'_>, id: &str, mut form: Form) -> Result<Value, Problem> {
    let intent = find(desk.books, id)?.clone();
    let method = form.take("payment_method").or(intent.payment_method.clone());
    let return_url = form.take("return_url").or(intent.return_url.clone());
    let off_session = form.flag("off_session")?;
    form.finish()?;
    if ["succeeded", "canceled"].contains(&intent.status.as_str()) {
        return Err(unexpected(&intent));
    }
    let method = method.ok_or_else(|| Problem::invalid("Missing required param: payment_method."))?;
    let method = method_of(desk, &method, intent.customer.as_deref())?;
    let intent = PaymentIntent { payment_method: Some(method.id.clone()), return_url, ..intent };
    try_it(desk, intent, &method, off_session)
}

pub(crate) fn cancel(desk: &mut Desk<'_>, id: &str, mut form: Form) -> Result<Value, Problem> {
    let intent = find(desk.books, id)?.clone();
    form.take("cancellation_reason");
    form.finish()?;
    if ["succeeded", "canceled"].contains(&intent.status.as_str()) {
        return Err(unexpected(&intent));
    }
    let intent = PaymentIntent { status: "canceled".to_owned(), next_action: None, ..intent };
    desk.tell("payment_intent.canceled", intent.json());
    Ok(done(desk, intent))
}

/// The payment method, which must not be somebody else's.
fn method_of(desk: &mut Desk<'_>, id: &str, customer: Option<&str>) -> Result<PaymentMethod, Problem> {
    let method = payment_method::find(desk, id)?;
    if method.customer.is_some() && method.customer.as_deref() != customer {
        let message = "This payment method is attached to another customer than the payment's.";
        return Err(Problem::invalid(message).param("payment_method"));
    }
    match customer {
        // Looks whether it may be saved at all: one that was forgotten cannot be charged either.
        Some(customer) => method.clone().attached(customer).map(|_| method),
        None => Ok(method),
    }
}

/// Asks the bank.
fn try_it(
    desk: &mut Desk<'_>,
    intent: PaymentIntent,
    method: &PaymentMethod,
    off_session: bool,
) -> Result<Value, Problem> {
    match method.card().issuer {
        Issuer::Approves => Ok(succeed(desk, intent, method)),
        Issuer::Declines(why) => Err(fail(desk, intent, method, why.words())),
        Issuer::Asks { unless_set_up: true, then } if method.set_up => settle(desk, intent, method, then),
        Issuer::Asks { .. } if off_session => Err(fail(desk, intent, method, Decline::AuthenticationRequired.words())),
        Issuer::Asks { .. } => {
            let next_action = Some(next_action(desk.url, &intent.id, intent.return_url.as_deref()));
            let intent =
                PaymentIntent { status: "requires_action".to_owned(), next_action, last_payment_error: None, ..intent };
            desk.tell("payment_intent.requires_action", intent.json());
            Ok(done(desk, intent))
        }
    }
}

fn settle(
    desk: &mut Desk<'_>,
    intent: PaymentIntent,
    method: &PaymentMethod,
    refused: Option<Decline>,
) -> Result<Value, Problem> {
    match refused {
        None => Ok(succeed(desk, intent, method)),
        Some(why) => Err(fail(desk, intent, method, why.words())),
    }
}

/// The customer has been at the bank's page.
pub(crate) fn authenticated(desk: &mut Desk<'_>, id: &str, agreed: bool) -> Result<Value, Problem> {
    let intent = desk.books.payment_intents.get(id).cloned().filter(|it| it.status == "requires_action");
    let intent = intent.ok_or_else(|| Problem::missing("payment_intent that waits for the customer", id))?;
    let method = payment_method::find(desk, intent.payment_method.as_deref().unwrap_or_default())?;
    let refused = match method.card().issuer {
        Issuer::Asks { then, .. } => then,
        Issuer::Declines(why) => Some(why),
        Issuer::Approves => None,
    };
    if agreed {
        return settle(desk, intent, &method, refused);
    }
    let words =
        ("payment_intent_authentication_failure", "authentication_failure", "The customer did not agree at the bank.");
    Err(fail(desk, intent, &method, words))
}

fn succeed(desk: &mut Desk<'_>, intent: PaymentIntent, method: &PaymentMethod) -> Value {
    let charge = charge(desk, &intent, method, None);
    let intent = PaymentIntent {
        status: "succeeded".to_owned(),
        amount_received: intent.amount,
        latest_charge: Some(charge.id.clone()),
        next_action: None,
        last_payment_error: None,
        ..intent
    };
    desk.tell("charge.succeeded", charge.json());
    desk.put(Change::Charge(charge));
    desk.tell("payment_intent.succeeded", intent.json());
    done(desk, intent)
}

fn fail(
    desk: &mut Desk<'_>,
    intent: PaymentIntent,
    method: &PaymentMethod,
    words: (&'static str, &'static str, &'static str),
) -> Problem {
    let charge = charge(desk, &intent, method, Some((words.0.to_owned(), words.2.to_owned())));
    let problem = Problem::card(words).about("charge", json!(charge.id)).about("payment_method", method.json());
    let intent = PaymentIntent {
        status: "requires_payment_method".to_owned(),
        payment_method: None,
        latest_charge: Some(charge.id.clone()),
        next_action: None,
        last_payment_error: Some(problem.fields()),
        ..intent
    };
    desk.tell("charge.failed", charge.json());
    desk.put(Change::Charge(charge));
    desk.tell("payment_intent.payment_failed", intent.json());
    problem.about("payment_intent", done(desk, intent))
}

fn charge(
    desk: &mut Desk<'_>,
    intent: &PaymentIntent,
    method: &PaymentMethod,
    failure: Option<(String, String)>,
) -> Charge {
    Charge {
        id: desk.id("ch"),
        amount: intent.amount,
        amount_refunded: 0,
        currency: intent.currency.clone(),
        customer: intent.customer.clone(),
        payment_intent: intent.id.clone(),
        payment_method: method.id.clone(),
        failure,
        metadata: intent.metadata.clone(),
        created: desk.now,
    }
}

fn done(desk: &mut Desk<'_>, intent: PaymentIntent) -> Value {
    let shown = intent.json();
    desk.put(Change::PaymentIntent(intent));
    shown
}

/// Where the customer agrees: a page of this gateway stands for the bank's.
pub(crate) fn next_action(url: &str, id: &str, return_url: Option<&str>) -> Value {
    let page = format!("{url}/bank/{id}");
    match return_url {
        Some(return_url) => {
            json!({"type": "redirect_to_url", "redirect_to_url": {"url": page, "return_url": return_url}})
        }
        None => {
            json!({"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page}})
        }
    }
}

fn unexpected(intent: &PaymentIntent) -> Problem {
    let problem = Problem::invalid(format!("This payment is {} already.", intent.status));
    problem.code("payment_intent_unexpected_state").about("payment_intent", intent.json())
}

fn find<'a>(books: &'a Books, id: &str) -> Result<&'a PaymentIntent, Problem> {
    books.payment_intents.get(id).ok_or_else(|| Problem::missing("payment_intent", id).param("intent"))
}

pub(crate) fn get(books: &Books, id: &str, _: &mut Form) -> Result<Value, Problem> {
    find(books, id).map(Row::json)
}

pub(crate) fn list(books: &Books, _: &str, form: &mut Form) -> Result<Value, Problem> {
    let customer = form.take("customer");
    books.payment_intents.page(customer.as_deref(), form, "payment_intent")
}

pub(crate) fn search(books: &Books, _: &str, form: &mut Form) -> Result<Value, Problem> {
    let query = Query::parse(&form.need("query")?)?;
    let limit = form.number("limit")?.unwrap_or(10).clamp(1, 100);
    let from: usize = match form.take("page") {
        None => 0,
        Some(page) => page.parse().map_err(|_| Problem::invalid("Invalid page.").param("page"))?,
    };
    let limit = usize::try_from(limit).unwrap_or(100);
    let mut found = books.payment_intents.all().rev().filter(|it| query.holds(it)).skip(from);
    let data: Vec<_> = found.by_ref().take(limit).map(Row::json).collect();
    let has_more = found.next().is_some();
    let next_page = has_more.then(|| (from + limit).to_string());
    Ok(json!({"object": "search_result", "data": data, "has_more": has_more, "next_page": next_page}))
}
