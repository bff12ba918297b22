//! Noting how a learner reacted to something that was recommended.

use baeum_domain::{
    ids::RecommendationId,
    recommendation::{
        recommendation::Recommendation,
        recommending::Content,
        taste::{Command, Reaction, Taste},
    },
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::Error;
use crate::{Commands, Request};

impl Commands {
    /// Notes how the caller reacted to something that was recommended to them; a later reaction takes the place of an
    /// earlier one.
    ///
    /// # Errors
    /// A recommendation that there is not, is another's, or does not hold the content; or a failing log.
    pub async fn react(
        &self,
        request: &Request,
        recommendation_id: RecommendationId,
        content: Content,
        reaction: Reaction,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let (learner_id, content, tenant) = (request.caller.user_id, &content, &context.tenant);
        self.log
            .execute::<Taste, _, Error, _>(
                &context,
                &learner_id.to_string(),
                |_: Loaded<Taste>| async move {
                    let loaded = self.log.load::<Recommendation>(tenant, &recommendation_id.to_string()).await?;
                    let generated = loaded.state.generated.as_ref().ok_or(Error::NoSuch(recommendation_id))?;
                    if generated.learner_id != learner_id {
                        return Err(Error::NotYours(recommendation_id));
                    }
                    if !generated.holds(content) {
                        return Err(Error::NotRecommended { recommendation_id, content: content.clone() });
                    }
                    Ok(Command::React { learner_id, recommendation_id, content: content.clone(), reaction })
                },
                |_, _| (),
            )
            .await
    }
}
