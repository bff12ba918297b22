//! Answering the item that is asked.

use baeum_domain::{
    assessment::{
        assessment::{self, Assessment, Command, Event},
        testing::Response,
    },
    ids::{AssessmentId, ItemId},
    learning::curriculum,
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, Status, status::seed};
use crate::{Commands, Request, dispatch::ProcessCommand};

/// An answer as it comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The item.
    pub item: ItemId,
    /// The choice taken, from 0.
    pub choice: u8,
    /// Milliseconds taken, where the client measured them.
    pub response_ms: Option<u32>,
}

impl Commands {
    /// Answers the item that is asked, and gets the next one or the level.
    ///
    /// # Errors
    /// An item that is not asked, a choice that is none, another's or an ended test, or a failing log.
    pub async fn respond(
        &self,
        request: &Request,
        assessment_id: AssessmentId,
        answer: Answer,
    ) -> Result<Outcome<Status>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let outcome = self
            .log
            .execute::<Assessment, _, Error, _>(
                &context,
                &assessment_id.to_string(),
                |loaded: Loaded<Assessment>| std::future::ready(self.prepare(request, &loaded.state, &answer)),
                |assessment, events| {
                    let ability = events.iter().find_map(|event| match event {
                        Event::ItemAnswered { after, .. } => Some(*after),
                        _ => None,
                    });
                    Status::of(assessment_id, assessment, ability)
                },
            )
            .await?;
        if let Some(report) = outcome.answer.report.as_ref().filter(|_| !outcome.stored) {
            // The curriculum process does this in any case; doing it here too lets a lesson start at once.
            let assign = ProcessCommand::Curriculum(curriculum::Command::Assign {
                learner_id: request.caller.user_id,
                assessment_id,
                level: report.band,
                weaknesses: report.weaknesses.clone(),
            });
            let context = baeum_eventlog::CommandContext {
                command_id: self.clock().new_id(),
                fingerprint: None,
                expected_sequence: None,
                ..context
            };
            if let Err(error) = self.dispatch(&context, assign).await {
                tracing::debug!(%error, "the curriculum is left to its process");
            }
        }
        Ok(outcome)
    }

    fn prepare(&self, request: &Request, assessment: &Assessment, answer: &Answer) -> Result<Command, Error> {
        let sitting = assessment.sitting.as_ref().ok_or(assessment::Error::NotStarted)?;
        if sitting.learner_id != request.caller.user_id {
            return Err(Error::NotYours(sitting.assessment_id));
        }
        let Some(item) = self.catalog().items.get(&answer.item) else {
            return Err(Error::UnknownItem(answer.item.clone()));
        };
        if usize::from(answer.choice) >= item.choices.len() {
            let last = item.choices.len() - 1;
            return Err(Error::UnknownChoice { item: answer.item.clone(), choice: answer.choice, last });
        }
        let test = &self.ports.test;
        let correct = answer.choice == item.answer;
        let before = test.ability(&sitting.responses);
        let scored = sitting.current.as_ref().is_none_or(|asked| asked.reason.is_scored());
        let mut responses = sitting.responses.clone();
        responses.push(Response { item: answer.item.clone(), correct, scored });
        Ok(Command::Respond {
            item: answer.item.clone(),
            choice: answer.choice,
            correct,
            response_ms: answer.response_ms,
            before,
            report: test.report(&responses),
            next: test.next(&responses, seed(sitting.assessment_id)),
        })
    }
}
