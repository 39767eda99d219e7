//! Where PostgreSQL and Redis are on this machine.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::install;

/// Streams need `XINFO ... lag` and ACL selectors.
const REDIS_AT_LEAST: u32 = 7;
/// The oldest PostgreSQL that is tried.
const POSTGRES_AT_LEAST: u32 = 14;

/// PostgreSQL's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresBinaries {
    /// The directory with `initdb`, `postgres` and `psql`.
    pub directory: PathBuf,
    /// `LD_LIBRARY_PATH`, when the programs were unpacked instead of installed.
    pub library_path: Option<OsString>,
}

/// Redis' server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisBinary {
    /// `redis-server`.
    pub server: PathBuf,
    /// `LD_LIBRARY_PATH`, when the program was unpacked instead of installed.
    pub library_path: Option<OsString>,
}

/// Everything a stack needs from outside of this repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// PostgreSQL 14 or later.
    pub postgres: PostgresBinaries,
    /// Redis 7 or later.
    pub redis: RedisBinary,
}

/// Where packages are unpacked on a machine where they cannot be installed.
fn unpacked_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/packages")
}

impl Binaries {
    /// Finds both, and installs what is missing; `note` is told what is done.
    ///
    /// # Errors
    ///
    /// One line that says what to install when it cannot be done here.
    pub async fn locate_or_install(note: &(dyn Fn(&str) + Sync)) -> Result<Self> {
        let mut missing = Vec::new();
        if PostgresBinaries::locate().is_err() {
            missing.push(install::Package::POSTGRES);
        }
        if RedisBinary::locate().is_err() {
            missing.push(install::Package::REDIS);
        }
        if !missing.is_empty() {
            install::install(&missing, Some(&unpacked_root()), note).await?;
        }
        Ok(Self { postgres: PostgresBinaries::locate()?, redis: RedisBinary::locate()? })
    }
}

impl PostgresBinaries {
    /// The newest PostgreSQL on `PATH`, where packages put it, or unpacked by us.
    ///
    /// # Errors
    ///
    /// One line that says what to install.
    pub fn locate() -> Result<Self> {
        let mut directories = path_directories();
        directories.extend(children("/usr/lib/postgresql", "bin"));
        for brew in ["/opt/homebrew/opt", "/usr/local/opt"] {
            directories.extend(children(brew, "bin"));
        }
        let installed = directories.into_iter().map(|directory| (directory, None));
        let root = unpacked_root();
        let unpacked = children(root.join("usr/lib/postgresql"), "bin")
            .into_iter()
            .map(|directory| (directory, Some(library_path(&root))));

        installed
            .chain(unpacked)
            .filter(|(directory, _)| {
                ["initdb", "postgres", "psql"].iter().all(|name| executable(&directory.join(name)))
            })
            .filter_map(|(directory, library_path)| {
                let version = version(&directory.join("postgres"), library_path.as_ref())?;
                Some((version, Self { directory, library_path }))
            })
            .filter(|(version, _)| *version >= POSTGRES_AT_LEAST)
            .max_by_key(|(version, _)| *version)
            .map(|(_, found)| found)
            .with_context(|| {
                format!(
                    "PostgreSQL {POSTGRES_AT_LEAST} or later is missing: install it \
                     (Debian, Ubuntu: `apt-get install postgresql`; macOS: `brew install postgresql`)"
                )
            })
    }

    /// A command that can load PostgreSQL's libraries and is blind to our `PG*` variables.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
        if let Some(path) = &self.library_path {
            command.env("LD_LIBRARY_PATH", path);
        }
        command
    }
}

impl RedisBinary {
    /// The server that `PEERLINK_REDIS_SERVER` names, else the one on `PATH`, where packages put it, or
    /// unpacked by us.
    ///
    /// # Errors
    ///
    /// One line that says what to install.
    pub fn locate() -> Result<Self> {
        let root = unpacked_root();
        if let Some(server) = std::env::var_os("PEERLINK_REDIS_SERVER") {
            let server = PathBuf::from(server);
            let library_path = server.starts_with(&root).then(|| library_path(&root));
            return Self::checked(server.clone(), library_path)
                .with_context(|| format!("PEERLINK_REDIS_SERVER is {}", server.display()))?;
        }
        let mut directories = path_directories();
        directories.extend(["/usr/bin", "/opt/homebrew/bin", "/usr/local/bin"].map(PathBuf::from));
        let installed = directories.into_iter().map(|directory| (directory, None));
        let unpacked = [(root.join("usr/bin"), Some(library_path(&root)))];

        let mut problem = None;
        for (directory, library_path) in installed.chain(unpacked) {
            match Self::checked(directory.join("redis-server"), library_path) {
                Some(Ok(found)) => return Ok(found),
                Some(Err(error)) => problem = Some(error),
                None => {}
            }
        }
        Err(problem.unwrap_or_else(|| {
            anyhow::anyhow!(
                "Redis {REDIS_AT_LEAST}.0 or later is missing: install it \
                 (Debian, Ubuntu: `apt-get install redis-server`; macOS: `brew install redis`)"
            )
        }))
    }

    fn checked(server: PathBuf, library_path: Option<OsString>) -> Option<Result<Self>> {
        if !executable(&server) {
            return None;
        }
        let path = server.display();
        Some(match version(&server, library_path.as_ref()) {
            Some(version) if version >= REDIS_AT_LEAST => Ok(Self { server, library_path }),
            Some(version) => Err(anyhow::anyhow!(
                "{path} is Redis {version}: {REDIS_AT_LEAST}.0 or later is needed"
            )),
            None => Err(anyhow::anyhow!("{path} does not tell its version")),
        })
    }
}

/// The program of that name on `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    path_directories()
        .into_iter()
        .map(|directory| directory.join(name))
        .find(|path| executable(path))
}

fn path_directories() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// `directory/<any>/name`, sorted.
fn children(directory: impl AsRef<Path>, name: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path().join(name)).collect();
    paths.sort();
    paths
}

fn executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The major version: of `postgres (PostgreSQL) 15.18` the 15, of `Redis server v=7.0.15 sha=...` the 7.
fn version(program: &Path, library_path: Option<&OsString>) -> Option<u32> {
    let mut command = Command::new(program);
    command.arg("--version");
    if let Some(path) = library_path {
        command.env("LD_LIBRARY_PATH", path);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(|word| {
        let digits = word.trim_start_matches("v=");
        let (major, _) = digits.split_once(|c: char| !c.is_ascii_digit()).unwrap_or((digits, ""));
        major.parse().ok()
    })
}

/// Every directory below `root` into which Debian packages put shared libraries.
fn library_path(root: &Path) -> OsString {
    let mut directories = vec![root.join("usr/lib"), root.join("lib")];
    for parent in ["usr/lib", "lib"] {
        let below = children(root.join(parent), "").into_iter();
        directories.extend(below.filter(|path| path.to_string_lossy().contains("-linux-")));
    }
    // A path with a colon cannot be written into the variable; the directories without one still help.
    std::env::join_paths(directories.iter().filter(|path| !path.to_string_lossy().contains(':')))
        .unwrap_or_default()
}

/// The browser and its driver that the browser journeys use.
///
/// # Errors
///
/// One line that says what to install when it cannot be done here.
pub async fn locate_or_install_browser(note: &(dyn Fn(&str) + Sync)) -> Result<()> {
    let found = || on_path("chromium").is_some() && on_path("chromedriver").is_some();
    if !found() {
        install::install(&[install::Package::CHROMIUM], None, note).await?;
    }
    if !found() {
        bail!(
            "chromium and chromedriver are missing: install them \
             (Debian: `apt-get install chromium chromium-driver`)"
        );
    }
    Ok(())
}

/// Python, able to make virtual environments: the questions of the analytics documentation are asked with it.
///
/// # Errors
///
/// One line that says what to install when it cannot be done here.
pub async fn locate_or_install_python(note: &(dyn Fn(&str) + Sync)) -> Result<()> {
    // Debian's Python has `venv` and cannot use it until `ensurepip` is there, too.
    let found = || {
        let mut python = Command::new("python3");
        let output = python.args(["-c", "import venv, ensurepip"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !found() {
        install::install(&[install::Package::PYTHON], None, note).await?;
    }
    if !found() {
        bail!(
            "python3 with venv is missing: install it (Debian: `apt-get install python3 python3-venv`)"
        );
    }
    Ok(())
}
