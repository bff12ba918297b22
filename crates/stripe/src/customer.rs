//! Customers: whom saved payment methods and payments belong to.

use serde::Deserialize;

use crate::{
    client::Client,
    error::Error,
    form::{Form, Metadata, segment},
    idempotency::IdempotencyKey,
    secret::Secret,
};

/// A customer, as far as it is needed back: what the API knows of the person is not read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Customer {
    /// `cus_…`.
    pub id: String,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub created: i64,
    /// What was given with it.
    #[serde(default)]
    pub metadata: Metadata,
    /// Whether it was deleted: it can be read, but no longer charged.
    #[serde(default)]
    pub deleted: bool,
}

/// What a new customer is to have.
#[derive(Clone, Debug, Default)]
pub struct CreateCustomer {
    /// For receipts.
    pub email: Option<Secret>,
    /// For invoices.
    pub name: Option<Secret>,
    /// Ids of one's own.
    pub metadata: Metadata,
}

impl Client {
    /// Makes a customer.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn create_customer(&self, new: &CreateCustomer, key: &IdempotencyKey) -> Result<Customer, Error> {
        let form = Form::default()
            .with_some("email", new.email.as_ref().map(Secret::expose))
            .with_some("name", new.name.as_ref().map(Secret::expose))
            .with_metadata(&new.metadata)?;
        self.post("/v1/customers".to_owned(), form, key).await
    }

    /// Reads a customer.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn retrieve_customer(&self, id: &str) -> Result<Customer, Error> {
        self.get(format!("/v1/customers/{}", segment(id)?), Form::default()).await
    }

    /// Deletes a customer with the saved payment methods. Payments and refunds stay. One that is gone already is no
    /// error, so that a deletion can be repeated.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn delete_customer(&self, id: &str) -> Result<(), Error> {
        match self.delete::<Customer>(format!("/v1/customers/{}", segment(id)?)).await {
            Err(Error::Refused(refusal)) if refusal.code.as_deref() == Some("resource_missing") => Ok(()),
            result => result.map(|_| ()),
        }
    }
}
