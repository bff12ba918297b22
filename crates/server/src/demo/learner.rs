//! One learner of the demo, from registration to what to watch next.

use std::time::Duration;

use baeum_domain::{assessment::item::Item, catalog::Catalog, ids::TaskId};
use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    client::{Client, ClientError},
    habit::Habit,
};

/// What came of a learner.
pub(crate) struct Story {
    pub(crate) habit: &'static str,
    pub(crate) level: String,
    pub(crate) theta: f64,
    pub(crate) items: u64,
    pub(crate) lessons: u32,
    pub(crate) attempts: u32,
    pub(crate) mean_score: Option<f64>,
    pub(crate) streak: u64,
    pub(crate) emotion: String,
    pub(crate) watch_next: String,
}

/// Plays a learner.
pub(crate) async fn play(
    client: Client,
    catalog: &Catalog,
    habit: &Habit,
    name: &str,
    seed: u64,
) -> Result<Story, ClientError> {
    let mut rng = Rng::with_seed(seed);
    let (client, learner) = sign_up(client, habit, name).await?;
    let mut story = assess(&client, catalog, habit, &mut rng, name).await?;
    story.habit = habit.name;
    let mut last_completed = None;
    for number in 0..habit.lessons {
        let gives_up = habit.gives_up && number + 1 == habit.lessons;
        let key = format!("{name}-lesson-{number}");
        let lesson = learn(&client, catalog, habit, &mut rng, &key, gives_up).await?;
        story.attempts += lesson.attempts;
        if lesson.completed {
            story.lessons += 1;
            last_completed = Some(lesson.id);
        }
    }
    let found = look(&client, &learner, last_completed.as_deref(), &mut story).await?;
    react(&client, habit, name, &found).await?;
    Ok(story)
}

async fn sign_up(client: Client, habit: &Habit, name: &str) -> Result<(Client, String), ClientError> {
    let (email, password) = (format!("{name}@demo.example.org"), format!("demo password {name}"));
    let account = json!({
        "email": email,
        "password": password,
        "display_name": format!("Demo {}", habit.name),
        "native_language": "ko",
        "country": habit.country,
        "time_zone": "Asia/Seoul",
        "interests": habit.interests,
    });
    client.post("/v1/users", &format!("{name}-register"), account).await?;
    let sign_in = json!({ "email": email, "password": password });
    let token = client.post("/v1/auth/token", &format!("{name}-token"), sign_in).await?;
    let learner = text(&token, "user_id")?;
    let client = client.with_token(&text(&token, "access_token")?);
    let mut change = json!({ "daily_goal_minutes": habit.daily_minutes });
    if habit.consents {
        change["emotion_care_consent"] = json!({ "policy_version": "2026-01" });
    }
    client.patch(&format!("/v1/learners/{learner}"), &format!("{name}-profile"), change).await?;
    Ok((client, learner))
}

async fn assess(
    client: &Client,
    catalog: &Catalog,
    habit: &Habit,
    rng: &mut Rng,
    name: &str,
) -> Result<Story, ClientError> {
    let mut sitting = client.post("/v1/assessments", &format!("{name}-test"), json!({})).await?;
    let id = text(&sitting, "assessment_id")?;
    while let Some(item) = sitting["next_item"]["id"].as_str() {
        let choices = sitting["next_item"]["choices"].as_array().map_or(1, Vec::len);
        let known = item.parse().ok().and_then(|id| catalog.items.get(&id));
        let answer = json!({
            "item_id": item,
            "choice": choose(known, habit.theta, choices, rng),
            "response_ms": vary(habit.response_ms, rng),
        });
        let key = format!("{name}-{item}");
        sitting = client.post(&format!("/v1/assessments/{id}/responses"), &key, answer).await?;
    }
    Ok(Story {
        habit: "",
        level: text(&sitting["report"], "band")?,
        theta: sitting["report"]["ability"]["theta"].as_f64().unwrap_or(0.0),
        items: sitting["answered"].as_u64().unwrap_or(0),
        lessons: 0,
        attempts: 0,
        mean_score: None,
        streak: 0,
        emotion: String::new(),
        watch_next: String::new(),
    })
}

/// The right choice with the probability that the logistic model gives for knowing it, else any.
fn choose(item: Option<&Item>, theta: f64, choices: usize, rng: &mut Rng) -> usize {
    let Some(item) = item else { return rng.usize(0..choices.max(1)) };
    let right = usize::from(item.answer);
    let probability = 1.0 / (1.0 + (-item.discrimination * (theta - item.difficulty)).exp());
    if rng.f64() < probability || choices < 2 { right } else { rng.usize(0..choices) }
}

struct Lesson {
    id: String,
    attempts: u32,
    completed: bool,
}

async fn learn(
    client: &Client,
    catalog: &Catalog,
    habit: &Habit,
    rng: &mut Rng,
    key: &str,
    gives_up: bool,
) -> Result<Lesson, ClientError> {
    let lesson = client.post("/v1/lessons", key, json!({})).await?;
    let id = text(&lesson, "lesson_id")?;
    let plan = lesson["plan"].clone();
    for clip in plan["clips"].as_array().into_iter().flatten() {
        let clip_id = text(clip, "clip_id")?;
        let viewing = viewing(habit, &clip_id, clip, rng);
        client.post(&format!("/v1/lessons/{id}/clips"), &format!("{key}-{clip_id}"), viewing).await?;
    }
    let mut attempts = 0;
    for task in plan["tasks"].as_array().into_iter().flatten() {
        let task_id = text(task, "task_id")?;
        let answer = answer(catalog, &task_id, habit.mistakes, rng);
        let attempt = json!({
            "task_id": task_id,
            "kind": task["kind"],
            "answer": answer,
            "duration_ms": vary(40_000, rng),
        });
        let attempt_key = format!("{key}-{task_id}");
        client.post(&format!("/v1/lessons/{id}/attempts"), &attempt_key, attempt).await?;
        attempts += 1;
        if gives_up {
            client.post(&format!("/v1/lessons/{id}/abandon"), &format!("{key}-abandon"), json!({})).await?;
            return Ok(Lesson { id, attempts, completed: false });
        }
    }
    client.post(&format!("/v1/lessons/{id}/complete"), &format!("{key}-complete"), json!({})).await?;
    Ok(Lesson { id, attempts, completed: true })
}

fn viewing(habit: &Habit, clip_id: &str, clip: &Value, rng: &mut Rng) -> Value {
    let duration_ms = clip["duration_ms"].as_u64().unwrap_or(60_000);
    let segments = u32::try_from(clip["segments"].as_u64().unwrap_or(0)).unwrap_or(0);
    let percent = (habit.watched * 100.0).round();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage of at most 100")]
    let watched_ms = duration_ms * (percent as u64) / u64::from(habit.speed_percent);
    let repeats =
        (0..habit.repeats.min(segments)).map(|segment| json!({ "segment": segment, "times": rng.u32(1..=3) }));
    json!({
        "clip_id": clip_id,
        "watched_ms": watched_ms.max(1),
        "speed_percent": habit.speed_percent,
        "repeats": repeats.collect::<Vec<_>>(),
    })
}

/// The sample answer of the task with mistakes in it, as learners make them.
fn answer(catalog: &Catalog, task_id: &str, mistakes: usize, rng: &mut Rng) -> String {
    let sample = task_id.parse::<TaskId>().ok().and_then(|id| catalog.task(&id)).map(|(_, task)| task.sample.clone());
    let sample =
        sample.unwrap_or_else(|| "I watched the clip with my friend and I learned many new words from it.".into());
    let mut words: Vec<String> = sample.split_whitespace().map(ToOwned::to_owned).collect();
    for _ in 0..mistakes {
        let at = rng.usize(0..words.len().max(1));
        let Some(word) = words.get_mut(at) else { break };
        *word = match word.as_str() {
            "a" => "an".into(),
            "an" => "a".into(),
            "is" => "are".into(),
            "are" => "is".into(),
            "was" => "were".into(),
            "have" => "has".into(),
            "in" => "on".into(),
            "at" => "in".into(),
            "to" => "for".into(),
            other if other.ends_with('s') => other.trim_end_matches('s').into(),
            other if other.chars().all(char::is_alphabetic) && other.len() > 2 => format!("{other}s"),
            other => other.into(),
        };
    }
    words.join(" ")
}

/// Within a third of `typical`.
fn vary(typical: u32, rng: &mut Rng) -> u32 {
    rng.u32(typical * 2 / 3..=typical * 4 / 3)
}

/// Reads the read models; what a process still works on is waited for. Answers the recommendations, where there are any.
async fn look(client: &Client, learner: &str, lesson: Option<&str>, story: &mut Story) -> Result<Value, ClientError> {
    let progress = client.get(&format!("/v1/learners/{learner}/progress")).await?;
    story.mean_score = progress["mean_score"].as_f64();
    story.streak = progress["streak"]["current"].as_u64().unwrap_or(0);
    let emotion = client.get(&format!("/v1/learners/{learner}/emotion")).await?;
    emotion["estimate"]["state"].as_str().unwrap_or("–").clone_into(&mut story.emotion);
    let Some(lesson) = lesson else {
        "–".clone_into(&mut story.watch_next);
        return Ok(Value::Null);
    };
    for _ in 0..100 {
        let found = client.get(&format!("/v1/learners/{learner}/recommendations")).await?;
        if found["lesson_id"].as_str() == Some(lesson) && found["country"].is_string() {
            let title = found["titles"][0]["title"].as_str().unwrap_or("–");
            let provider = found["titles"][0]["watch"][0]["provider"].as_str();
            story.watch_next = provider.map_or(title.to_owned(), |provider| format!("{title} ({provider})"));
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(ClientError::Shape("recommendations, 10 seconds after the lesson,".into(), "lesson_id"))
}

/// Reacts to the first title and the first clip: what recommenders learn from.
async fn react(client: &Client, habit: &Habit, name: &str, found: &Value) -> Result<(), ClientError> {
    let Some(recommendation) = found["recommendation_id"].as_str() else { return Ok(()) };
    let firsts =
        [("title", &found["titles"][0]["title_id"], "opened"), ("clip", &found["clips"][0]["clip_id"], "finished")];
    for (kind, id, likes) in firsts {
        let Some(id) = id.as_str() else { continue };
        let reaction = if habit.gives_up { "dismissed" } else { likes };
        let body = json!({ "content": { "kind": kind, "id": id }, "reaction": reaction });
        let path = format!("/v1/recommendations/{recommendation}/reactions");
        client.post(&path, &format!("{name}-reaction-{kind}"), body).await?;
    }
    Ok(())
}

fn text(answer: &Value, field: &'static str) -> Result<String, ClientError> {
    answer[field].as_str().map(ToOwned::to_owned).ok_or_else(|| ClientError::Shape("a command".into(), field))
}
