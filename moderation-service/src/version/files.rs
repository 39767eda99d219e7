//! The files of a version, and what is wrong with them.

use std::{collections::BTreeMap, sync::Arc};

use content_analysis::Model;
use content_screening::{Analyser, RuleAnalyser, RuleFiles, sha256};
use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

use super::aggregate::VersionId;

/// The most bytes of a model file.
pub const MODEL_BYTES: usize = 8 * 1024 * 1024;

/// The most bytes of any other file.
pub const RULES_BYTES: usize = 1024 * 1024;

/// A file of a version.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Enum,
)]
pub enum FileName {
    /// Words and phrases.
    #[serde(rename = "lexicon.toml")]
    #[oai(rename = "lexicon.toml")]
    Lexicon,
    /// Weights of signals, and levels of the model's probabilities.
    #[serde(rename = "signals.toml")]
    #[oai(rename = "signals.toml")]
    Signals,
    /// Thresholds.
    #[serde(rename = "policy.toml")]
    #[oai(rename = "policy.toml")]
    Policy,
    /// The trained model.
    #[serde(rename = "model.bin")]
    #[oai(rename = "model.bin")]
    Model,
}

impl FileName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lexicon, Self::Signals, Self::Policy, Self::Model];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lexicon => "lexicon.toml",
            Self::Signals => "signals.toml",
            Self::Policy => "policy.toml",
            Self::Model => "model.bin",
        }
    }

    /// The most bytes that it may have.
    pub const fn limit(self) -> usize {
        match self {
            Self::Lexicon | Self::Signals | Self::Policy => RULES_BYTES,
            Self::Model => MODEL_BYTES,
        }
    }
}

/// The contents of files.
pub type Files = BTreeMap<FileName, Arc<[u8]>>;

/// A file without its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// How long it is.
    pub bytes: u64,
}

impl FileHash {
    /// The hash of some contents.
    pub fn of(contents: &[u8]) -> Self {
        Self { sha256: sha256(contents), bytes: contents.len() as u64 }
    }
}

/// A version that can judge.
pub struct Compiled {
    /// Which one.
    pub id: VersionId,
    /// The judge.
    pub analyser: Arc<dyn Analyser>,
    /// The model in it, which versions with the same model file share.
    pub(super) model: Arc<content_analysis::Analyser>,
    /// SHA-256 of the model's file.
    pub(super) model_sha256: String,
}

/// Everything that is wrong with the files of a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the files have {} mistakes: {}", .0.len(), .0.join("; "))]
pub struct BadFiles(pub Vec<String>);

/// The files that this program was built with.
pub fn embedded() -> Files {
    let RuleFiles { lexicon, signals, policy } = RuleFiles::EMBEDDED;
    [
        (FileName::Lexicon, lexicon.as_bytes()),
        (FileName::Signals, signals.as_bytes()),
        (FileName::Policy, policy.as_bytes()),
        (FileName::Model, content_analysis::Analyser::built_in_file()),
    ]
    .into_iter()
    .map(|(name, contents)| (name, Arc::from(contents)))
    .collect()
}

/// Reads and checks the files; `shared` is a model that was read before, with the hash of its file, and stands for that file.
///
/// # Errors
///
/// [`BadFiles`] with everything that is wrong with any of them.
pub fn compile(
    files: &Files,
    shared: Option<(Arc<content_analysis::Analyser>, String)>,
) -> Result<Compiled, BadFiles> {
    let mut mistakes = Vec::new();
    for name in FileName::ALL {
        match files.get(&name) {
            None if name == FileName::Model && shared.is_some() => (),
            None => mistakes.push(format!("{}: is missing", name.as_str())),
            Some(contents) if contents.len() > name.limit() => {
                let (name, limit) = (name.as_str(), name.limit());
                mistakes.push(format!("{name}: has {} bytes, and {limit} at most", contents.len()));
            }
            Some(_) => (),
        }
    }
    if !mistakes.is_empty() {
        return Err(BadFiles(mistakes));
    }
    let bytes = |name| files.get(&name).map_or(&[] as &[u8], |contents| &**contents);
    let mut text = |name: FileName| match std::str::from_utf8(bytes(name)) {
        Ok(text) => text,
        Err(error) => {
            mistakes.push(format!("{}: is no UTF-8: {error}", name.as_str()));
            ""
        }
    };
    let (lexicon, signals) = (text(FileName::Lexicon), text(FileName::Signals));
    let rules = RuleFiles { lexicon, signals, policy: text(FileName::Policy) };
    if !mistakes.is_empty() {
        return Err(BadFiles(mistakes));
    }
    let (model, model_sha256) = if let Some((model, sha256)) = shared {
        (Some(model), sha256)
    } else {
        let file = bytes(FileName::Model);
        (read_model(file).map_err(|mistake| mistakes.push(mistake)).ok(), sha256(file))
    };
    // The rules are checked all the same.
    let judge = match &model {
        Some(model) => RuleAnalyser::new(rules, Arc::clone(model)),
        None => RuleAnalyser::from_files(rules),
    };
    match (judge, model) {
        (Ok(analyser), Some(model)) => {
            let id = VersionId::of(analyser.version());
            Ok(Compiled { id, analyser: Arc::new(analyser), model, model_sha256 })
        }
        (Ok(_), None) => Err(BadFiles(mistakes)),
        (Err(error), _) => {
            mistakes.extend(error.0.iter().map(ToString::to_string));
            Err(BadFiles(mistakes))
        }
    }
}

fn read_model(file: &[u8]) -> Result<Arc<content_analysis::Analyser>, String> {
    if file == content_analysis::Analyser::built_in_file() {
        return content_analysis::Analyser::built_in()
            .map(Arc::clone)
            .map_err(|error| format!("model.bin: {error}"));
    }
    Model::from_bytes(file)
        .map(|model| Arc::new(content_analysis::Analyser::new(model)))
        .map_err(|error| format!("model.bin: {}", event_runtime::error::chain(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: FileName, contents: &str) -> Files {
        let mut files = embedded();
        files.insert(name, Arc::from(contents.as_bytes()));
        files
    }

    #[test]
    fn the_same_files_are_the_same_version_and_a_changed_one_is_another() {
        let one = compile(&embedded(), None).unwrap();
        let policy = format!("# Another.\n{}", RuleFiles::EMBEDDED.policy);
        let other = compile(&with(FileName::Policy, &policy), None).unwrap();

        assert_eq!(one.id, compile(&embedded(), None).unwrap().id);
        assert_ne!(one.id, other.id);
        assert!(Arc::ptr_eq(&one.model, &other.model), "one model is in memory once");
    }

    #[test]
    fn mistakes_of_all_files_are_named_together() {
        let mut files = with(FileName::Policy, "[thresholds.SPAM]\nhold = 0");
        files.insert(FileName::Lexicon, Arc::from(&b"rule = 1"[..]));
        files.insert(FileName::Model, Arc::from(&b"no model"[..]));

        let BadFiles(mistakes) = compile(&files, None).err().unwrap();

        for file in ["policy.toml: ", "lexicon.toml: ", "model.bin: "] {
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(file)), "{mistakes:?}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_or_missing_is_named() {
        let mut files = with(FileName::Signals, &" ".repeat(RULES_BYTES + 1));
        files.remove(&FileName::Model);

        let BadFiles(mistakes) = compile(&files, None).err().unwrap();

        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(mistakes[1].starts_with("model.bin: is missing"), "{mistakes:?}");
    }
}
