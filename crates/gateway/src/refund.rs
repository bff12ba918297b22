//! Refunds of payment intents.

use baeum_domain::subscription::gateway::{GatewayError, RefundOrder, Refunded};
use baeum_stripe::{CreateRefund, Doubt, Error, Metadata, Page, Refund, RefundStatus as Status};

use crate::{StripeGateway, amount, certain, charge::TENANT, key};

/// The name of the metadata of a refund that names it.
pub(crate) const REFUND: &str = "refund_id";

impl StripeGateway {
    pub(crate) async fn make_refund(&self, order: &RefundOrder) -> Result<Refunded, GatewayError> {
        let new = CreateRefund {
            payment_intent: order.reference.clone(),
            money: Some(amount(order.amount)?),
            reason: None,
            metadata: Metadata::from([
                (TENANT.to_owned(), order.tenant.clone()),
                (REFUND.to_owned(), order.refund_id.to_string()),
            ]),
        };
        match self.client.create_refund(&new, &key(&order.key)?).await {
            Ok(refund) => Ok(of_refund(&refund)),
            Err(Error::KeyReused(_) | Error::Unknown { doubt: Doubt::SavedServerError, .. }) => {
                let found = self.look_refund_up(order).await?;
                Ok(found.unwrap_or_else(|| Refunded::Failed { code: "gateway_error".to_owned() }))
            }
            Err(error) => match certain(error) {
                GatewayError::Refused { code } => Ok(Refunded::Failed { code }),
                error => Err(error),
            },
        }
    }

    pub(crate) async fn look_refund_up(&self, order: &RefundOrder) -> Result<Option<Refunded>, GatewayError> {
        let id = order.refund_id.to_string();
        let mut page = Page { limit: 100, ..Page::default() };
        loop {
            let list = self.client.list_refunds(&order.reference, &page).await.map_err(certain)?;
            if let Some(found) = list.data.iter().find(|it| it.metadata.get(REFUND) == Some(&id)) {
                return Ok(Some(of_refund(found)));
            }
            page.starting_after = list.data.last().map(|last| last.id.clone());
            if !list.has_more || page.starting_after.is_none() {
                return Ok(None);
            }
        }
    }
}

/// What became of a refund.
pub(crate) fn of_refund(refund: &Refund) -> Refunded {
    match refund.status {
        Some(Status::Succeeded) => Refunded::Succeeded,
        Some(Status::Failed) => Refunded::Failed { code: "failed".to_owned() },
        Some(Status::Canceled) => Refunded::Failed { code: "canceled".to_owned() },
        Some(Status::Pending | Status::RequiresAction | Status::Unknown) | None => Refunded::Pending,
    }
}
