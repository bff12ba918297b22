//! Finding where the recommended titles can be watched.

use baeum_domain::{
    identity::user::{self, User},
    ids::{LessonId, UserId},
    recommendation::recommendation::{self, Command, Recommendation, WatchOption},
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};

use super::{Error, recommendation_of};
use crate::Commands;

impl Commands {
    /// Suggests where to watch what was recommended after a lesson, in the learner's country, once.
    ///
    /// # Errors
    /// A recommendation that was not generated, an unknown learner, or a failing log.
    pub async fn suggest_watch_options(
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
                |loaded: Loaded<Recommendation>| async move {
                    let generated = loaded.state.generated.as_ref();
                    let titles = &generated.ok_or(recommendation::Error::NotGenerated(recommendation_id))?.titles;
                    let user = self.log.load::<User>(&context.tenant, &learner_id.to_string()).await?.state;
                    let profile = user.profile.as_ref().ok_or(user::Error::NotRegistered)?;
                    let country = profile.preferences.country.clone();
                    let known = titles.iter().filter_map(|id| self.catalog().titles.get(id));
                    let offers = known.flat_map(|title| title.providers.iter().map(move |offer| (title, offer)));
                    let here = offers.filter(|(_, offer)| offer.country == country);
                    let watch_options = here.map(|(title, offer)| WatchOption {
                        title_id: title.id.clone(),
                        provider: offer.provider.clone(),
                        offer: offer.offer,
                        url: offer.url.clone(),
                    });
                    let watch_options = watch_options.collect();
                    Ok(Command::Suggest { recommendation_id, country, watch_options })
                },
                |_, _| (),
            )
            .await
    }
}
