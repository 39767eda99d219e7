//! What the service is started with: the analyser.

use std::sync::Arc;

use service_kit::{Env, config::Settings};

use crate::screening::{Analyser, RuleAnalyser};

/// Settings of this service.
pub struct Config {
    /// Judges content, with the rules that this program was built with. Built once: that takes longer than a judgement.
    pub analyser: Arc<dyn Analyser>,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Option<Self> {
        match RuleAnalyser::embedded() {
            Ok(analyser) => Some(Self { analyser: Arc::new(analyser) }),
            Err(error) => env.mistake("rules/", &format!("were built in and do not hold: {error}")),
        }
    }
}
