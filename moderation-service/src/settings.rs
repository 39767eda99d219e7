//! What the service is started with: the analyser.

use std::sync::Arc;

use service_kit::{Env, config::Settings};

use content_screening::{Analyser, RuleAnalyser};

/// Settings of this service.
pub struct Config {
    /// Judges content, with the rules that this program was built with. Built once: that takes longer than a judgement.
    pub analyser: Arc<dyn Analyser>,
    /// `TWO_REVIEWERS_FROM`: from which reach on a removal takes two moderators; views, and five for each reaction and comment.
    pub two_reviewers_from: u32,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Option<Self> {
        let two_reviewers_from = env.or_default("TWO_REVIEWERS_FROM", "10000");
        match RuleAnalyser::embedded() {
            Ok(analyser) => {
                Some(Self { analyser: Arc::new(analyser), two_reviewers_from: two_reviewers_from? })
            }
            Err(error) => env.mistake("rules/", &format!("were built in and do not hold: {error}")),
        }
    }
}
