//! Foundry's programs: the development chain, and a reader of chains.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::binaries::on_path;
use crate::install::{self, Package};

/// The version of Foundry's programs that is installed.
const VERSION: &str = "1.7.1";

/// Where npm puts what it installs for the stack.
fn npm_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/packages/npm")
}

/// A program of Foundry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foundry {
    /// The development chain.
    Anvil,
    /// A reader of chains that shares no code with ours.
    Cast,
}

impl Foundry {
    fn name(self) -> &'static str {
        match self {
            Self::Anvil => "anvil",
            Self::Cast => "cast",
        }
    }

    /// The one that `PEERLINK_ANVIL` or `PEERLINK_CAST` names, else on `PATH`, or installed by us.
    pub fn locate(self) -> Option<PathBuf> {
        let name = self.name();
        let variable = format!("PEERLINK_{}", name.to_ascii_uppercase());
        if let Some(named) = std::env::var_os(variable).map(PathBuf::from) {
            return named.is_file().then_some(named);
        }
        let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => "linux-amd64",
            ("linux", "aarch64") => "linux-arm64",
            ("macos", "x86_64") => "darwin-amd64",
            ("macos", "aarch64") => "darwin-arm64",
            _ => return on_path(name),
        };
        let ours =
            npm_root().join(format!("node_modules/@foundry-rs/{name}-{platform}/bin/{name}"));
        if ours.is_file() { Some(ours) } else { on_path(name) }
    }

    /// The same, installed with npm if need be; npm itself is installed only if `with_npm`.
    ///
    /// # Errors
    ///
    /// One line that says what to install when it cannot be done here.
    pub async fn locate_or_install(
        self,
        with_npm: bool,
        note: &(dyn Fn(&str) + Sync),
    ) -> Result<PathBuf> {
        if let Some(found) = self.locate() {
            return Ok(found);
        }
        if on_path("npm").is_none() && with_npm {
            install::install(&[Package::NPM], None, note).await?;
        }
        let package = format!("@foundry-rs/{}@{VERSION}", self.name());
        let npm = on_path("npm").with_context(|| {
            format!(
                "{package} is needed, and npm to install it (Debian, Ubuntu: `apt-get install npm`)"
            )
        })?;
        note(&format!("installing {package} with npm"));
        let root = npm_root();
        std::fs::create_dir_all(&root)?;
        let output = tokio::process::Command::new(npm)
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&root)
            .arg(&package)
            .stdin(Stdio::null())
            .output()
            .await?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!(
                "npm cannot install {package}: {}",
                text.lines().last().unwrap_or("it does not say why")
            );
        }
        self.locate().with_context(|| format!("{package} brings no program for this machine"))
    }
}
