//! The adapter against the local carrier, over real HTTP.

use std::{net::SocketAddr, sync::Arc};

use baeum_carrier::HttpCarrier;
use baeum_domain::{
    ids::KitId,
    kit::{
        address::Address,
        carrier::{Carrier as _, CarrierError, Parcel, Reference, Whereabouts},
    },
};
use baeum_local_carrier::{Fault, LocalCarrier, Settings};
use uuid::Uuid;

async fn pair() -> (LocalCarrier, HttpCarrier) {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = Settings { listen, key: "ck_1".into(), receiver: None, clock: Arc::new(|| 0) };
    let local = LocalCarrier::start(settings).await.expect("started");
    let carrier = HttpCarrier::new(local.url(), "ck_1", "cs_1").expect("an adapter");
    (local, carrier)
}

fn parcel(country: &str) -> Parcel {
    Parcel {
        reference: Reference { tenant: "main".into(), kit_id: KitId(Uuid::from_u128(7)) },
        address: Address {
            recipient: "Mina".into(),
            street: "1 Sejong-daero".into(),
            city: "Seoul".into(),
            postal_code: Some("04524".into()),
            country: country.parse().expect("a country"),
            phone: None,
        },
        grams: 500,
        items: 2,
    }
}

#[tokio::test]
async fn a_parcel_is_taken_once_however_often_the_answer_is_lost() {
    let (local, carrier) = pair().await;
    local.next([Fault::LostAnswer, Fault::Error, Fault::LostAnswer]);
    for _ in 0..3 {
        assert!(matches!(carrier.ship(&parcel("KR")).await, Err(CarrierError::Unavailable(_))));
    }
    let name = carrier.ship(&parcel("KR")).await.expect("taken");
    let taken = local.shipments();
    assert_eq!((taken.len(), taken[0].shipment.as_str(), taken[0].grams), (1, name.as_str(), 500));
    assert_eq!(taken[0].address["recipient"], "Mina");
    local.stop().await.expect("stopped");
}

#[tokio::test]
async fn what_cannot_be_delivered_is_refused_for_good() {
    let (local, carrier) = pair().await;
    assert_eq!(carrier.ship(&parcel("AQ")).await, Err(CarrierError::Refused("undeliverable".into())));
    assert!(local.shipments().is_empty());
}

#[tokio::test]
async fn where_a_parcel_is_can_be_asked() {
    let (local, carrier) = pair().await;
    let parcel = parcel("KR");
    assert_eq!(carrier.track(&parcel.reference).await, Ok(vec![]));
    carrier.ship(&parcel).await.expect("taken");
    let reference = parcel.reference.to_string();
    for whereabouts in ["in_transit", "on_the_moon", "delivered"] {
        local.track(&reference, whereabouts, "2026-03-02T09:00:00Z", &[]).await;
    }
    let known = carrier.track(&parcel.reference).await.expect("known");
    let known: Vec<_> = known.iter().map(|it| it.whereabouts).collect();
    assert_eq!(known, [Whereabouts::InTransit, Whereabouts::Delivered]);
}

#[tokio::test]
async fn a_wrong_key_and_nobody_at_the_address_are_told_without_what_was_sent() {
    let (local, _) = pair().await;
    let wrong = HttpCarrier::new(local.url(), "ck_wrong", "cs_1").expect("an adapter");
    let error = wrong.ship(&parcel("KR")).await.expect_err("not admitted").to_string();
    assert!(error.contains("401") && !error.contains("Mina"), "{error}");
    let url = local.url().to_owned();
    local.stop().await.expect("stopped");
    let nobody = HttpCarrier::new(&url, "ck_1", "cs_1").expect("an adapter");
    assert!(matches!(nobody.ship(&parcel("KR")).await, Err(CarrierError::Unavailable(_))));
}

#[test]
fn addresses_and_keys_that_cannot_be_used_are_refused() {
    for (url, key, secret) in [
        ("carrier", "k", "s"),
        ("ftp://carrier.example", "k", "s"),
        ("http://carrier.example", "k", "s"),
        ("https://carrier.example", "", "s"),
        ("https://carrier.example", "k k", "s"),
        ("https://carrier.example", "k", ""),
    ] {
        assert!(HttpCarrier::new(url, key, secret).is_err(), "{url} {key} {secret}");
    }
    assert!(HttpCarrier::new("https://carrier.example/", "k", "s").is_ok());
}
