//! Customers, and what is saved for them.

use baeum_domain::{
    ids::{UserId, derive_id},
    subscription::gateway::{GatewayError, MethodShown, Setup},
};
use baeum_stripe::{
    Confirmation, CreateCustomer, CreateSetupIntent, Metadata, NextAction, Page, Secret, SetupIntent, SetupIntentStatus,
};

use crate::{StripeGateway, certain, charge::TENANT, key};

impl StripeGateway {
    /// The gateway learns nothing of the person but an id: name and address stay here.
    pub(crate) async fn make_customer(&self, tenant: &str, subscriber: UserId) -> Result<String, GatewayError> {
        let subscriber = subscriber.to_string();
        let new = CreateCustomer {
            email: None,
            name: None,
            metadata: Metadata::from([
                (TENANT.to_owned(), tenant.to_owned()),
                ("subscriber".to_owned(), subscriber.clone()),
            ]),
        };
        let key = key(&derive_id(&["customer", tenant, &subscriber]).to_string())?;
        let customer = self.client.create_customer(&new, &key).await.map_err(certain)?;
        Ok(customer.id)
    }

    pub(crate) async fn begin_setup(
        &self,
        customer: &str,
        payment_method: Option<&str>,
        return_url: Option<&str>,
        wish: &str,
    ) -> Result<Setup, GatewayError> {
        let confirmation = match (payment_method, return_url) {
            (None, _) => Confirmation::Later,
            (Some(_), Some(return_url)) => Confirmation::OnSession { return_url: return_url.to_owned() },
            (Some(_), None) => Confirmation::OffSession,
        };
        let new = CreateSetupIntent {
            customer: customer.to_owned(),
            payment_method: payment_method.map(ToOwned::to_owned),
            confirmation,
            metadata: Metadata::new(),
        };
        let setup = self.client.create_setup_intent(&new, &key(wish)?).await.map_err(certain)?;
        Ok(of_setup(setup))
    }

    pub(crate) async fn look_setup_up(&self, customer: &str, setup: &str) -> Result<Setup, GatewayError> {
        let found = self.client.retrieve_setup_intent(setup).await.map_err(certain)?;
        if found.customer.as_deref() != Some(customer) {
            return Err(GatewayError::Refused { code: "setup_of_another_customer".to_owned() });
        }
        Ok(of_setup(found))
    }

    pub(crate) async fn save_method(&self, customer: &str, payment_method: &str) -> Result<String, GatewayError> {
        let key = key(&derive_id(&["attach", customer, payment_method]).to_string())?;
        let saved = self.client.attach_payment_method(payment_method, customer, &key).await.map_err(certain)?;
        Ok(saved.id)
    }

    pub(crate) async fn forget_method(&self, payment_method: &str) -> Result<(), GatewayError> {
        let key = key(&derive_id(&["detach", payment_method]).to_string())?;
        self.client.detach_payment_method(payment_method, &key).await.map(drop).map_err(certain)
    }

    pub(crate) async fn saved_methods(&self, customer: &str) -> Result<Vec<MethodShown>, GatewayError> {
        let page = Page { limit: 100, ..Page::default() };
        let list = self.client.list_payment_methods(customer, &page).await.map_err(certain)?;
        let shown = list.data.into_iter().filter_map(|method| {
            let card = method.card?;
            Some(MethodShown {
                id: method.id,
                brand: card.brand,
                last_four: card.last4,
                expires_month: card.exp_month,
                expires_year: card.exp_year,
            })
        });
        Ok(shown.collect())
    }
}

fn of_setup(setup: SetupIntent) -> Setup {
    let saved = setup.payment_method.filter(|_| setup.status == SetupIntentStatus::Succeeded);
    let redirect = match setup.next_action {
        Some(NextAction::RedirectToUrl { redirect_to_url }) => Some(redirect_to_url.url),
        Some(NextAction::UseStripeSdk | NextAction::Unknown) | None => None,
    };
    let client_secret = setup.client_secret.as_ref().map(Secret::expose).map(ToOwned::to_owned);
    Setup { id: setup.id, client_secret, redirect, saved }
}
