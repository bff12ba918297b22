//! `/v1/payment_methods`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    books::{Books, Change},
    card::{self, TestCard},
    customer,
    desk::Desk,
    form::Form,
    problem::Problem,
    table::Row,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    /// The name of the test card.
    card: String,
    exp_month: i64,
    exp_year: i64,
    pub(crate) customer: Option<String>,
    /// Whether it was saved for somebody before, and forgotten.
    detached: bool,
    /// Whether the customer agreed at their bank that it is charged without them.
    pub(crate) set_up: bool,
    created: i64,
}

impl Row for PaymentMethod {
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
        let card = self.card();
        json!({
            "id": self.id, "object": "payment_method", "type": "card", "customer": self.customer,
            "card": {
                "brand": card.brand(), "last4": card.last4(), "exp_month": self.exp_month, "exp_year": self.exp_year,
            },
            "metadata": {}, "created": self.created, "livemode": false,
        })
    }
}

impl PaymentMethod {
    fn new(desk: &mut Desk<'_>, card: &TestCard, exp_month: i64, exp_year: i64) -> Self {
        Self {
            id: desk.id("pm"),
            card: card.name.to_owned(),
            exp_month,
            exp_year,
            customer: None,
            detached: false,
            set_up: false,
            created: desk.now,
        }
    }

    /// Which test card it is.
    pub(crate) fn card(&self) -> &'static TestCard {
        card::named(&self.card).unwrap_or(&card::CARDS[0])
    }

    pub(crate) fn detached(self) -> Self {
        Self { customer: None, detached: true, ..self }
    }

    /// The same with the customer's consent to be charged without them.
    pub(crate) fn agreed(self) -> Self {
        Self { set_up: true, ..self }
    }

    /// The same as another card: as if the bank had changed its mind.
    pub(crate) fn reissued(self, card: &TestCard) -> Self {
        Self { card: card.name.to_owned(), ..self }
    }

    /// Saved for this customer.
    pub(crate) fn attached(self, customer: &str) -> Result<Self, Problem> {
        if self.detached {
            let message = "This payment method was detached from a customer and cannot be used again.";
            return Err(Problem::invalid(message).param("payment_method"));
        }
        match &self.customer {
            Some(other) if other != customer => {
                let message = "This payment method is attached to another customer: detach it first.";
                Err(Problem::invalid(message).param("payment_method"))
            }
            _ => Ok(Self { customer: Some(customer.to_owned()), ..self }),
        }
    }
}

/// The payment method with this id; one that has the name of a test card is made.
pub(crate) fn find(desk: &mut Desk<'_>, id: &str) -> Result<PaymentMethod, Problem> {
    if let Some(card) = card::named(id) {
        let method = PaymentMethod::new(desk, card, 12, 2034);
        desk.put(Change::PaymentMethod(method.clone()));
        return Ok(method);
    }
    let found = desk.books.payment_methods.get(id).cloned();
    found.ok_or_else(|| Problem::missing("PaymentMethod", id).param("payment_method"))
}

pub(crate) fn create(desk: &mut Desk<'_>, _: &str, mut form: Form) -> Result<Value, Problem> {
    if form.need("type")? != "card" {
        return Err(Problem::invalid("This gateway has cards only.").param("type"));
    }
    let number = form.need("card[number]")?.replace(' ', "");
    let card = card::numbered(&number).ok_or_else(|| {
        let message = "This is no test card of this gateway: docs/local-gateway.md lists them.";
        Problem::card(("incorrect_number", "incorrect_number", message)).param("card[number]")
    })?;
    let whole =
        |it: Option<i64>, name: &str| it.ok_or_else(|| Problem::invalid(format!("Missing {name}.")).param(name));
    let exp_month = whole(form.number("card[exp_month]")?, "card[exp_month]")?;
    let exp_year = whole(form.number("card[exp_year]")?, "card[exp_year]")?;
    if !(1..=12).contains(&exp_month) || !(2000..=2100).contains(&exp_year) {
        let message = "The card's month or year of expiry is invalid.";
        return Err(Problem::invalid(message).code("invalid_expiry_month").param("card[exp_month]"));
    }
    form.take("card[cvc]");
    form.finish()?;
    let method = PaymentMethod::new(desk, card, exp_month, exp_year);
    let shown = method.json();
    desk.put(Change::PaymentMethod(method));
    Ok(shown)
}

pub(crate) fn attach(desk: &mut Desk<'_>, id: &str, mut form: Form) -> Result<Value, Problem> {
    let customer = form.need("customer")?;
    form.finish()?;
    customer::find(desk.books, &customer)?;
    let method = find(desk, id)?.attached(&customer)?;
    let shown = method.json();
    desk.put(Change::PaymentMethod(method));
    desk.tell("payment_method.attached", shown.clone());
    Ok(shown)
}

pub(crate) fn detach(desk: &mut Desk<'_>, id: &str, form: Form) -> Result<Value, Problem> {
    form.finish()?;
    let method = desk.books.payment_methods.get(id).cloned();
    let method = method.ok_or_else(|| Problem::missing("PaymentMethod", id))?;
    if method.customer.is_none() {
        return Err(Problem::invalid("This payment method is not attached to a customer."));
    }
    let method = method.detached();
    let shown = method.json();
    desk.put(Change::PaymentMethod(method));
    desk.tell("payment_method.detached", shown.clone());
    Ok(shown)
}

pub(crate) fn get(books: &Books, id: &str, _: &mut Form) -> Result<Value, Problem> {
    books.payment_methods.get(id).map(Row::json).ok_or_else(|| Problem::missing("PaymentMethod", id))
}

pub(crate) fn list(books: &Books, _: &str, form: &mut Form) -> Result<Value, Problem> {
    let customer = form.need("customer")?;
    if let Some(kind) = form.take("type").filter(|it| it != "card") {
        return Err(Problem::invalid(format!("This gateway has cards only, not '{kind}'.")).param("type"));
    }
    customer::find(books, &customer)?;
    books.payment_methods.page(Some(&customer), form, "PaymentMethod")
}
