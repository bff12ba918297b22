//! Cards: what is due, and how it was remembered.

use baeum_commands::dispatch::ProcessCommand;
use baeum_domain::{
    ids::{LessonId, UserId},
    review::deck::{Command, Front, Origin, card_of},
};
use baeum_eventlog::CommandContext;
use chrono::TimeDelta;
use serde_json::json;

use crate::{
    client::Person,
    world::{World, in_a_world},
};

fn fronts() -> Vec<Front> {
    let task = Front::Task { task_id: "market-w1".parse().expect("a task id") };
    vec![task, Front::Clip { clip_id: "gone".parse().expect("a clip id") }]
}

/// Does what the saga does after a lesson.
async fn add_cards(world: &World, person: &Person) {
    let context = CommandContext {
        tenant: "main".into(),
        actor: "saga:test".into(),
        command_id: baeum_testing::new_id(),
        fingerprint: None,
        correlation_id: baeum_testing::new_id(),
        causation_id: baeum_testing::new_id(),
        expected_sequence: None,
    };
    let origin = Origin::Lesson { lesson_id: LessonId(baeum_testing::new_id()) };
    let due_at = world.commands.log().clock().now();
    let add = Command::Add { learner_id: UserId(person.id), fronts: fronts(), origin, due_at };
    world.commands.dispatch(&context, ProcessCommand::Deck(add)).await.expect("done");
}

#[tokio::test]
async fn a_card_is_due_is_answered_and_comes_back_days_later() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let nothing = world.get("/v1/reviews").by(&mina).send().await;
        assert_eq!(nothing.body, json!({"cards": 0, "due": 0, "scheduler": 0, "queue": []}));
        add_cards(world, &mina).await;
        let at = world.commands.log().head().await.expect("a head");
        let queue = async |at: i64| world.get(format!("/v1/reviews?min_position={at}")).by(&mina).send().await.body;
        let due = queue(at).await;
        assert_eq!((&due["cards"], &due["due"]), (&json!(2), &json!(2)), "{due}");
        let task = card_of(UserId(mina.id), &fronts()[0]).to_string();
        let shown = due["queue"].as_array().expect("cards").iter().find(|it| it["card_id"] == task).expect("the card");
        let front = json!({"kind": "task", "task_id": "market-w1", "prompt": "Write what you would buy.",
                           "sample": "I would buy a pear."});
        assert_eq!(shown["front"], front);
        assert_eq!((&shown["reviews"], &shown["origin"]["kind"]), (&json!(0), &json!("lesson")));
        let gone = due["queue"].as_array().expect("cards").iter().find(|it| it["front"]["kind"] == "clip");
        assert_eq!(gone.expect("the other")["front"], json!({"kind": "clip", "clip_id": "gone", "title": null}));

        let path = format!("/v1/reviews/{task}/answers");
        let answer = async || {
            world.post(&path).by(&mina).header("Idempotency-Key", "one").json(&json!({"rating": "good"})).send().await
        };
        let (first, again) = (answer().await, answer().await);
        assert_eq!((first.status.as_u16(), &first.body["stability"]), (200, &json!(2.0)), "{first:?}");
        assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.body));
        let left = queue(first.position()).await;
        assert_eq!((&left["due"], &left["queue"].as_array().map(Vec::len)), (&json!(1), &Some(1)), "{left}");
        world.clock.advance(TimeDelta::days(3));
        // Tokens are valid for minutes.
        let mina = world.sign_in("main", mina.id, &mina.email).await;
        let later = world.get("/v1/reviews").by(&mina).send().await.body;
        assert_eq!(later["due"], 2, "{later}");
    })
    .await;
}

#[tokio::test]
async fn a_card_that_is_not_ones_own_is_not_there_and_a_rating_is_one_of_four() {
    in_a_world(async |world| {
        let (mina, jun) = (world.someone("mina").await, world.someone("jun").await);
        add_cards(world, &mina).await;
        let path = format!("/v1/reviews/{}/answers", card_of(UserId(mina.id), &fronts()[0]));
        let others = world.post(&path).by(&jun).json(&json!({"rating": "good"})).send().await;
        assert_eq!(others.problem(), (404, "card-not-found"));
        let wrong = world.post(&path).by(&mina).json(&json!({"rating": "perfect"})).send().await;
        assert_eq!(wrong.problem(), (422, "invalid-body"));
        let wrong = world.get("/v1/reviews?limit=0").by(&mina).send().await;
        assert_eq!(wrong.problem(), (422, "invalid-query"));
    })
    .await;
}

#[tokio::test]
async fn an_ability_is_known_after_a_test_and_is_not_for_everybody() {
    in_a_world(async |world| {
        let (mina, jun) = (world.someone("mina").await, world.someone("jun").await);
        let path = format!("/v1/learners/{}/ability", mina.id);
        assert_eq!(world.get(&path).by(&mina).send().await.problem(), (404, "ability-not-found"));
        world.assess(&mina).await;
        let at = world.commands.log().head().await.expect("a head");
        let shown = world.get(format!("{path}?min_position={at}")).by(&mina).send().await;
        assert_eq!(shown.status.as_u16(), 200, "{shown:?}");
        assert!(shown.body["answers"].as_i64() > Some(0) && shown.body["calibration"] == 0, "{shown:?}");
        assert_eq!(world.get(&path).by(&jun).send().await.problem(), (403, "not-yours"));
        let past = world.get(format!("{path}?as_of={at}")).by(&mina).send().await;
        assert_eq!(past.problem(), (422, "invalid-query"));
    })
    .await;
}
