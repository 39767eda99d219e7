//! `golden/manifest.txt`: the SHA-256 of every golden file, in the form of `sha256sum`.
//!
//! A golden file is a promise about bytes that were stored and published; it is never edited. To add one:
//!
//! ```sh
//! cd shared-schemas/golden && sha256sum post.pinned.v1.json >> manifest.txt
//! ```
//!
//! A review refuses a change of `manifest.txt` that does anything but add lines at its end.

use std::fs;

use aws_lc_rs::digest::{SHA256, digest};

use crate::golden;

/// What is wrong between a manifest and the files it speaks of.
fn differences(manifest: &str, files: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut promised: Vec<(&str, &str)> = Vec::new();
    let mut wrong = Vec::new();
    for line in manifest.lines() {
        match line.split_once("  ") {
            Some((_, name)) if promised.iter().any(|(known, _)| *known == name) => {
                wrong.push(format!("{name} is promised twice"));
            }
            Some((sum, name)) => promised.push((name, sum)),
            None => wrong.push(format!("{line:?} is no line of sha256sum")),
        }
    }
    for (name, bytes) in files {
        match promised.iter().find(|(known, _)| known == name) {
            None => wrong.push(format!("{name} is not in the manifest")),
            Some((_, sum)) if *sum != sha256(bytes) => wrong.push(format!("{name} was edited")),
            Some(_) => (),
        }
    }
    for (name, _) in promised {
        if !files.iter().any(|(file, _)| file == name) {
            wrong.push(format!("{name} was removed"));
        }
    }
    wrong
}

fn sha256(bytes: &[u8]) -> String {
    let bytes: Vec<String> =
        digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.concat()
}

#[test]
fn no_golden_file_was_edited_removed_or_left_unpromised() {
    let manifest = fs::read_to_string(golden::dir().join("manifest.txt")).unwrap();
    let names = golden::files().into_keys();
    let files: Vec<(String, Vec<u8>)> =
        names.map(|name| (name.clone(), fs::read(golden::dir().join(&name)).unwrap())).collect();

    let wrong = differences(&manifest, &files);

    assert!(wrong.is_empty(), "golden files are append-only:\n{}", wrong.join("\n"));
}

#[test]
fn an_edited_a_removed_an_added_and_a_repeated_file_are_noticed() {
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    // SHA-256 of "abc": FIPS 180-4, example 1.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let manifest = format!("{abc}  a.json\n{abc}  b.json\n{abc}  b.json\n");

    let wrong = differences(&manifest, &[file("a.json", "abd"), file("c.json", "abc")]);

    assert_eq!(
        wrong,
        [
            "b.json is promised twice",
            "a.json was edited",
            "c.json is not in the manifest",
            "b.json was removed",
        ]
    );
    assert!(differences(&format!("{abc}  a.json\n"), &[file("a.json", "abc")]).is_empty());
}
