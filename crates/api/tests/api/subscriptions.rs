//! Subscribing, from the trial to coming back, as far as it goes without a gateway.

use baeum_commands::{CommandContext, dispatch::ProcessCommand};
use baeum_domain::{AnyEvent, identity::user::Role, ids::UserId, learning::lesson::Event};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{billing::krw, world::World, world::in_a_world};

#[tokio::test]
async fn a_subscription_from_its_trial_to_coming_back_leaves_books_that_come_to_zero() {
    in_a_world(async |world| {
        let mut admin = world.a_shop().await;
        let coupon = json!({ "code": "spring", "discount": { "share": 2500 }, "periods": 1 });
        assert_eq!(world.post("/v1/coupons").by(&admin).json(&coupon).send().await.status, 201);
        let plans = world.get("/v1/plans").send().await;
        let names: Vec<_> = plans.body["plans"].as_array().expect("plans").iter().map(|it| &it["plan_id"]).collect();
        assert_eq!(names, ["plus", "premium"]);

        let mut mina = world.someone("mina").await;
        let wish = json!({ "plan_id": "plus", "currency": "KRW", "coupon": "spring" });
        let started = world.post("/v1/subscriptions").by(&mina).json(&wish).send().await;
        assert_eq!((started.status.as_u16(), &started.body["state"]), (201, &json!("trialing")), "{started:?}");
        let id = started.body["subscription_id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/subscriptions/{id}");
        assert_eq!(started.header("location"), path);
        let shown = world.get(&path).by(&mina).send().await;
        assert_eq!((shown.header("etag"), &shown.body["period"]["number"]), ("\"1\"", &json!(0)));
        assert_eq!(shown.body["open_bill"], Value::Null);
        let redeemed = world.get("/v1/coupons/spring").by(&admin).send().await;
        assert_eq!(redeemed.body["redeemed"], 1);

        // The trial is over: three quarters of 12,900 are to be paid.
        world.later(TimeDelta::days(7), &mut [&mut mina, &mut admin]).await;
        world.end_period(&id, 0).await;
        let bill = world.open_bill(&id).await;
        let due = world.get(&path).by(&mina).send().await;
        assert_eq!((&due.body["state"], &due.body["open_bill"]["total"]), (&json!("active"), &krw(9_675)));
        world.collect(&mina, &bill).await;
        let head = world.commands.log().head().await.expect("a head");
        let paid = world.get(format!("{path}?min_position={head}")).by(&mina).send().await;
        assert_eq!((&paid.body["open_bill"], &paid.body["coupon"]), (&Value::Null, &Value::Null));
        let invoice = world.get(format!("/v1/invoices/{}?min_position={head}", bill.invoice_id)).by(&mina).send().await;
        let items: Vec<_> = invoice.body["bill"]["lines"].as_array().expect("lines").iter().collect();
        assert_eq!((invoice.body["state"].as_str(), items.len()), (Some("paid"), 2));
        assert_eq!((&items[1]["item"], &items[1]["amount"]), (&json!("discount"), &krw(-3_225)));

        // To a larger plan, at the price that was shown.
        world.later(TimeDelta::days(10), &mut [&mut mina, &mut admin]).await;
        let preview = world.get(format!("{path}/change-preview?plan_id=premium")).by(&mina).send().await;
        assert_eq!(preview.status, 200, "{preview:?}");
        let (credit, charge) = (&preview.body["proration"]["credit"], &preview.body["proration"]["charge"]);
        // 21 of 31 days are left: 9,675 and 14,925 (a quarter off) times 21/31.
        assert_eq!((credit, charge, &preview.body["net"]), (&krw(6_554), &krw(10_110), &krw(3_556)));
        let confirm = json!({
            "plan_id": "premium", "offer": preview.body["plan"]["offer"], "shown_at": preview.body["shown_at"],
            "net": preview.body["net"],
        });
        let changed = world.post(format!("{path}/change")).by(&mina).json(&confirm).send().await;
        assert_eq!(
            (changed.status.as_u16(), &changed.body["plan"]["plan_id"]),
            (200, &json!("premium")),
            "{changed:?}"
        );
        let bill = world.open_bill(&id).await;
        world.collect(&mina, &bill).await;

        // A pause of three days puts the end off by three days.
        let ends = |reply: &crate::client::Reply| reply.body["period"]["ends_at"].as_str().map(ToOwned::to_owned);
        let post = async |person: &crate::client::Person, what: &str, body: Value| {
            let reply = world.post(format!("{path}/{what}")).by(person).json(&body).send().await;
            assert_eq!(reply.status, 200, "{what}: {reply:?}");
            reply
        };
        let paused = post(&mina, "pause", json!({})).await;
        assert_eq!((&paused.body["state"], &paused.body["service_until"]), (&json!("paused"), &Value::Null));
        world.later(TimeDelta::days(3), &mut [&mut mina, &mut admin]).await;
        let resumed = post(&mina, "resume", json!({})).await;
        assert_eq!(ends(&paused).as_deref(), Some("2026-04-08T09:00:00Z"));
        assert_eq!(ends(&resumed).as_deref(), Some("2026-04-11T09:00:00Z"));

        let ending = post(&mina, "cancel", json!({ "end": "period_end" })).await;
        assert_eq!((&ending.body["renews"], &ending.body["state"]), (&json!(false), &json!("active")));
        let withdrawn = post(&mina, "withdraw-cancellation", json!({})).await;
        assert_eq!(withdrawn.body["renews"], true);
        let cancelled = post(&mina, "cancel", json!({ "end": "now" })).await;
        assert_eq!((&cancelled.body["state"], &cancelled.body["service_until"]), (&json!("cancelled"), &Value::Null));
        let back = post(&mina, "reactivate", json!({})).await;
        assert_eq!((&back.body["state"], &back.body["open_bill"]["total"]), (&json!("active"), &krw(19_900)));
        let bill = world.open_bill(&id).await;
        world.collect(&mina, &bill).await;

        let head = world.commands.log().head().await.expect("a head");
        check_lists(world, &mina, head).await;
        check_books(world, &admin, head).await;

        // As it was before it was paid.
        let then = world.get(format!("{path}?as_of={}", started.position())).by(&mina).send().await;
        assert_eq!(
            (&then.body["state"], then.header("baeum-as-of")),
            (&json!("trialing"), &*started.position().to_string())
        );
    })
    .await;
}

/// Three invoices were issued, and each was paid.
async fn check_lists(world: &World, mina: &crate::client::Person, head: i64) {
    let invoices = world.get(format!("/v1/invoices?min_position={head}&limit=2")).by(mina).send().await;
    let next = invoices.body["next_before"].as_i64().expect("there is more");
    let rest = world.get(format!("/v1/invoices?before={next}")).by(mina).send().await;
    let of = |reply: &crate::client::Reply| reply.body["invoices"].as_array().map_or(0, Vec::len);
    assert_eq!((of(&invoices), of(&rest), &rest.body["next_before"]), (2, 1, &Value::Null));
    let payments = world.get(format!("/v1/payments?min_position={head}")).by(mina).send().await;
    let states: Vec<_> =
        payments.body["payments"].as_array().expect("payments").iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["succeeded"; 3]);
}

/// The books come to zero at every position, and settlement and revenue say what follows from them.
async fn check_books(world: &World, admin: &crate::client::Person, head: i64) {
    for position in 1..=head {
        let ledger = world.get(format!("/v1/ledger?position={position}")).by(admin).send().await;
        assert_eq!((ledger.status.as_u16(), &ledger.body["balanced"]), (200, &json!(true)), "{ledger:?}");
        let totals = ledger.body["totals"].as_array().expect("totals");
        assert!(totals.iter().all(|total| total["balance"] == 0), "{ledger:?}");
    }
    let ledger = world.get(format!("/v1/ledger?position={head}")).by(admin).send().await;
    let now = world.get("/v1/ledger").by(admin).send().await;
    assert_eq!((&now.body["accounts"], &now.body["balanced"]), (&ledger.body["accounts"], &json!(true)));
    let accounts = ledger.body["accounts"].as_array().expect("accounts");
    let balance = |name: &str| {
        let found = accounts.iter().find(|it| it["account"] == name);
        found.and_then(|it| it["balance"].as_i64()).unwrap_or_default()
    };
    // 9,675 for the period, 3,556 for the change, 19,900 for coming back.
    assert_eq!((balance("gateway"), balance("receivable"), balance("discounts")), (33_131, 0, 3_225));
    assert_eq!(balance("revenue"), -36_356);
    let entries = world.get("/v1/ledger/entries?limit=2").by(admin).send().await;
    let first = &entries.body["entries"][1];
    let more = format!("/v1/ledger/entries?after={}&after_number={}", first["position"], first["number"]);
    let rest = world.get(more).by(admin).send().await;
    assert_eq!(rest.body["entries"][0]["number"], 3, "an event's entries may go on on the next page: {rest:?}");
    let settled = world.get(format!("/v1/settlements?min_position={head}")).by(admin).send().await;
    let march = &settled.body["settlements"][0];
    assert_eq!((&march["month"], &march["base"]), (&json!("2026-03-01"), &krw(33_131)));
    assert_eq!((&march["partners"][0]["amount"], &march["platform"]), (&krw(23_192), &krw(9_939)));
    let revenue =
        world.get(format!("/v1/revenue?from=2026-03-01&to=2026-03-31&min_position={head}")).by(admin).send().await;
    let won = &revenue.body["currencies"][0];
    assert_eq!(
        (&won["mrr_before"], &won["mrr_after"], &won["trial_conversion"]),
        (&json!(0), &json!(19_900), &json!(1.0))
    );
    let sum = &won["sum"];
    assert_eq!((&sum["new"], &sum["reactivated"], &sum["churned"]), (&json!(9_675), &json!(19_900), &json!(14_925)));
}

#[tokio::test]
async fn credits_are_bought_paid_used_and_given_back() {
    in_a_world(async |world| {
        world.a_shop().await;
        let mina = world.someone("mina").await;
        let order = json!({ "units": 30, "currency": "KRW" });
        let bought = world.post("/v1/credits/purchases").by(&mina).json(&order).send().await;
        assert_eq!((bought.status.as_u16(), &bought.body["total"]), (201, &krw(3_000)), "{bought:?}");
        let billed = world.get("/v1/credits").by(&mina).send().await;
        assert_eq!((&billed.body["balance"], &billed.body["purchases"][0]["state"]), (&json!(0), &json!("billed")));
        assert_eq!(billed.body["prices"][0], krw(100));
        let purchase = bought.body["purchase_id"].as_str().expect("an id");
        let bill = world.bill_of_purchase(&mina, purchase).await;
        world.collect(&mina, &bill).await;
        let head = world.commands.log().head().await.expect("a head");
        let added = world.get(format!("/v1/credits?min_position={head}")).by(&mina).send().await;
        assert_eq!((&added.body["balance"], &added.body["purchases"][0]["state"]), (&json!(30), &json!("added")));

        let refunds = format!("/v1/payments/{}/refunds", World::payment_of(&bill));
        let part = json!({ "amount": krw(100), "reason": "mistake" });
        assert_eq!(world.post(&refunds).by(&mina).json(&part).send().await.problem(), (422, "part-of-credits"));
        let whole = json!({ "reason": "mistake" });
        let asked = world.post(&refunds).by(&mina).json(&whole).send().await;
        assert_eq!((asked.status.as_u16(), &asked.body["amount"]), (201, &krw(3_000)), "{asked:?}");
        let back = world.get("/v1/credits").by(&mina).send().await;
        assert_eq!((&back.body["balance"], &back.body["purchases"][0]["state"]), (&json!(0), &json!("taken_back")));
        let then = world.get(format!("/v1/credits?as_of={head}")).by(&mina).send().await;
        assert_eq!(then.body["balance"], 30);
    })
    .await;
}

#[tokio::test]
async fn a_subscriber_with_no_evaluation_left_is_told_before_it_is_made() {
    in_a_world(async |world| {
        world.a_shop().await;
        let (mina, id) = world.subscriber("mina").await;
        let bill = world.open_bill(&id).await;
        world.collect(&mina, &bill).await;
        world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        world.watch(&mina, &lesson).await;
        let attempts = format!("/v1/lessons/{lesson}/attempts");
        let answer = json!({ "task_id": "market-w1", "kind": "writing", "answer": "I would buy pears." });
        let attempt = async || world.post(&attempts).by(&mina).json(&answer).send().await;
        // Nothing is counted before the allowance is there.
        assert_eq!(attempt().await.status, 201);
        world.clock.advance(TimeDelta::seconds(1));
        world.grant_evaluations(&mina, 2).await;
        assert_eq!((attempt().await.status.as_u16(), attempt().await.status.as_u16()), (201, 201));
        let credits = world.get("/v1/credits").by(&mina).send().await;
        assert_eq!(credits.body["allowance"]["used"], 2, "{credits:?}");
        // The process that counts evaluations comes later, and finds it done.
        charge_what_was_evaluated(world).await;
        let credits = world.get("/v1/credits").by(&mina).send().await;
        assert_eq!(credits.body["allowance"]["used"], 2, "{credits:?}");
        let refused = attempt().await;
        assert_eq!(refused.problem(), (402, "evaluations-exhausted"));
        assert!(refused.body["detail"].as_str().is_some_and(|it| it.contains("buy credits")), "{refused:?}");
        let order = json!({ "units": 1, "currency": "KRW" });
        let bought = world.post("/v1/credits/purchases").by(&mina).json(&order).send().await;
        let purchase = bought.body["purchase_id"].as_str().expect("an id");
        let bill = world.bill_of_purchase(&mina, purchase).await;
        world.collect(&mina, &bill).await;
        assert_eq!((attempt().await.status.as_u16(), attempt().await.status.as_u16()), (201, 402));
        // Who has no subscription any more is served as everybody else is.
        let end = json!({ "end": "now" });
        let path = format!("/v1/subscriptions/{id}/cancel");
        assert_eq!(world.post(path).by(&mina).json(&end).send().await.status, 200);
        assert_eq!(attempt().await.status, 201);
    })
    .await;
}

/// Sends what the process sends for every evaluation of the log.
pub(crate) async fn charge_what_was_evaluated(world: &World) {
    let events = world.commands.log().read(0, 1_000).await.expect("a log");
    for event in events.into_iter().filter(|event| event.event_type == "EvaluationCompleted") {
        let event = baeum_eventlog::decode(event).expect("readable");
        let AnyEvent::Lesson(Event::EvaluationCompleted { learner_id, attempt_id, .. }) = event.payload else {
            continue;
        };
        let (subscriber, at, id) = (learner_id, event.recorded_at, baeum_testing::new_id());
        let context = CommandContext {
            tenant: "main".into(),
            actor: "saga:evaluation_charging".into(),
            command_id: id,
            fingerprint: Some("charge".into()),
            correlation_id: id,
            causation_id: id,
            expected_sequence: None,
        };
        let charge = ProcessCommand::ChargeEvaluation { subscriber, attempt_id, at };
        world.commands.dispatch(&context, charge).await.expect("done");
    }
}

#[tokio::test]
async fn a_person_who_is_forgotten_pays_no_more_and_the_books_stay() {
    in_a_world(async |world| {
        let admin = world.a_shop().await;
        let (mina, id) = world.subscriber("mina").await;
        let bill = world.open_bill(&id).await;
        world.invoice(&mina, &bill).await;
        let data = world.get(format!("/v1/learners/{}/personal-data", mina.id)).by(&mina).send().await;
        for table in ["subscriptions", "invoices", "payments"] {
            assert_eq!(data.body["read_models"][table].as_array().map(Vec::len), Some(1), "{table}");
        }
        let types: Vec<_> = data.body["events"].as_array().expect("events").iter().map(|it| &it["type"]).collect();
        assert!(
            types.contains(&&json!("SubscriptionStarted")) && types.contains(&&json!("InvoiceIssued")),
            "{types:?}"
        );

        let path = format!("/v1/learners/{}/erasure", mina.id);
        let wish = json!({ "ground": "objection" });
        assert_eq!(world.post(&path).by(&admin).json(&wish).send().await.status, 200);
        let due = world.commands.erasures_since(0).await.expect("readable");
        let due = due.into_iter().rfind(|it| it.subject == UserId(mina.id)).expect("it was asked for");
        world.commands.erase_subject(&due).await.expect("erased");
        let head = world.commands.log().head().await.expect("a head");
        let gone = world.get(format!("/v1/subscriptions/{id}?min_position={head}")).by(&admin).send().await;
        assert_eq!(gone.problem(), (404, "subscription-not-found"));
        let invoice =
            world.get(format!("/v1/invoices/{}?min_position={head}", bill.invoice_id)).by(&admin).send().await;
        assert_eq!(invoice.problem(), (404, "invoice-not-found"));
        // What she owed was given up, in the log and in the books.
        let auditor = world.someone_with("auditor", Role::Auditor).await;
        let events = world.get("/v1/events?limit=100").by(&auditor).send().await;
        let types: Vec<_> = events.body["events"].as_array().expect("events").iter().map(|it| &it["type"]).collect();
        let order =
            ["SubscriptionCancelled", "PaymentClosed", "InvoiceVoided", "SubscriptionBillVoided", "SubjectErased"];
        let found: Vec<_> = types.iter().filter_map(|it| it.as_str()).filter(|it| order.contains(it)).collect();
        assert_eq!(found, order);
        let ledger = world.get(format!("/v1/ledger?position={head}")).by(&auditor).send().await;
        assert_eq!(ledger.body["balanced"], true);
        let owed =
            ledger.body["accounts"].as_array().expect("accounts").iter().find(|it| it["account"] == "receivable");
        assert_eq!(owed.expect("it was moved")["balance"], 0, "{ledger:?}");
    })
    .await;
}
