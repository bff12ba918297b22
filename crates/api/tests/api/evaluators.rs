//! Which model evaluates: promotions, rollbacks, experiments, shadows; and disputes of what they say.

use baeum_commands::{CommandContext, dispatch::ProcessCommand, learning::shadow_evaluate::ShadowQuestion};
use baeum_domain::{
    identity::user::Role,
    ids::UserId,
    learning::{
        evaluation::ModelRef,
        evaluator_deployment::{Arm, Experiment, ExperimentOutcome},
        shadow_evaluation::Shown,
    },
};
use serde_json::{Value, json};

use crate::{
    client::{Person, Reply},
    world::{World, in_a_world},
};

const SHIPPED: (&str, &str) = ("test", "00");
const STRICT: (&str, &str) = ("test-strict", "01");

fn model((model_id, weights_hash): (&str, &str)) -> Value {
    json!({ "model_id": model_id, "weights_hash": weights_hash })
}

async fn deploy(world: &World, admin: &Person, what: &str, body: &Value) -> Reply {
    world.post(format!("/v1/evaluators/{what}")).by(admin).json(body).send().await
}

/// A learner with a lesson whose clip was watched.
async fn ready(world: &World) -> (Person, String) {
    let person = world.someone_with_any_name().await;
    world.assess(&person).await;
    let lesson = world.start_lesson(&person).await;
    world.watch(&person, &lesson).await;
    (person, lesson)
}

async fn attempt(world: &World, person: &Person, lesson: &str) -> Reply {
    let body = json!({ "task_id": "market-w1", "kind": "writing", "answer": "I has a plan for it." });
    let reply = world.post(format!("/v1/lessons/{lesson}/attempts")).by(person).json(&body).send().await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply
}

async fn events(world: &World, event_type: &str) -> Vec<Value> {
    sqlx::query_scalar("SELECT payload FROM events WHERE event_type = $1 ORDER BY global_position")
        .bind(event_type)
        .fetch_all(&world.pool)
        .await
        .expect("the log")
}

#[tokio::test]
async fn a_promoted_model_evaluates_until_it_is_rolled_back() {
    in_a_world(async |world| {
        let admin = world.someone_with("admin", Role::Admin).await;
        let (mina, lesson) = ready(world).await;
        assert_eq!(attempt(world, &mina, &lesson).await.body["verdict"]["model_id"], "test");
        let promotion = json!({ "model": model(STRICT) });
        let reply = deploy(world, &admin, "promotions", &promotion).await;
        assert_eq!((reply.status.as_u16(), &reply.body["promoted"]), (200, &model(STRICT)), "{reply:?}");
        assert_eq!(attempt(world, &mina, &lesson).await.body["verdict"]["model_id"], "test-strict");
        let back = json!({ "model": model(STRICT), "reason": "too many false marks" });
        let reply = deploy(world, &admin, "rollbacks", &back).await;
        assert_eq!((reply.status.as_u16(), &reply.body["promoted"]), (200, &Value::Null), "{reply:?}");
        assert_eq!(attempt(world, &mina, &lesson).await.body["verdict"]["model_id"], "test");
        let shipped_back = json!({ "model": model(SHIPPED), "reason": "why not" });
        let reply = deploy(world, &admin, "rollbacks", &shipped_back).await;
        assert_eq!(reply.problem(), (409, "model-not-promoted"));
    })
    .await;
}

#[tokio::test]
async fn models_are_listed_and_deployed_by_administrators_and_only_installed_ones() {
    in_a_world(async |world| {
        let admin = world.someone_with("admin", Role::Admin).await;
        let mina = world.someone_with_any_name().await;
        let listed = world.get("/v1/evaluators").by(&admin).send().await;
        assert_eq!(listed.status, 200, "{listed:?}");
        assert_eq!(
            (&listed.body["built_in"], &listed.body["installed"][1]["model"]),
            (&model(SHIPPED), &model(STRICT))
        );
        assert_eq!(listed.body["installed"][0]["data"][0]["licence"], "CC0-1.0");
        assert_eq!(world.get("/v1/evaluators").by(&mina).send().await.problem(), (403, "not-an-admin"));
        let promotion = json!({ "model": model(STRICT) });
        assert_eq!(deploy(world, &mina, "promotions", &promotion).await.problem(), (403, "not-an-admin"));
        for (what, body) in [
            ("promotions", json!({ "model": model(("test", "ff")) })),
            ("shadow", json!({ "model": model(("unknown", "00")) })),
        ] {
            assert_eq!(deploy(world, &admin, what, &body).await.problem(), (409, "evaluator-not-installed"));
        }
        let half = |name: &str, of, share: u32| json!({ "name": name, "model": model(of), "share": share });
        let uneven = json!({ "outcome": "disputes", "arms": [half("a", SHIPPED, 500), half("b", STRICT, 400)] });
        assert_eq!(deploy(world, &admin, "experiments", &uneven).await.problem(), (422, "impossible-experiment"));
        let nothing = baeum_testing::new_id();
        let reply = world.post(format!("/v1/evaluators/experiments/{nothing}/stop")).by(&admin).send().await;
        assert_eq!(reply.problem(), (404, "experiment-not-found"));
        let reply = world.get(format!("/v1/evaluators/experiments/{nothing}")).by(&admin).send().await;
        assert_eq!(reply.problem(), (404, "experiment-not-found"));
        let reply = world.get(format!("/v1/evaluators/experiments/{nothing}")).by(&mina).send().await;
        assert_eq!(reply.problem(), (403, "role-missing"));
    })
    .await;
}

#[tokio::test]
async fn learners_of_an_experiment_are_evaluated_by_their_arm_and_may_dispute_it() {
    in_a_world(async |world| {
        let admin = world.someone_with("admin", Role::Admin).await;
        let arm = |name: &str, of| json!({ "name": name, "model": model(of), "share": 500 });
        let start = json!({ "outcome": "disputes", "arms": [arm("control", SHIPPED), arm("strict", STRICT)] });
        let started = deploy(world, &admin, "experiments", &start).await;
        assert_eq!(started.status, 200, "{started:?}");
        let id = started.body["experiment"]["experiment_id"].as_str().expect("an id").to_owned();
        assert_eq!(deploy(world, &admin, "experiments", &start).await.problem(), (409, "experiment-running"));
        let domain_arm = |name: &str, (model_id, weights_hash): (&str, &str)| Arm {
            name: name.into(),
            model: ModelRef { model_id: model_id.into(), weights_hash: weights_hash.into() },
            share: 500,
        };
        let experiment = Experiment {
            experiment_id: id.parse().expect("an id"),
            arms: vec![domain_arm("control", SHIPPED), domain_arm("strict", STRICT)],
            outcome: ExperimentOutcome::Disputes,
        };
        let mut counts = std::collections::BTreeMap::<String, i64>::new();
        let mut last = 0;
        for _ in 0..6 {
            let (person, lesson) = ready(world).await;
            let arm = experiment.arm_of(UserId(person.id));
            let made = attempt(world, &person, &lesson).await;
            assert_eq!(made.body["verdict"]["model_id"], arm.model.model_id.as_str());
            *counts.entry(arm.name.clone()).or_default() += 1;
            let attempt_id = made.body["attempt_id"].as_str().expect("an id").to_owned();
            let path = format!("/v1/lessons/{lesson}/attempts/{attempt_id}/disputes");
            let say = |body: Value| world.post(path.clone()).by(&person).json(&body);
            let mark = json!({ "span": 0, "kind": "false_mark" });
            let disputed = say(mark.clone()).send().await;
            assert_eq!((disputed.status.as_u16(), &disputed.body["kind"]), (201, &json!("false_mark")), "{disputed:?}");
            assert_eq!(say(mark).send().await.status, 201, "saying it again changes nothing");
            for (body, problem) in [
                (json!({ "span": 9, "kind": "false_mark" }), (422, "unknown-span")),
                (json!({ "span": 0, "kind": "score" }), (422, "span-unfit")),
            ] {
                assert_eq!(say(body).send().await.problem(), problem);
            }
            let other = world.post(path.clone()).by(&admin).json(&json!({ "kind": "score" })).send().await;
            assert_eq!(other.problem(), (403, "not-yours"));
            last = disputed.position();
        }
        assert_eq!(events(world, "EvaluationDisputed").await.len(), 6);
        let path = format!("/v1/evaluators/experiments/{id}?min_position={last}");
        let report = world.get(path).by(&admin).send().await;
        assert_eq!((report.status.as_u16(), &report.body["better"]), (200, &json!("undecided")), "{report:?}");
        for arm in report.body["arms"].as_array().expect("arms") {
            let expected = counts.get(arm["arm"]["name"].as_str().expect("a name")).copied().unwrap_or_default();
            let found = [&arm["learners"], &arm["evaluated"], &arm["disputed"], &arm["lessons"]];
            assert_eq!(found, [&json!(expected); 4], "{arm}");
        }
        let stopped = world.post(format!("/v1/evaluators/experiments/{id}/stop")).by(&admin).send().await;
        assert_eq!((stopped.status.as_u16(), &stopped.body["experiment"]), (200, &Value::Null));
        let (person, lesson) = ready(world).await;
        attempt(world, &person, &lesson).await;
        let evaluated = events(world, "EvaluationCompleted").await;
        let assigned = evaluated.iter().filter(|it| !it["EvaluationCompleted"]["assignment"].is_null()).count();
        assert_eq!((evaluated.len(), assigned), (7, 6));
    })
    .await;
}

#[tokio::test]
async fn what_a_shadow_says_is_recorded_and_shown_to_no_learner() {
    in_a_world(async |world| {
        let admin = world.someone_with("admin", Role::Admin).await;
        let (mina, lesson) = ready(world).await;
        let made = attempt(world, &mina, &lesson).await;
        let strict = ModelRef { model_id: STRICT.0.into(), weights_hash: STRICT.1.into() };
        let shown = ModelRef { model_id: SHIPPED.0.into(), weights_hash: SHIPPED.1.into() };
        let question = ShadowQuestion {
            learner_id: UserId(mina.id),
            lesson_id: lesson.parse().expect("an id"),
            attempt_id: made.body["attempt_id"].as_str().and_then(|it| it.parse().ok()).expect("an id"),
            model: strict,
            shown: Shown { model: shown, score: 0.75, passed: true },
        };
        let ask = async || {
            let id = baeum_testing::new_id();
            let context = CommandContext {
                tenant: "main".into(),
                actor: "saga:shadow_evaluation".into(),
                command_id: id,
                fingerprint: None,
                correlation_id: id,
                causation_id: id,
                expected_sequence: None,
            };
            let command = ProcessCommand::ShadowEvaluate(question.clone());
            world.commands.dispatch(&context, command).await.expect("it is asked or left out");
            events(world, "ShadowEvaluated").await
        };
        assert_eq!(ask().await.len(), 0, "there is no shadow yet");
        let reply = deploy(world, &admin, "shadow", &json!({ "model": model(STRICT) })).await;
        assert_eq!((reply.status.as_u16(), &reply.body["shadow"]), (200, &model(STRICT)), "{reply:?}");
        let said = ask().await;
        assert_eq!(said[0]["ShadowEvaluated"]["verdict"]["model_id"], "test-strict");
        assert_eq!(ask().await.len(), 1, "it is recorded once");
        let read = world.get(format!("/v1/lessons/{lesson}?min_position={}", made.position())).by(&mina).send().await;
        assert!(read.text.contains("test") && !read.text.contains("test-strict"), "{}", read.text);
        let reply = deploy(world, &admin, "shadow", &json!({})).await;
        assert_eq!((reply.status.as_u16(), &reply.body["shadow"]), (200, &Value::Null), "{reply:?}");
    })
    .await;
}
