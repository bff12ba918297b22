//! Webhooks: what of them the platform wants to know.

use baeum_domain::subscription::gateway::{About, Charged, Disbelief, Notice};
use baeum_stripe::{EventObject, Metadata, WebhookError, Webhooks};
use chrono::{DateTime, Utc};

use crate::{
    charge::{ATTEMPT, PAYMENT, TENANT, of_intent},
    refund::{REFUND, of_refund},
};

pub(crate) fn verify(
    webhooks: &Webhooks,
    signature: &str,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Notice, Disbelief> {
    let event = webhooks.verify(signature, body, now.timestamp()).map_err(|error| match error {
        WebhookError::Header | WebhookError::Signature => Disbelief::Forged,
        WebhookError::Stale { .. } => Disbelief::Stale,
        WebhookError::Body => Disbelief::Unreadable,
    })?;
    let object = event.object().map_err(|_| Disbelief::Unreadable)?;
    let about = about(&event.kind, object);
    Ok(Notice { id: event.id, about })
}

/// What an event is about, if that is of interest: whatever other systems do with the same account is not.
fn about(kind: &str, object: EventObject) -> Option<About> {
    match object {
        EventObject::PaymentIntent(intent) => match kind {
            "payment_intent.succeeded" | "payment_intent.payment_failed" | "payment_intent.canceled" => {
                of_charge(&intent.metadata, of_intent(&intent))
            }
            _ => None,
        },
        EventObject::Refund(refund) => {
            let (tenant, refund_id) = of_metadata_of_refund(&refund.metadata)?;
            Some(About::Refund { tenant, refund_id, refunded: of_refund(&refund) })
        }
        EventObject::SetupIntent(_) | EventObject::Charge(_) | EventObject::Other(_) => None,
    }
}

fn of_charge(metadata: &Metadata, charged: Charged) -> Option<About> {
    let (tenant, payment_id) = (metadata.get(TENANT)?.clone(), metadata.get(PAYMENT)?.parse().ok()?);
    let attempt = metadata.get(ATTEMPT)?.parse().ok()?;
    Some(About::Charge { tenant, payment_id, attempt, charged })
}

fn of_metadata_of_refund(metadata: &Metadata) -> Option<(String, baeum_domain::ids::RefundId)> {
    Some((metadata.get(TENANT)?.clone(), metadata.get(REFUND)?.parse().ok()?))
}
