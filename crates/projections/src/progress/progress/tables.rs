//! The rows of a batch, read and written in a few statements.

use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::fold::{Fold, Totals};

#[derive(FromRow)]
struct TotalsRow {
    learner_id: Uuid,
    #[sqlx(flatten)]
    totals: Totals,
}

/// Reads the rows that the fold needs.
pub(super) async fn read(db: &mut PgConnection, fold: &mut Fold) -> Result<(), sqlx::Error> {
    if !fold.totals.is_empty() {
        let learners: Vec<Uuid> = fold.totals.keys().copied().collect();
        let rows: Vec<TotalsRow> = sqlx::query_as(
            "SELECT learner_id, current_streak, longest_streak, last_active_on, active_ms, clips, attempts,
                    lessons_started, lessons_completed, scored, score_sum
             FROM progress WHERE learner_id = ANY($1)",
        )
        .bind(learners)
        .fetch_all(&mut *db)
        .await?;
        fold.totals.extend(rows.into_iter().map(|row| (row.learner_id, (row.totals, 0))));
    }
    let lessons: Vec<Uuid> = fold.lessons.iter().filter(|(_, day)| day.asked).map(|(lesson, _)| *lesson).collect();
    if !lessons.is_empty() {
        let rows = sqlx::query_as("SELECT lesson_id, local_date FROM progress_lessons WHERE lesson_id = ANY($1)");
        for (lesson, date) in rows.bind(lessons).fetch_all(db).await? {
            fold.lessons.entry(lesson).or_default().date = Some(date);
        }
    }
    Ok(())
}

/// Writes the rows that the fold has changed.
pub(super) async fn write(db: &mut PgConnection, fold: &Fold) -> Result<(), sqlx::Error> {
    write_totals(db, fold).await?;
    write_days(db, fold).await?;
    write_mastery(db, fold).await?;
    write_levels(db, fold).await?;
    write_lessons(db, fold).await
}

async fn write_totals(db: &mut PgConnection, fold: &Fold) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = fold.totals.iter().filter(|(_, (_, position))| *position > 0).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO progress (learner_id, current_streak, longest_streak, last_active_on, active_ms, clips,
                               attempts, lessons_started, lessons_completed, scored, score_sum, position)
         SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::date[], $5::bigint[], $6::bigint[], $7::bigint[],
                              $8::bigint[], $9::bigint[], $10::bigint[], $11::float8[], $12::bigint[])
         ON CONFLICT (learner_id) DO UPDATE
         SET current_streak = excluded.current_streak, longest_streak = excluded.longest_streak,
             last_active_on = excluded.last_active_on, active_ms = excluded.active_ms, clips = excluded.clips,
             attempts = excluded.attempts, lessons_started = excluded.lessons_started,
             lessons_completed = excluded.lessons_completed, scored = excluded.scored,
             score_sum = excluded.score_sum, position = excluded.position",
    )
    .bind(column(&rows, |(learner, _)| **learner))
    .bind(column(&rows, |(_, (totals, _))| totals.current_streak))
    .bind(column(&rows, |(_, (totals, _))| totals.longest_streak))
    .bind(column(&rows, |(_, (totals, _))| totals.last_active_on))
    .bind(column(&rows, |(_, (totals, _))| totals.active_ms))
    .bind(column(&rows, |(_, (totals, _))| totals.clips))
    .bind(column(&rows, |(_, (totals, _))| totals.attempts))
    .bind(column(&rows, |(_, (totals, _))| totals.lessons_started))
    .bind(column(&rows, |(_, (totals, _))| totals.lessons_completed))
    .bind(column(&rows, |(_, (totals, _))| totals.scored))
    .bind(column(&rows, |(_, (totals, _))| totals.score_sum))
    .bind(column(&rows, |(_, (_, position))| *position))
    .execute(db)
    .await?;
    Ok(())
}

async fn write_days(db: &mut PgConnection, fold: &Fold) -> Result<(), sqlx::Error> {
    if fold.days.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = fold.days.iter().collect();
    sqlx::query(
        "INSERT INTO progress_days AS d (learner_id, date, active_ms, clips, attempts, lessons, position)
         SELECT * FROM unnest($1::uuid[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                              $7::bigint[])
         ON CONFLICT (learner_id, date) DO UPDATE
         SET active_ms = d.active_ms + excluded.active_ms, clips = d.clips + excluded.clips,
             attempts = d.attempts + excluded.attempts, lessons = d.lessons + excluded.lessons,
             position = excluded.position",
    )
    .bind(column(&rows, |((learner, _), _)| *learner))
    .bind(column(&rows, |((_, date), _)| *date))
    .bind(column(&rows, |(_, (work, _))| work.active_ms))
    .bind(column(&rows, |(_, (work, _))| work.clips))
    .bind(column(&rows, |(_, (work, _))| work.attempts))
    .bind(column(&rows, |(_, (work, _))| work.lessons))
    .bind(column(&rows, |(_, (_, position))| *position))
    .execute(db)
    .await?;
    Ok(())
}

async fn write_mastery(db: &mut PgConnection, fold: &Fold) -> Result<(), sqlx::Error> {
    if fold.history.is_empty() {
        return Ok(());
    }
    let insert_history = "INSERT INTO progress_history (learner_id, skill, mastery, at, position)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::timestamptz[], $5::bigint[])";
    let upsert_skills = "INSERT INTO progress_skills (learner_id, skill, mastery, at, position)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::timestamptz[], $5::bigint[])
         ON CONFLICT (learner_id, skill) DO UPDATE
         SET mastery = excluded.mastery, at = excluded.at, position = excluded.position";
    let skills = fold.skills.iter().map(|((learner, skill), known)| (*learner, *skill, *known)).collect();
    for (sql, rows) in [(insert_history, &fold.history), (upsert_skills, &skills)] {
        sqlx::query(sql)
            .bind(column(rows, |(learner, ..)| *learner))
            .bind(column(rows, |(_, skill, _)| skill.to_string()))
            .bind(column(rows, |(.., known)| known.mastery))
            .bind(column(rows, |(.., known)| known.at))
            .bind(column(rows, |(.., known)| known.position))
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn write_levels(db: &mut PgConnection, fold: &Fold) -> Result<(), sqlx::Error> {
    if fold.levels.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO progress_levels (learner_id, position, assessment_id, at, band, theta, standard_error)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::float8[],
                              $7::float8[])",
    )
    .bind(column(&fold.levels, |level| level.learner))
    .bind(column(&fold.levels, |level| level.position))
    .bind(column(&fold.levels, |level| level.assessment.0))
    .bind(column(&fold.levels, |level| level.at))
    .bind(column(&fold.levels, |level| level.report.band.to_string()))
    .bind(column(&fold.levels, |level| level.report.ability.theta))
    .bind(column(&fold.levels, |level| level.report.ability.standard_error))
    .execute(db)
    .await?;
    Ok(())
}

async fn write_lessons(db: &mut PgConnection, fold: &Fold) -> Result<(), sqlx::Error> {
    let changed = || fold.lessons.iter().filter(|(_, day)| day.changed);
    let open: Vec<_> = changed().filter_map(|(lesson, day)| Some((*lesson, day.date?, day.learner?.0))).collect();
    if !open.is_empty() {
        sqlx::query(
            "INSERT INTO progress_lessons (lesson_id, local_date, learner_id)
             SELECT * FROM unnest($1::uuid[], $2::date[], $3::uuid[])
             ON CONFLICT (lesson_id) DO UPDATE
             SET local_date = excluded.local_date, learner_id = excluded.learner_id",
        )
        .bind(column(&open, |(lesson, ..)| *lesson))
        .bind(column(&open, |(_, date, _)| *date))
        .bind(column(&open, |(.., learner)| *learner))
        .execute(&mut *db)
        .await?;
    }
    let ended: Vec<Uuid> = changed().filter(|(_, day)| day.date.is_none()).map(|(lesson, _)| *lesson).collect();
    if !ended.is_empty() {
        sqlx::query("DELETE FROM progress_lessons WHERE lesson_id = ANY($1)").bind(ended).execute(db).await?;
    }
    Ok(())
}

fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
