//! What the service is started with: the analyser.

use std::{fs, path::Path, sync::Arc};

use service_kit::{Env, config::Settings};

use crate::{
    standing::ladder::{self, Ladder},
    version::files::{Compiled, FileName, Files, compile, embedded},
};

/// Settings of this service.
pub struct Config {
    /// The version that this program was built with. Built once: that takes longer than a judgement.
    pub built_in: Arc<Compiled>,
    /// `SHADOW_FILES`: a directory with files by which this instance alone judges in shadow, any of `lexicon.toml`,
    /// `signals.toml`, `policy.toml` and `model.bin`.
    pub shadow_files: Option<Files>,
    /// `TWO_REVIEWERS_FROM`: from which reach on a removal takes two moderators; views, and five for each reaction and comment.
    pub two_reviewers_from: u32,
    /// `STRIKE_LADDER`: how many strikes that count at once lead to what.
    pub strike_ladder: Ladder,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Option<Self> {
        let two_reviewers_from = env.or_default("TWO_REVIEWERS_FROM", "10000");
        let strike_ladder = env.or_default("STRIKE_LADDER", ladder::DEFAULT);
        let built_in = match compile(&embedded(), None) {
            Ok(compiled) => Some(Arc::new(compiled)),
            Err(error) => env.mistake("rules/", &format!("were built in and do not hold: {error}")),
        };
        let directory: String = env.or_default("SHADOW_FILES", "")?;
        let shadow_files = match directory.as_str() {
            "" => None,
            directory => match read_files(Path::new(directory)) {
                Ok(files) => Some(files),
                Err(mistake) => return env.mistake("SHADOW_FILES", &mistake),
            },
        };
        Some(Self {
            built_in: built_in?,
            shadow_files,
            two_reviewers_from: two_reviewers_from?,
            strike_ladder: strike_ladder?,
        })
    }
}

/// The files of a version that a directory has.
fn read_files(directory: &Path) -> Result<Files, String> {
    let mut files = Files::new();
    for name in FileName::ALL {
        let path = directory.join(name.as_str());
        match fs::read(&path) {
            Ok(contents) => {
                files.insert(name, Arc::from(contents));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        }
    }
    if files.is_empty() {
        let names = FileName::ALL.map(FileName::as_str).join(", ");
        return Err(format!("{} has none of {names}", directory.display()));
    }
    Ok(files)
}
