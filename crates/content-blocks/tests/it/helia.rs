//! Helia's importer itself, when npm is there: it decides, not our memory of what it said.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use content_blocks::{Profile, car, import};
use serde_json::Value;

use crate::{cid, made, profile};

/// The directory with the importer; `None` without npm or a registry.
fn installed() -> Option<PathBuf> {
    let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/helia");
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("helia");
    std::fs::create_dir_all(&directory).unwrap();
    // Two tests of one run, which are two processes, must not install into each other.
    let lock = std::fs::File::create(directory.join("lock")).unwrap();
    lock.lock().unwrap();
    for file in ["package.json", "package-lock.json", "cids.mjs"] {
        std::fs::copy(sources.join(file), directory.join(file)).unwrap();
    }
    if directory.join("node_modules/ipfs-unixfs-importer/package.json").exists() {
        return Some(directory);
    }
    let what = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    let install = Command::new("npm").args(what).current_dir(&directory).output().ok()?;
    let said = String::from_utf8_lossy(&install.stderr);
    let is_offline = ["ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT"];
    if is_offline.iter().any(|code| said.contains(code)) {
        return None;
    }
    assert!(install.status.success(), "{said}");
    Some(directory)
}

fn node(directory: &PathBuf, arguments: &[&str]) -> Output {
    let script =
        Command::new("node").arg("cids.mjs").args(arguments).current_dir(directory).output();
    let output = script.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn every_cid_is_the_one_that_helia_gives_now() {
    let Some(directory) = installed() else { return };
    let largest = made(50 * 1024 * 1024);
    let said = String::from_utf8(node(&directory, &[]).stdout).unwrap();
    let cases: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 33 + 1400);

    for case in cases {
        let number = |name: &str| usize::try_from(case[name].as_u64().unwrap()).unwrap();
        let profile = match case["profile"].as_str() {
            Some(name) => profile(name),
            None => Profile::raw_leaves(number("chunk"), number("fanout")).unwrap(),
        };
        assert_eq!(cid(profile, &largest[..number("size")]).to_string(), case["cid"], "{case}");
    }
}

#[test]
fn an_archive_of_ours_is_read_and_verified_by_another_implementation() {
    let Some(directory) = installed() else { return };
    let blocks = import(Profile::raw_leaves(1000, 3).unwrap(), &made(20_000));
    let root = blocks.last().unwrap().cid();
    let archive =
        car::write(&[root], blocks.iter().cloned().map(Ok::<_, std::convert::Infallible>));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), archive.unwrap()).unwrap();

    let said = node(&directory, &[file.path().to_str().unwrap()]).stdout;

    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["roots"][0], root.to_string());
    assert_eq!(said["blocks"], blocks.len());
}
