//! What is refused about subscriptions and money, each by a problem of its own.

use baeum_domain::subscription::payment::{Command as PaymentCommand, Payment};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    billing::{krw, offer},
    client::Person,
    world::{World, in_a_world},
};

async fn post(world: &World, person: &Person, path: &str, body: &Value) -> (u16, String) {
    let reply = world.post(path).by(person).json(body).send().await;
    (reply.status.as_u16(), reply.code().to_owned())
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn amounts_currencies_and_quantities_out_of_range_are_refused_by_problems_of_their_own() {
    in_a_world(async |world| {
        let admin = world.a_shop().await;
        let plan = |change: &dyn Fn(&mut Value)| {
            let mut offer = offer(12_900, 7, 2);
            change(&mut offer);
            json!({ "plan_id": "wrong", "offer": offer })
        };
        let price = |amount: Value| plan(&|offer| offer["prices"] = json!([amount]));
        let cases = [
            (price(json!({ "minor": 1, "currency": "XXX" })), "unknown-currency"),
            (price(json!({ "minor": 1, "currency": "krw" })), "unknown-currency"),
            (price(json!({ "minor": 1, "currency": "KRW", "decimals": 2 })), "wrong-decimals"),
            (price(json!({ "minor": 1_000_000_000_000_001_i64, "currency": "KRW" })), "amount-out-of-range"),
            (price(json!({ "minor": 1e30, "currency": "KRW" })), "amount-out-of-range"),
            (price(json!({ "minor": 12.5, "currency": "USD" })), "amount-out-of-range"),
            (price(json!({ "minor": -1, "currency": "KRW" })), "impossible-offer"),
            (plan(&|offer| offer["prices"] = json!([])), "impossible-offer"),
            (plan(&|offer| offer["prices"] = json!([krw(1), krw(2)])), "impossible-offer"),
            (plan(&|offer| offer["trial_days"] = json!(366)), "quantity-out-of-range"),
            (plan(&|offer| offer["trial_days"] = json!(-1)), "quantity-out-of-range"),
            (plan(&|offer| offer["evaluations"] = json!(1_u64 << 40)), "quantity-out-of-range"),
            (plan(&|offer| offer["interval"]["every"] = json!(13)), "quantity-out-of-range"),
            (plan(&|offer| offer["interval"]["unit"] = json!("day")), "invalid-body"),
            (price(json!({ "minor": "1", "currency": "KRW" })), "invalid-body"),
        ];
        for (body, code) in cases {
            assert_eq!(post(world, &admin, "/v1/plans", &body).await, is(422, code), "{body}");
        }
        for (body, code) in [
            (json!({ "units": 0, "currency": "KRW" }), "quantity-out-of-range"),
            (json!({ "units": 1_000_001, "currency": "KRW" }), "quantity-out-of-range"),
            (json!({ "units": 1.5, "currency": "KRW" }), "quantity-out-of-range"),
            (json!({ "units": 1, "currency": "KWR" }), "unknown-currency"),
            (json!({ "units": 1, "currency": "EUR" }), "currency-not-offered"),
        ] {
            assert_eq!(post(world, &admin, "/v1/credits/purchases", &body).await, is(422, code), "{body}");
        }
        let coupon = |discount: Value| json!({ "code": "wrong", "discount": discount });
        for (body, code) in [
            (coupon(json!({ "share": 0 })), "quantity-out-of-range"),
            (coupon(json!({ "share": 10_001 })), "quantity-out-of-range"),
            (coupon(json!({ "amount": krw(0) })), "impossible-coupon"),
            (json!({ "code": "wrong", "discount": { "share": 1 }, "limit": 0 }), "quantity-out-of-range"),
        ] {
            assert_eq!(post(world, &admin, "/v1/coupons", &body).await, is(422, code), "{body}");
        }
        for (query, code) in [("limit=0", "invalid-query"), ("from=2026-03-02&to=2026-03-01", "invalid-query")] {
            let path = if query.starts_with("limit") { "/v1/invoices" } else { "/v1/revenue" };
            assert_eq!(world.get(format!("{path}?{query}")).by(&admin).send().await.problem(), (422, code));
        }
    })
    .await;
}

#[tokio::test]
async fn only_administrators_change_plans_and_coupons_and_only_bookkeepers_read_the_books() {
    in_a_world(async |world| {
        world.a_shop().await;
        let mina = world.someone("mina").await;
        for (path, body) in [
            ("/v1/plans", json!({ "plan_id": "mine", "offer": offer(1, 0, 0) })),
            ("/v1/plans/plus/offers", offer(1, 0, 0)),
            ("/v1/plans/plus/retire", json!({})),
            ("/v1/coupons", json!({ "code": "free", "discount": { "share": 10_000 } })),
            ("/v1/coupons/free/withdraw", json!({})),
        ] {
            assert_eq!(post(world, &mina, path, &body).await, is(403, "not-an-admin"), "{path}");
        }
        assert_eq!(world.get("/v1/coupons/free").by(&mina).send().await.problem(), (403, "not-an-admin"));
        for path in ["/v1/ledger", "/v1/ledger/entries", "/v1/settlements", "/v1/revenue"] {
            assert_eq!(world.get(path).by(&mina).send().await.problem(), (403, "role-missing"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn one_subscription_of_a_person_runs_at_a_time_and_only_the_first_has_a_trial() {
    in_a_world(async |world| {
        world.a_shop().await;
        let mina = world.someone("mina").await;
        let wish = json!({ "plan_id": "plus", "currency": "KRW" });
        let start = |key: &str| world.post("/v1/subscriptions").by(&mina).json(&wish).header("idempotency-key", key);
        let first = start("one").send().await;
        assert_eq!((first.status.as_u16(), &first.body["state"]), (201, &json!("trialing")));
        let again = start("one").send().await;
        assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"));
        assert_eq!(again.body["subscription_id"], first.body["subscription_id"]);
        assert_eq!(start("two").send().await.problem(), (409, "already-subscribed"));

        let path = format!("/v1/subscriptions/{}", first.body["subscription_id"].as_str().expect("an id"));
        assert_eq!(post(world, &mina, &format!("{path}/cancel"), &json!({ "end": "now" })).await.0, 200);
        // The key still has its answer, however it went on.
        assert_eq!(start("one").send().await.body["subscription_id"], first.body["subscription_id"]);
        let second = start("three").send().await;
        assert_eq!((second.status.as_u16(), &second.body["state"]), (201, &json!("active")), "no second trial");
        assert_eq!(
            post(world, &mina, &format!("{path}/reactivate"), &json!({})).await,
            is(409, "subscription-replaced")
        );
        let earlier = world.get(&path).by(&mina).send().await;
        assert_eq!(earlier.body["replaced_by"], second.body["subscription_id"]);
        let listed = world.get("/v1/subscriptions").by(&mina).send().await;
        assert_eq!(listed.body["subscriptions"].as_array().map(Vec::len), Some(2));
        assert_eq!(listed.body["subscriptions"][0]["subscription_id"], second.body["subscription_id"]);
    })
    .await;
}

#[tokio::test]
async fn of_many_starts_at_once_one_wins() {
    in_a_world(async |world| {
        world.a_shop().await;
        let mina = world.someone("mina").await;
        let wish = json!({ "plan_id": "plus", "currency": "KRW" });
        let starts = (0..8).map(|_| world.post("/v1/subscriptions").by(&mina).json(&wish).send());
        let replies = futures::future::join_all(starts).await;
        let count = |status: u16| replies.iter().filter(|it| it.status == status).count();
        assert_eq!((count(201), count(409)), (1, 7), "{replies:?}");
    })
    .await;
}

#[tokio::test]
async fn a_start_is_refused_for_what_is_not_offered() {
    in_a_world(async |world| {
        let admin = world.a_shop().await;
        let mina = world.someone("mina").await;
        let wish = |plan: &str, currency: &str| json!({ "plan_id": plan, "currency": currency });
        let start = async |body: Value| post(world, &mina, "/v1/subscriptions", &body).await;
        assert_eq!(start(wish("none", "KRW")).await, is(404, "plan-not-found"));
        assert_eq!(start(wish("plus", "EUR")).await, is(422, "currency-not-offered"));
        assert_eq!(start(wish("plus", "won")).await, is(422, "unknown-currency"));
        assert_eq!(post(world, &admin, "/v1/plans/premium/retire", &json!({})).await.0, 200);
        assert_eq!(start(wish("premium", "KRW")).await, is(409, "plan-retired"));
        assert_eq!(post(world, &admin, "/v1/plans/premium/offers", &offer(1, 0, 0)).await, is(409, "plan-retired"));
        assert_eq!(world.get("/v1/plans/none").send().await.problem(), (404, "plan-not-found"));
        let other = json!({ "plan_id": "plus", "offer": offer(1, 0, 0) });
        assert_eq!(post(world, &admin, "/v1/plans", &other).await, is(409, "plan-exists"));
        let other = json!({ "plan_id": "plus", "currency": "KRW", "coupon": "none" });
        assert_eq!(start(other).await, is(404, "coupon-not-found"));
    })
    .await;
}

#[tokio::test]
async fn a_coupon_is_refused_that_cannot_be_used_and_then_it_is_not_redeemed() {
    in_a_world(async |world| {
        let admin = world.a_shop().await;
        let (mina, id) = world.subscriber("mina").await;
        let (jun, other) = world.subscriber("jun").await;
        let dollars = json!({ "minor": 100, "currency": "USD", "decimals": 2 });
        for coupon in [
            json!({ "code": "dollars", "discount": { "amount": dollars } }),
            json!({ "code": "once", "discount": { "share": 1_000 }, "limit": 1 }),
            json!({ "code": "late", "discount": { "share": 1_000 }, "until": "2026-03-01T08:00:00Z" }),
            json!({ "code": "gone", "discount": { "share": 1_000 } }),
        ] {
            assert_eq!(post(world, &admin, "/v1/coupons", &coupon).await.0, 201);
        }
        assert_eq!(post(world, &admin, "/v1/coupons/gone/withdraw", &json!({})).await.0, 200);
        let use_it = async |person: &Person, id: &str, code: &str| {
            post(world, person, &format!("/v1/subscriptions/{id}/coupon"), &json!({ "code": code })).await
        };
        assert_eq!(use_it(&mina, &id, "dollars").await, is(422, "coupon-unfit"));
        assert_eq!(use_it(&mina, &id, "late").await, is(409, "coupon-over"));
        assert_eq!(use_it(&mina, &id, "gone").await, is(409, "coupon-over"));
        assert_eq!(use_it(&mina, &id, "none").await, is(404, "coupon-not-found"));
        assert_eq!(use_it(&jun, &id, "once").await, is(403, "not-yours"));
        let redeemed = world.get("/v1/coupons/once").by(&admin).send().await;
        assert_eq!(redeemed.body["redeemed"], 0);
        assert_eq!(use_it(&mina, &id, "once").await.0, 200);
        assert_eq!(use_it(&mina, &id, "once").await.0, 200, "again changes nothing");
        assert_eq!(use_it(&jun, &other, "once").await, is(409, "coupon-used-up"));
        let another = json!({ "code": "another", "discount": { "share": 1 } });
        assert_eq!(post(world, &admin, "/v1/coupons", &another).await.0, 201);
        assert_eq!(use_it(&mina, &id, "another").await, is(409, "coupon-in-use"));
        let same = json!({ "code": "once", "discount": { "share": 1 } });
        assert_eq!(post(world, &admin, "/v1/coupons", &same).await, is(409, "coupon-exists"));
    })
    .await;
}

#[tokio::test]
async fn a_price_that_was_shown_holds_for_a_quarter_of_an_hour_and_for_that_offer() {
    in_a_world(async |world| {
        let mut admin = world.a_shop().await;
        let (mut mina, id) = world.subscriber("mina").await;
        let path = format!("/v1/subscriptions/{id}");
        let preview = format!("{path}/change-preview?plan_id=premium");
        // Nothing can be changed while a bill is open.
        assert_eq!(world.get(&preview).by(&mina).send().await.problem(), (409, "bill-open"));
        let bill = world.open_bill(&id).await;
        world.collect(&mina, &bill).await;
        let show = async |mina: &Person| world.get(&preview).by(mina).send().await.body;
        let confirm = |shown: &Value, net: &Value| {
            json!({ "plan_id": "premium", "offer": shown["plan"]["offer"], "shown_at": shown["shown_at"], "net": net })
        };
        let change = format!("{path}/change");
        let shown = show(&mina).await;
        assert_eq!(post(world, &mina, &change, &confirm(&shown, &krw(1))).await, is(409, "preview-outdated"));
        world.later(TimeDelta::minutes(16), &mut [&mut mina, &mut admin]).await;
        assert_eq!(post(world, &mina, &change, &confirm(&shown, &shown["net"])).await, is(409, "preview-outdated"));
        let shown = show(&mina).await;
        assert_eq!(post(world, &admin, "/v1/plans/premium/offers", &offer(19_900, 0, 4)).await.0, 200);
        assert_eq!(post(world, &mina, &change, &confirm(&shown, &shown["net"])).await, is(409, "preview-outdated"));
        let shown = show(&mina).await;
        assert_eq!(post(world, &mina, &change, &confirm(&shown, &shown["net"])).await.0, 200);
        let unknown = world.get(format!("{path}/change-preview?plan_id=none")).by(&mina).send().await;
        assert_eq!(unknown.problem(), (404, "plan-not-found"));
    })
    .await;
}

#[tokio::test]
async fn nobody_acts_on_anothers_subscription_and_administrators_do() {
    in_a_world(async |world| {
        let admin = world.a_shop().await;
        let (mina, id) = world.subscriber("mina").await;
        let jun = world.someone("jun").await;
        let bill = world.open_bill(&id).await;
        world.invoice(&mina, &bill).await;
        let (path, payment) = (format!("/v1/subscriptions/{id}"), World::payment_of(&bill));
        let net = json!({ "plan_id": "premium", "offer": 1, "shown_at": "2026-03-01T09:00:00Z", "net": krw(1) });
        for (path, body) in [
            (format!("{path}/pause"), json!({})),
            (format!("{path}/resume"), json!({})),
            (format!("{path}/cancel"), json!({ "end": "now" })),
            (format!("{path}/withdraw-cancellation"), json!({})),
            (format!("{path}/reactivate"), json!({})),
            (format!("{path}/change"), net),
            (format!("/v1/payments/{payment}/attempts"), json!({})),
        ] {
            assert_eq!(post(world, &jun, &path, &body).await, is(403, "not-yours"), "{path}");
        }
        for path in [
            path.clone(),
            format!("{path}/change-preview?plan_id=premium"),
            format!("/v1/invoices/{}", bill.invoice_id),
            format!("/v1/payments/{payment}"),
            format!("/v1/subscriptions?subscriber={}", mina.id),
            format!("/v1/invoices?subscriber={}", mina.id),
            format!("/v1/credits?subscriber={}", mina.id),
        ] {
            let head = world.commands.log().head().await.expect("a head");
            for model in ["subscriptions", "invoices", "payments"] {
                baeum_projections::wait_for(&world.pool, model, head, std::time::Duration::from_secs(20))
                    .await
                    .expect("it comes there");
            }
            assert_eq!(world.get(&path).by(&jun).send().await.problem(), (403, "not-yours"), "{path}");
        }
        let seen = world.get(format!("/v1/invoices?subscriber={}", mina.id)).by(&admin).send().await;
        assert_eq!(seen.body["invoices"].as_array().map(Vec::len), Some(1));
        assert_eq!(post(world, &admin, &format!("{path}/cancel"), &json!({ "end": "now" })).await.0, 200);
        let none = baeum_testing::new_id();
        let absent = format!("/v1/subscriptions/{none}/pause");
        assert_eq!(post(world, &mina, &absent, &json!({})).await, is(404, "subscription-not-found"));
        assert_eq!(
            world.get(format!("/v1/payments/{none}")).by(&mina).send().await.problem(),
            (404, "payment-not-found")
        );
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_where_a_subscription_stands_says_what_to_do() {
    in_a_world(async |world| {
        world.a_shop().await;
        let mina = world.someone("mina").await;
        let wish = json!({ "plan_id": "plus", "currency": "KRW" });
        let trial = world.post("/v1/subscriptions").by(&mina).json(&wish).send().await;
        let path = format!("/v1/subscriptions/{}", trial.body["subscription_id"].as_str().expect("an id"));
        let ask = async |what: &str, body: Value| post(world, &mina, &format!("{path}/{what}"), &body).await;
        assert_eq!(ask("pause", json!({})).await, is(409, "wrong-subscription-status"));
        assert_eq!(ask("cancel", json!({ "end": "period_end" })).await.0, 200);
        let preview = world.get(format!("{path}/change-preview?plan_id=premium")).by(&mina).send().await;
        assert_eq!(preview.problem(), (409, "subscription-ending"));
        assert_eq!(ask("cancel", json!({ "end": "now" })).await.0, 200);
        assert_eq!(ask("withdraw-cancellation", json!({})).await, is(409, "wrong-subscription-status"));
        assert_eq!(ask("resume", json!({})).await, is(409, "wrong-subscription-status"));
        assert_eq!(ask("cancel", json!({ "end": "tomorrow" })).await, is(422, "invalid-body"));
        let stale = world.post(format!("{path}/reactivate")).by(&mina).header("if-match", "\"1\"").send().await;
        assert_eq!(stale.problem(), (412, "stale-version"));
    })
    .await;
}

#[tokio::test]
async fn a_payment_is_charged_once_at_a_time_and_never_after_it_succeeded_or_was_closed() {
    in_a_world(async |world| {
        world.a_shop().await;
        let (mina, id) = world.subscriber("mina").await;
        let bill = world.open_bill(&id).await;
        let attempts = format!("/v1/payments/{}/attempts", World::payment_of(&bill));
        assert_eq!(post(world, &mina, &attempts, &json!({})).await, is(404, "payment-not-found"));
        world.invoice(&mina, &bill).await;
        let begun = world.post(&attempts).by(&mina).send().await;
        assert_eq!(
            (begun.status.as_u16(), &begun.body["attempt"], &begun.body["amount"]),
            (200, &json!(1), &krw(12_900))
        );
        assert_eq!(post(world, &mina, &attempts, &json!({})).await, is(409, "charge-in-flight"));
        world.succeed(bill.invoice_id, 1).await;
        assert_eq!(post(world, &mina, &attempts, &json!({})).await, is(409, "payment-succeeded"));
        let shown = world.get(format!("/v1/payments/{}", World::payment_of(&bill))).by(&mina).send().await;
        assert_eq!(shown.body["attempts"][0]["asked_by"], "subscriber");

        let (jun, id) = world.subscriber("jun").await;
        let bill = world.open_bill(&id).await;
        world.invoice(&jun, &bill).await;
        let at = baeum_domain::Clock::now(world.clock.as_ref());
        world.execute::<Payment>(World::payment_of(&bill), PaymentCommand::Close { at }).await;
        let attempts = format!("/v1/payments/{}/attempts", World::payment_of(&bill));
        assert_eq!(post(world, &jun, &attempts, &json!({})).await, is(409, "payment-closed"));
    })
    .await;
}

#[tokio::test]
async fn no_more_is_given_back_than_the_policy_allows() {
    in_a_world(async |world| {
        let mut admin = world.a_shop().await;
        let (mut mina, id) = world.subscriber("mina").await;
        let jun = world.someone("jun").await;
        let bill = world.open_bill(&id).await;
        world.invoice(&mina, &bill).await;
        let refunds = format!("/v1/payments/{}/refunds", World::payment_of(&bill));
        let whole = json!({ "reason": "not_wanted" });
        assert_eq!(post(world, &mina, &refunds, &whole).await, is(409, "payment-not-succeeded"));
        world.post(format!("/v1/payments/{}/attempts", World::payment_of(&bill))).by(&mina).send().await;
        world.succeed(bill.invoice_id, 1).await;
        let part = |minor: i64| json!({ "amount": krw(minor), "reason": "fault" });
        assert_eq!(post(world, &jun, &refunds, &whole).await, is(403, "not-yours"));
        assert_eq!(post(world, &mina, &refunds, &part(12_901)).await, is(409, "refund-beyond-policy"));
        assert_eq!(post(world, &mina, &refunds, &part(0)).await, is(409, "refund-beyond-policy"));
        let dollars = json!({ "amount": { "minor": 1, "currency": "USD" }, "reason": "fault" });
        assert_eq!(post(world, &mina, &refunds, &dollars).await, is(422, "currencies-mixed"));
        assert_eq!(post(world, &mina, &refunds, &json!({ "reason": "surplus" })).await, is(422, "invalid-body"));
        let asked = world.post(&refunds).by(&mina).json(&part(2_900)).header("idempotency-key", "once").send().await;
        assert_eq!((asked.status.as_u16(), &asked.body["amount"]), (201, &krw(2_900)), "{asked:?}");
        let again = world.post(&refunds).by(&mina).json(&part(2_900)).header("idempotency-key", "once").send().await;
        assert_eq!(again.body["refund_id"], asked.body["refund_id"]);
        let shown = world.get(format!("/v1/payments/{}", World::payment_of(&bill))).by(&mina).send().await;
        assert_eq!(shown.body["refunds"].as_array().map(Vec::len), Some(1));
        assert_eq!(shown.body["refunds"][0]["state"], "requested");
        world.later(TimeDelta::days(14), &mut [&mut mina, &mut admin]).await;
        assert_eq!(post(world, &mina, &refunds, &part(1)).await, is(409, "refund-beyond-policy"));
        assert_eq!(post(world, &admin, &refunds, &part(1)).await, is(409, "refund-beyond-policy"));
    })
    .await;
}

#[tokio::test]
async fn credits_that_are_used_are_not_given_back() {
    in_a_world(async |world| {
        world.a_shop().await;
        let mina = world.someone("mina").await;
        let order = json!({ "units": 2, "currency": "KRW" });
        let bought = world.post("/v1/credits/purchases").by(&mina).json(&order).send().await;
        let bill = world.bill_of_purchase(&mina, bought.body["purchase_id"].as_str().expect("an id")).await;
        world.collect(&mina, &bill).await;
        let spend = baeum_domain::subscription::credits::Command::Spend {
            subscriber: baeum_domain::ids::UserId(mina.id),
            attempt_id: baeum_domain::ids::AttemptId(baeum_testing::new_id()),
            at: baeum_domain::Clock::now(world.clock.as_ref()),
        };
        let id = baeum_domain::subscription::credits::id_of(baeum_domain::ids::UserId(mina.id));
        world.execute::<baeum_domain::subscription::credits::CreditBalance>(id, spend).await;
        let refunds = format!("/v1/payments/{}/refunds", World::payment_of(&bill));
        assert_eq!(post(world, &mina, &refunds, &json!({ "reason": "mistake" })).await, is(409, "credits-used"));
    })
    .await;
}
