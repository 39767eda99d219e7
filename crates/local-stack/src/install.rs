//! Installing programs, in the way this machine allows.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use crate::binaries::on_path;

/// A program under the names that package managers give it.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    debian: &'static [&'static str],
    homebrew: &'static str,
}

impl Package {
    /// PostgreSQL's server and client.
    pub const POSTGRES: Self = Self { debian: &["postgresql"], homebrew: "postgresql" };
    /// Redis' server.
    pub const REDIS: Self = Self { debian: &["redis-server"], homebrew: "redis" };
    /// A browser that tests can drive.
    pub const CHROMIUM: Self =
        Self { debian: &["chromium", "chromium-driver"], homebrew: "chromedriver" };
    /// Python with virtual environments.
    pub const PYTHON: Self = Self { debian: &["python3", "python3-venv"], homebrew: "python" };
}

/// Installs without starting any system service: `policy-rc.d` forbids it, and is put back as it was.
///
/// The lists are refreshed only when the installation fails without: it takes long, and needs a network.
const APT_INSTALL: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
apt-get install -y --no-install-recommends "$@" || {
    apt-get update
    apt-get install -y --no-install-recommends "$@"
}
"#;

/// Downloads exactly what an installation would add, and unpacks it below the first argument.
const APT_UNPACK: &str = r#"
set -e
root=$1; shift
mkdir -p "$root/packages"
cd "$root/packages"
missing=$(apt-get install --simulate --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
[ -n "$missing" ]
apt-get download $missing
for package in ./*.deb; do dpkg -x "$package" "$root"; done
rm -rf "$root/packages"
"#;

/// Installs `packages` with apt as root or through sudo, or unpacks them below `unpacked`, or asks Homebrew.
///
/// # Errors
///
/// One line that says what to install by hand.
pub async fn install(
    packages: &[Package],
    unpacked: Option<&Path>,
    note: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    let debian: Vec<_> = packages.iter().flat_map(|package| package.debian).copied().collect();
    let names = debian.join(" ");
    if on_path("apt-get").is_some() {
        let root = nix::unistd::geteuid().is_root();
        if root {
            note(&format!("installing {names} with apt-get"));
            return run(Command::new("sh").args(["-c", APT_INSTALL, "sh"]).args(&debian)).await;
        }
        if succeeds(Command::new("sudo").args(["-n", "true"])).await {
            note(&format!("installing {names} with sudo apt-get"));
            return run(Command::new("sudo")
                .args(["-n", "sh", "-c", APT_INSTALL, "sh"])
                .args(&debian))
            .await;
        }
        if let Some(directory) = unpacked {
            note(&format!("no root and no sudo: unpacking {names} into {}", directory.display()));
            std::fs::create_dir_all(directory)?;
            let directory = directory.canonicalize()?;
            return run(Command::new("sh")
                .args(["-c", APT_UNPACK, "sh"])
                .arg(directory)
                .args(&debian))
            .await;
        }
        bail!("{names} missing: run `sudo apt-get install {names}`");
    }
    if on_path("brew").is_some() {
        let formulas: Vec<_> = packages.iter().map(|package| package.homebrew).collect();
        note(&format!("installing {} with brew", formulas.join(" ")));
        return run(Command::new("brew").arg("install").args(&formulas)).await;
    }
    bail!("{names} missing: install what your system calls so (there is neither apt-get nor brew)")
}

async fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success())
}

async fn run(command: &mut Command) -> Result<()> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("cannot start {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    let lines: Vec<_> = lines.into_iter().rev().collect();
    bail!("the installation failed ({}): {}", output.status, lines.join(" / "))
}
