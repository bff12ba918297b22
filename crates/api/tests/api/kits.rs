//! Kits over HTTP: the warehouse, a learner's kit, its codes, and what the carrier says.

use std::sync::Arc;

use axum::http::Method;
use baeum_carrier::{HttpCarrier, message::sign};
use baeum_commands::{
    dispatch::ProcessCommand,
    kit::step::{KitDeed, KitStep, StockDeed},
    vault::Field,
};
use baeum_domain::{
    Clock as _, Decider,
    identity::user::Role,
    ids::{KitId, PlanId, SubscriptionId, UserId},
    kit::{
        carrier::Carrier,
        kit::{Command, Kit, id_of},
    },
    money::samples::money,
    subscription::{
        bill::Purpose,
        dunning::Dunning,
        period::Interval,
        plan::{self, Offer, Plan, samples::terms},
        subscription::{self, Subscription},
    },
};
use baeum_eventlog::{CommandContext, Loaded};
use baeum_testing::new_id;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::Person,
    world::{World, in_a_world},
};

const SECRET: &str = "cs_test";

/// A carrier that nobody asks in these tests, but whose messages are read.
pub(crate) fn carrier() -> Arc<dyn Carrier> {
    Arc::new(HttpCarrier::new("http://127.0.0.1:9", "ck_test", SECRET).expect("an adapter"))
}

fn listing(kind: &str, krw: i64, portion: Option<u32>) -> Value {
    json!({
        "name": format!("{kind} about food"), "kind": kind, "language": "en", "levels": ["A1", "A2"],
        "topics": ["food"], "opens": "market", "parcel_grams": 250, "portion_grams": portion,
        "values": [{"minor": krw, "currency": "KRW"}],
    })
}

fn kit_plan(reveal: Option<u16>) -> Value {
    let won = |minor: i64| json!({"minor": minor, "currency": "KRW"});
    json!({"items": 2, "limits": [{"least": won(1_000), "most": won(50_000)}], "reveal_after_days": reveal})
}

fn context() -> CommandContext {
    CommandContext {
        tenant: "main".into(),
        actor: "saga:test".into(),
        command_id: new_id(),
        fingerprint: None,
        correlation_id: new_id(),
        causation_id: new_id(),
        expected_sequence: None,
    }
}

async fn execute<D: Decider>(world: &World, id: Uuid, command: D::Command) {
    let prepare = move |_: Loaded<D>| std::future::ready(Ok::<_, D::Error>(command.clone()));
    let log = world.commands.log();
    log.execute::<D, (), D::Error, _>(&context(), &id.to_string(), prepare, |_, _| ()).await.expect("decided");
}

async fn step(world: &World, step: KitStep) {
    world.commands.dispatch(&context(), ProcessCommand::Kit(step)).await.expect("done");
}

/// An administrator, with a shelf and a plan with kits.
async fn shop(world: &World, reveal: Option<u16>) -> Person {
    let admin = world.someone_with("admin", Role::Admin).await;
    for (sku, kind, krw) in [("book", "book", 9_000), ("cards", "cards", 5_000), ("tea", "sample", 3_000)] {
        let portion = (kind == "sample").then_some(60);
        let reply = world.ask(Method::PUT, format!("/v1/skus/{sku}")).by(&admin).json(&listing(kind, krw, portion));
        assert_eq!(reply.send().await.status, 200);
        let delivery = if kind == "sample" { json!({"grams": 600}) } else { json!({"units": 10}) };
        let reply = world.post(format!("/v1/stock/{sku}/deliveries")).by(&admin).json(&delivery).send().await;
        assert_eq!((reply.status.as_u16(), &reply.body["available"]), (200, &json!(10)), "{reply:?}");
    }
    let plus: PlanId = "plus".parse().expect("a plan id");
    let prices = vec![money(12_900, "KRW")];
    let offer = Offer { interval: Interval::MONTHLY, prices, trial_days: 0, evaluations: 100 };
    execute::<Plan>(world, plan::id_of("main", &plus), plan::Command::Create { plan_id: plus, offer }).await;
    let reply = world.ask(Method::PUT, "/v1/kit-plans/plus").by(&admin).json(&kit_plan(reveal)).send().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    admin
}

/// A kit of a person's, packed and with the carrier, as the processes do it.
async fn kit_of(world: &World, person: &Person) -> KitId {
    let (subscription_id, subscriber) = (SubscriptionId(new_id()), UserId(person.id));
    let start = subscription::Command::Start {
        subscription_id,
        subscriber,
        terms: terms("plus", money(12_900, "KRW")),
        time_zone: "Asia/Seoul".parse().expect("a zone"),
        dunning: Dunning::default(),
        coupon: None,
        trial: false,
        at: world.clock.now(),
    };
    execute::<Subscription>(world, subscription_id.0, start).await;
    let invoice_id = Purpose::Period { subscription_id, number: 1 }.invoice_id();
    let (kit_id, learner_id) = (id_of(invoice_id), subscriber);
    step(world, KitStep::Open { subscription_id, invoice_id, period: 1 }).await;
    let loaded = world.commands.log().load::<Kit>("main", &kit_id.to_string()).await.expect("loaded");
    let until = world.clock.now() + chrono::TimeDelta::days(1);
    let order = loaded.state.order.clone().expect("opened");
    for item in order.items.values() {
        for deed in [StockDeed::Reserve { until }, StockDeed::Commit] {
            let (sku, reservation_id) = (item.sku.clone(), item.reservation_id);
            step(world, KitStep::Stock { kit_id, sku, reservation_id, deed }).await;
        }
    }
    for deed in [KitDeed::NoteReserved, KitDeed::NotePaid { at: world.clock.now() }, KitDeed::Pack] {
        step(world, KitStep::Kit { kit_id, learner_id, deed }).await;
    }
    let sealed = world.commands.vault().seal("main", learner_id, Field::Shipment, "LC000000001").await;
    let ship = Command::Ship { shipment: sealed.expect("sealed"), at: world.clock.now() };
    execute::<Kit>(world, kit_id.0, ship).await;
    kit_id
}

/// What the carrier says, signed by this secret so many seconds ago.
async fn say(world: &World, secret: &str, ago: i64, body: &Value) -> crate::client::Reply {
    let text = body.to_string();
    let header = sign(secret, world.clock.now().timestamp() - ago, text.as_bytes());
    let ask = world.post("/v1/webhooks/carrier").header("carrier-signature", header);
    ask.text("application/json", text).send().await
}

fn message(world: &World, kit_id: KitId, whereabouts: &str) -> Value {
    json!({"reference": format!("main/{kit_id}"), "whereabouts": whereabouts, "at": world.clock.now()})
}

async fn head(world: &World) -> i64 {
    world.commands.log().head().await.expect("a head")
}

#[tokio::test]
async fn a_blind_box_arrives_shows_its_contents_and_opens_its_lessons() {
    in_a_world(async |world| {
        let admin = shop(world, Some(30)).await;
        let mina = world.someone("mina").await;
        let kit_id = kit_of(world, &mina).await;
        let path = format!("/v1/kits/{kit_id}");
        let hidden = world.get(format!("{path}?min_position={}", head(world).await)).by(&mina).send().await;
        assert_eq!((hidden.status.as_u16(), &hidden.body["stage"]), (200, &json!("shipped")), "{hidden:?}");
        assert_eq!((&hidden.body["items"], &hidden.body["item_count"]), (&Value::Null, &json!(2)));
        assert_eq!(hidden.body["shipment"], "LC000000001");
        assert!(!hidden.text.contains("\"book\"") && !hidden.text.contains("\"tea\""), "{}", hidden.text);
        let early = world.post(format!("{path}/reveal")).by(&mina).send().await;
        assert_eq!(early.problem(), (409, "kit-not-revealed"));

        for whereabouts in ["delivered", "delivered", "in_transit"] {
            let reply = say(world, SECRET, 0, &message(world, kit_id, whereabouts)).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        let shown = world.get(format!("{path}?min_position={}", head(world).await)).by(&mina).send().await;
        assert_eq!(
            (&shown.body["stage"], shown.body["items"].as_array().map(Vec::len)),
            (&json!("delivered"), Some(2))
        );
        assert_eq!(shown.body["items"][0]["value"]["decimals"], 0);

        let picture = world.get(format!("{path}/units/1/qr.svg")).by(&mina).send().await;
        assert_eq!((picture.status.as_u16(), picture.header("content-type")), (200, "image/svg+xml"));
        assert!(picture.text.contains("<svg"));
        let packed = world.get(format!("{path}/units/1/qr.svg")).by(&admin).send().await;
        assert_eq!(packed.text, picture.text, "who packs prints the same code");

        let token = world.commands.unit_token("main", kit_id, 1).await.expect("a code");
        let first = world.post("/v1/kits/scan").by(&mina).json(&json!({"token": token})).send().await;
        assert_eq!((first.status.as_u16(), &first.body["clip_id"]), (200, &json!("market")), "{first:?}");
        let again = world.post("/v1/kits/scan").by(&mina).json(&json!({"token": token})).send().await;
        assert_eq!(again.body["lesson_id"], first.body["lesson_id"]);
        let lesson = first.body["lesson_id"].as_str().expect("an id");
        let lesson = format!("/v1/lessons/{lesson}?min_position={}", first.position());
        let lesson = world.get(lesson).by(&mina).send().await;
        assert_eq!((lesson.status.as_u16(), &lesson.body["plan"]["clips"][0]["clip_id"]), (200, &json!("market")));
        let listed = world.get(format!("/v1/kits?min_position={}", head(world).await)).by(&mina).send().await;
        assert!(listed.body["kits"][0]["units"][0]["scanned_at"].is_string(), "{listed:?}");
        assert!(listed.body["kits"][0]["units"][1]["scanned_at"].is_null());
    })
    .await;
}

#[tokio::test]
async fn codes_open_nothing_for_others_nor_when_they_are_forged_or_revoked() {
    in_a_world(async |world| {
        let admin = shop(world, None).await;
        let (mina, jun) = (world.someone("mina").await, world.someone("jun").await);
        let kit_id = kit_of(world, &mina).await;
        let token = world.commands.unit_token("main", kit_id, 1).await.expect("a code");
        let scan = async |person: &Person, token: &str| {
            world.post("/v1/kits/scan").by(person).json(&json!({"token": token})).send().await
        };
        assert_eq!(scan(&jun, &token).await.problem(), (403, "not-yours"));
        for wrong in ["", "bk1.", "hello", &token[..token.len() - 1], &format!("{token}A")] {
            assert_eq!(scan(&mina, wrong).await.problem(), (422, "not-a-code"), "{wrong}");
        }
        let last = if token.ends_with('A') { 'E' } else { 'A' };
        let forged = format!("{}{last}", &token[..token.len() - 1]);
        let forged = scan(&mina, &forged).await;
        assert!(["code-forged", "not-a-code"].contains(&forged.code()), "{forged:?}");
        // The code of another place, with the signature of this one.
        let other = world.commands.unit_token("main", kit_id, 2).await.expect("a code");
        let mixed = format!("{}{}", &other[..28], &token[28..]);
        assert_eq!(scan(&mina, &mixed).await.problem(), (403, "code-forged"));
        let elsewhere = world.commands.unit_token("busan", kit_id, 1).await.expect("a code");
        assert_eq!(scan(&mina, &elsewhere).await.problem(), (403, "code-forged"));

        let revoke = format!("/v1/kits/{kit_id}/units/1/revoke");
        assert_eq!(world.post(revoke.clone()).by(&mina).send().await.problem(), (403, "not-an-admin"));
        assert_eq!(world.post(revoke).by(&admin).send().await.status, 200);
        assert_eq!(scan(&mina, &token).await.problem(), (410, "code-revoked"));
        let picture = format!("/v1/kits/{kit_id}/units/1/qr.svg?min_position={}", head(world).await);
        assert_eq!(world.get(picture).by(&mina).send().await.problem(), (410, "code-revoked"));
        let others = format!("/v1/kits/{kit_id}/units/2/qr.svg");
        assert_eq!(world.get(others).by(&jun).send().await.problem(), (403, "not-yours"));
        let none = format!("/v1/kits/{kit_id}/units/3/qr.svg");
        assert_eq!(world.get(none).by(&mina).send().await.problem(), (404, "kit-unit-not-found"));
        let kit = format!("/v1/kits/{kit_id}");
        assert_eq!(world.get(&kit).by(&jun).send().await.problem(), (403, "not-yours"));
        assert_eq!(world.post(format!("{kit}/cancel")).by(&admin).send().await.problem(), (409, "kit-on-its-way"));
        assert_eq!(
            world.get(format!("/v1/kits/{}", new_id())).by(&mina).send().await.problem(),
            (404, "kit-not-found")
        );
        assert_eq!(world.get("/v1/kits/x").by(&mina).send().await.problem(), (422, "invalid-id"));
    })
    .await;
}

#[tokio::test]
async fn the_carrier_is_believed_only_where_it_signed_lately_and_speaks_of_a_kit() {
    in_a_world(async |world| {
        shop(world, None).await;
        let mina = world.someone("mina").await;
        let kit_id = kit_of(world, &mina).await;
        let delivered = message(world, kit_id, "delivered");
        assert_eq!(say(world, "of somebody else", 0, &delivered).await.problem(), (401, "message-forged"));
        assert_eq!(say(world, SECRET, 301, &delivered).await.problem(), (401, "message-stale"));
        let unsigned = world.post("/v1/webhooks/carrier").text("application/json", delivered.to_string()).send().await;
        assert_eq!(unsigned.problem(), (401, "message-forged"));
        let nowhere = message(world, kit_id, "on_the_moon");
        assert_eq!(say(world, SECRET, 0, &nowhere).await.problem(), (422, "message-unreadable"));
        let nobody = message(world, KitId(new_id()), "delivered");
        assert_eq!(say(world, SECRET, 0, &nobody).await.problem(), (404, "kit-not-found"));
        let far = json!({"reference": format!("mars/{kit_id}"), "whereabouts": "delivered", "at": world.clock.now()});
        assert_eq!(say(world, SECRET, 0, &far).await.problem(), (404, "kit-not-found"));
        let long = "x".repeat(70_000);
        let long = world.post("/v1/webhooks/carrier").text("application/json", long).send().await;
        assert_eq!(long.problem(), (413, "body-too-large"));
        let path = format!("/v1/kits/{kit_id}?min_position={}", head(world).await);
        assert_eq!(world.get(path).by(&mina).send().await.body["stage"], "shipped");
    })
    .await;
}

#[tokio::test]
async fn the_warehouse_counts_in_whole_units_and_tells_what_is_low() {
    in_a_world(async |world| {
        let admin = shop(world, None).await;
        let key = "delivery-7";
        for replayed in ["", "true"] {
            let delivery = world.post("/v1/stock/tea/deliveries").by(&admin).header("idempotency-key", key);
            let reply = delivery.json(&json!({"grams": 120})).send().await;
            assert_eq!((&reply.body["on_hand"], reply.header("idempotency-replayed")), (&json!(12), replayed));
        }
        let odd = world.post("/v1/stock/tea/deliveries").by(&admin).json(&json!({"grams": 100})).send().await;
        assert_eq!(odd.problem(), (422, "no-whole-units"));
        assert!(odd.body["detail"].as_str().is_some_and(|it| it.contains("40 g are left of portions of 60 g")));
        let threshold = world.ask(Method::PUT, "/v1/stock/tea/threshold").by(&admin).json(&json!({"units": 5}));
        assert_eq!(threshold.send().await.status, 200);
        let counted = world.post("/v1/stock/tea/counts").by(&admin).json(&json!({"found": 3})).send().await;
        assert_eq!((&counted.body["on_hand"], counted.status.as_u16()), (&json!(3), 200));
        let low = world.get(format!("/v1/stock?low=true&min_position={}", counted.position())).by(&admin).send().await;
        let low = low.body["stock"].as_array().expect("a list").clone();
        assert_eq!((low.len(), &low[0]["sku"], &low[0]["lost"]), (1, &json!("tea"), &json!(9)));
        let one = world.get("/v1/stock/tea").by(&admin).send().await;
        assert_eq!((&one.body["available"], &one.body["received"]), (&json!(3), &json!(12)));

        for (path, body, problem) in [
            ("/v1/stock/tea/deliveries", json!({"units": 0}), (422, "quantity-out-of-range")),
            ("/v1/stock/tea/deliveries", json!({"units": 10_000_000}), (422, "quantity-out-of-range")),
            ("/v1/stock/tea/deliveries", json!({"units": -1}), (422, "invalid-body")),
            ("/v1/stock/tea/deliveries", json!({"units": 1, "grams": 60}), (422, "invalid-body")),
            ("/v1/stock/tea/deliveries", json!({}), (422, "invalid-body")),
            ("/v1/stock/book/deliveries", json!({"grams": 60}), (422, "sku-not-portioned")),
            ("/v1/stock/none/deliveries", json!({"units": 1}), (404, "sku-not-found")),
            ("/v1/stock/No/deliveries", json!({"units": 1}), (422, "invalid-id")),
            ("/v1/stock/tea/counts", json!({"found": 4_000_000_000_u32}), (422, "quantity-out-of-range")),
        ] {
            let reply = world.post(path).by(&admin).json(&body).send().await;
            assert_eq!(reply.problem(), problem, "{path} {body}");
        }
        assert_eq!(world.get("/v1/stock/none").by(&admin).send().await.problem(), (404, "stock-not-found"));
        let mina = world.someone("mina").await;
        let deliver = world.post("/v1/stock/tea/deliveries").by(&mina).json(&json!({"units": 1})).send().await;
        assert_eq!(deliver.problem(), (403, "not-an-admin"));
        for path in ["/v1/stock", "/v1/stock/tea", "/v1/skus"] {
            assert_eq!(world.get(path).by(&mina).send().await.problem(), (403, "role-missing"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn skus_and_kits_of_plans_that_cannot_be_are_refused() {
    in_a_world(async |world| {
        let admin = shop(world, None).await;
        let put = async |path: &str, body: Value| world.ask(Method::PUT, path).by(&admin).json(&body).send().await;
        let with = |name: &str, value: Value| {
            let mut body = listing("book", 9_000, None);
            body[name] = value;
            body
        };
        for (body, problem) in [
            (with("opens", json!("nowhere")), (422, "clip-unknown")),
            (with("levels", json!([])), (422, "sku-not-possible")),
            (with("values", json!([])), (422, "sku-not-possible")),
            (with("values", json!([{"minor": 1, "currency": "XXQ"}])), (422, "money-not-possible")),
            (with("values", json!([{"minor": 1, "currency": "KRW", "decimals": 2}])), (422, "money-not-possible")),
            (with("values", json!([{"minor": i64::MAX, "currency": "KRW"}])), (422, "money-not-possible")),
            (with("values", json!([{"minor": 9.5, "currency": "KRW"}])), (422, "invalid-body")),
            (with("language", json!("english")), (422, "invalid-body")),
            (with("kind", json!("car")), (422, "invalid-body")),
            (with("parcel_grams", json!(0)), (422, "sku-not-possible")),
        ] {
            assert_eq!(put("/v1/skus/atlas", body.clone()).await.problem(), problem, "{body}");
        }
        let plans = [
            ("/v1/kit-plans/none", kit_plan(None), (404, "no-such-plan")),
            ("/v1/kit-plans/plus", kit_plan(Some(0)), (422, "kit-not-possible")),
            ("/v1/kit-plans/plus", json!({"items": 0, "limits": []}), (422, "kit-not-possible")),
            ("/v1/kit-plans/plus", json!({"items": 300, "limits": []}), (422, "invalid-body")),
        ];
        for (path, body, problem) in plans {
            assert_eq!(put(path, body.clone()).await.problem(), problem, "{path} {body}");
        }
        let listed = world.get(format!("/v1/kit-plans?min_position={}", head(world).await)).by(&admin).send().await;
        assert_eq!(
            (&listed.body["kit_plans"][0]["plan_id"], &listed.body["kit_plans"][0]["items"]),
            (&json!("plus"), &json!(2))
        );
        let retired = world.ask(Method::DELETE, "/v1/skus/book").by(&admin).send().await;
        assert_eq!(retired.status, 200);
        let skus = world.get(format!("/v1/skus?min_position={}", retired.position())).by(&admin).send().await;
        assert_eq!((&skus.body["skus"][0]["sku"], &skus.body["skus"][0]["retired"]), (&json!("book"), &json!(true)));
        assert_eq!(
            world.ask(Method::DELETE, "/v1/skus/none").by(&admin).send().await.problem(),
            (404, "sku-not-found")
        );
        let ended = world.ask(Method::DELETE, "/v1/kit-plans/plus").by(&admin).send().await;
        let none = world.get(format!("/v1/kit-plans?min_position={}", ended.position())).by(&admin).send().await;
        assert_eq!(none.body["kit_plans"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn an_address_is_the_callers_own_and_nowhere_in_clear() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let path = "/v1/kits/address";
        assert_eq!(world.get(path).by(&mina).send().await.problem(), (404, "address-not-found"));
        let address = json!({
            "recipient": "Kim Mina", "street": "12 Donggyo-ro", "city": "Seoul", "postal_code": "04029", "country": "KR",
            "phone": null,
        });
        let set = world.ask(Method::PUT, path).by(&mina).json(&address).send().await;
        assert_eq!(set.status, 200, "{set:?}");
        assert_eq!(world.get(path).by(&mina).send().await.body, address);
        let stored: String = sqlx::query_scalar("SELECT string_agg(payload::text, ' ') FROM events")
            .fetch_one(&world.pool)
            .await
            .expect("a database");
        assert!(stored.contains("DeliveryAddressSet") && !stored.contains("Donggyo") && !stored.contains("04029"));
        for (name, value, problem) in [
            ("street", json!(" "), (422, "text-empty")),
            ("city", json!("x".repeat(121)), (422, "text-too-long")),
            ("recipient", json!("a\u{0}"), (422, "control-character")),
            ("country", json!("Korea"), (422, "invalid-body")),
        ] {
            let mut wrong = address.clone();
            wrong[name] = value;
            let reply = world.ask(Method::PUT, path).by(&mina).json(&wrong).send().await;
            assert_eq!(reply.problem(), problem, "{name}");
        }
        let removed = world.ask(Method::DELETE, path).by(&mina).send().await;
        assert_eq!(removed.status, 200);
        assert_eq!(world.get(path).by(&mina).send().await.problem(), (404, "address-not-found"));
    })
    .await;
}
