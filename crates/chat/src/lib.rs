//! An evaluator that asks a language model by HTTP, in the format of OpenAI's chat completions.
//!
//! What learners write leaves the house with it: it is there only where an operator has configured it. The prompt of the
//! task, its level and the answer are sent; who wrote it is not. Neither answers nor the key are logged. There are no
//! retries: an attempt without a verdict waits for it, and a process asks again. While the service is away a circuit
//! breaker says so at once.

pub mod breaker;
mod client;
mod prompt;
mod verdict;

pub use client::{ChatError, ChatEvaluator, Secret, Settings};
pub use prompt::PROMPT_VERSION;
