//! `/v1/customers`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    books::{Books, Change},
    desk::Desk,
    form::Form,
    problem::Problem,
    table::Row,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    email: Option<String>,
    name: Option<String>,
    metadata: BTreeMap<String, String>,
    created: i64,
    pub(crate) deleted: bool,
}

impl Row for Customer {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn json(&self) -> Value {
        if self.deleted {
            return json!({"id": self.id, "object": "customer", "deleted": true});
        }
        json!({
            "id": self.id, "object": "customer", "email": self.email, "name": self.name, "metadata": self.metadata,
            "created": self.created, "livemode": false,
        })
    }
}

/// The customer with this id, unless it was deleted.
pub(crate) fn find<'a>(books: &'a Books, id: &str) -> Result<&'a Customer, Problem> {
    let found = books.customers.get(id).filter(|it| !it.deleted);
    found.ok_or_else(|| Problem::missing("customer", id).param("customer"))
}

pub(crate) fn create(desk: &mut Desk<'_>, _: &str, mut form: Form) -> Result<Value, Problem> {
    let customer = Customer {
        id: desk.id("cus"),
        email: form.take("email"),
        name: form.take("name"),
        metadata: form.metadata(),
        created: desk.now,
        deleted: false,
    };
    form.finish()?;
    let shown = customer.json();
    desk.put(Change::Customer(customer));
    desk.tell("customer.created", shown.clone());
    Ok(shown)
}

/// Personal data and saved payment methods go; what was paid stays.
pub(crate) fn delete(desk: &mut Desk<'_>, id: &str, form: Form) -> Result<Value, Problem> {
    form.finish()?;
    let customer = find(desk.books, id).map_err(|_| Problem::missing("customer", id).param("id"))?;
    let customer = Customer { email: None, name: None, metadata: BTreeMap::new(), deleted: true, ..customer.clone() };
    let shown = customer.json();
    let methods: Vec<_> = desk.books.payment_methods.of(id).cloned().collect();
    for method in methods {
        desk.put(Change::PaymentMethod(method.detached()));
    }
    desk.put(Change::Customer(customer));
    desk.tell("customer.deleted", shown.clone());
    Ok(shown)
}

pub(crate) fn get(books: &Books, id: &str, _: &mut Form) -> Result<Value, Problem> {
    books.customers.get(id).map(Row::json).ok_or_else(|| Problem::missing("customer", id).param("id"))
}
