//! Choosing titles and clips after a lesson.

use baeum_domain::{
    identity::user::{self, User},
    ids::{LessonId, UserId},
    learning::curriculum::Curriculum,
    recommendation::{
        recommendation::{Command, Policy, Recommendation},
        recommending::RecommendationInput,
        taste::Taste,
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};

use super::{Error, recommendation_of};
use crate::Commands;

impl Commands {
    /// Recommends titles and clips to a learner after a lesson, once.
    ///
    /// # Errors
    /// An unknown learner, or a failing log.
    pub async fn generate_recommendation(
        &self,
        context: &CommandContext,
        learner_id: UserId,
        lesson_id: LessonId,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let recommendation_id = recommendation_of(lesson_id);
        self.log
            .execute::<Recommendation, _, Error, _>(
                context,
                &recommendation_id.to_string(),
                |_: Loaded<Recommendation>| async move {
                    let learner = learner_id.to_string();
                    let user = self.log.load::<User>(&context.tenant, &learner).await?.state;
                    let profile = user.profile.as_ref().ok_or(user::Error::NotRegistered)?;
                    let curriculum = self.log.load::<Curriculum>(&context.tenant, &learner).await?.state;
                    let taste = self.log.load::<Taste>(&context.tenant, &learner).await?.state;
                    let input = RecommendationInput::of(&profile.preferences, &curriculum, &taste);
                    let recommender = &self.ports.recommender;
                    let ranking = recommender.recommend(recommendation_id, &input);
                    Ok(Command::Generate {
                        recommendation_id,
                        learner_id,
                        lesson_id,
                        model_id: recommender.model_id().to_owned(),
                        titles: ranking.titles,
                        clips: ranking.clips,
                        policy: Some(Policy { weights_hash: recommender.weights_hash().to_owned(), made_from: input }),
                    })
                },
                |_, _| (),
            )
            .await
    }
}
