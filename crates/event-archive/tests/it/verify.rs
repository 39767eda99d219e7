//! What a verification finds.

use std::{fs, path::Path};

use event_archive::{ArchiveError, Finding, Format, MANIFEST, Manifest, Options, verify};
use serde_json::Value;

use crate::export::{run, three_days};

/// An archive of two services in stretches of four events.
async fn archive(format: Format) -> (tempfile::TempDir, Manifest) {
    let (world, posts, auth) = three_days().await;
    let directory = tempfile::tempdir().unwrap();
    let options = Options { stretch_events: 4, ..Options::all(format) };
    let exported = run(&world, &[&posts, &auth], directory.path(), &options).await.unwrap();
    (directory, exported.manifest)
}

/// A change to the manifest's JSON.
type Change = fn(&mut Value);

/// Changes the manifest's JSON.
fn edit(directory: &Path, change: impl FnOnce(&mut Value)) {
    let path = directory.join(MANIFEST);
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(path, manifest.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_is_found_wherever_it_is() {
    for format in [Format::Jsonl, Format::Parquet] {
        let (directory, manifest) = archive(format).await;
        let file = &manifest.files[1];
        let path = directory.path().join(&file.path);
        let whole = fs::read(&path).unwrap();

        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();

            let found = verify(directory.path()).unwrap().findings;

            let changed = Finding::Changed { path: file.path.clone() };
            assert!(found.contains(&changed), "{format:?} at {at}: {found:?}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(verify(directory.path()).unwrap().is_whole());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_and_one_too_many_are_found() {
    let (directory, manifest) = archive(Format::Parquet).await;
    let (missing, kept) = (&manifest.files[0], &manifest.files[1]);
    fs::remove_file(directory.path().join(&missing.path)).unwrap();
    let unlisted = "date=2026-03-01/copy.parquet";
    fs::copy(directory.path().join(&kept.path), directory.path().join(unlisted)).unwrap();

    let found = verify(directory.path()).unwrap().findings;

    assert!(found.contains(&Finding::Missing { path: missing.path.clone() }), "{found:?}");
    assert!(found.contains(&Finding::Unlisted { path: unlisted.to_owned() }), "{found:?}");
    assert!(found.iter().any(|one| matches!(one, Finding::Hole { .. })), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_is_found_although_files_and_manifest_agree() {
    for format in [Format::Jsonl, Format::Parquet] {
        let (directory, manifest) = archive(format).await;
        let gone = manifest
            .files
            .iter()
            .find(|file| file.from_sequence > 1 && file.service == shared_schemas::Service::Post)
            .unwrap()
            .clone();
        let stretch: Vec<_> = manifest
            .files
            .iter()
            .filter(|file| {
                (file.service, file.partition, file.from_sequence)
                    == (gone.service, gone.partition, gone.from_sequence)
            })
            .collect();
        let count: u64 = stretch.iter().map(|file| file.count).sum();
        for file in &stretch {
            fs::remove_file(directory.path().join(&file.path)).unwrap();
        }
        // A forger who knows the form of the manifest and makes every count agree.
        edit(directory.path(), |manifest| {
            let less = |value: &mut Value| *value = Value::from(value.as_u64().unwrap() - count);
            less(&mut manifest["count"]);
            for partition in manifest["partitions"].as_array_mut().unwrap() {
                let here = partition["service"] == gone.service.as_str()
                    && partition["partition"] == gone.partition;
                if here {
                    less(&mut partition["count"]);
                    partition["is_dense"] = Value::Bool(false);
                }
            }
            for one in manifest["types"].as_array_mut().unwrap() {
                if one["type"] == "post.published.v1" {
                    less(&mut one["count"]);
                }
            }
            let paths: Vec<&str> = stretch.iter().map(|file| &*file.path).collect();
            let files = manifest["files"].as_array_mut().unwrap();
            files.retain(|file| !paths.contains(&file["path"].as_str().unwrap()));
        });

        let found = verify(directory.path()).unwrap().findings;

        let hole = Finding::Hole {
            service: gone.service,
            partition: gone.partition,
            from_sequence: gone.from_sequence,
            to_sequence: gone.to_sequence,
        };
        assert_eq!(found, [hole]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_there_twice_or_in_the_wrong_place_is_found() {
    let (directory, manifest) = archive(Format::Jsonl).await;
    let file = &manifest.files[0];
    let path = directory.path().join(&file.path);
    let text = fs::read_to_string(&path).unwrap();
    let first = text.lines().next().unwrap();
    fs::write(&path, format!("{text}{first}\n")).unwrap();

    let found = verify(directory.path()).unwrap().findings;
    assert!(found.iter().any(|one| matches!(one, Finding::Repeated { .. })), "{found:?}");
    assert!(found.iter().any(|one| matches!(one, Finding::Count { .. })), "{found:?}");

    let strange = manifest.files.iter().find(|other| other.service != file.service).unwrap();
    fs::copy(directory.path().join(&strange.path), &path).unwrap();
    let found = verify(directory.path()).unwrap().findings;
    assert!(found.iter().any(|one| matches!(one, Finding::Unreadable { .. })), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_names_in_a_manifest_are_not_believed() {
    let (directory, manifest) = archive(Format::Jsonl).await;
    let original = fs::read(directory.path().join(MANIFEST)).unwrap();
    let changes: [(&str, Change); 4] = [
        ("the whole", |manifest| manifest["count"] = Value::from(25)),
        ("a type", |manifest| manifest["types"][0]["count"] = Value::from(99)),
        ("another range", |manifest| manifest["partitions"][0]["to_sequence"] = Value::from(99)),
        ("a path outside", |manifest| {
            manifest["files"][0]["path"] = Value::from("../../etc/hostname");
        }),
    ];
    for (what, change) in changes {
        edit(directory.path(), change);
        assert!(!verify(directory.path()).unwrap().is_whole(), "{what}");
        fs::write(directory.path().join(MANIFEST), &original).unwrap();
    }
    assert!(verify(directory.path()).unwrap().is_whole());

    edit(directory.path(), |manifest| manifest["format_version"] = Value::from(2));
    let refused = verify(directory.path());
    assert!(matches!(refused, Err(ArchiveError::FormatVersion { found: 2 })), "{refused:?}");
    fs::remove_file(directory.path().join(MANIFEST)).unwrap();
    let refused = verify(directory.path());
    assert!(matches!(refused, Err(ArchiveError::Unfinished(_))), "{refused:?}");
    assert_eq!(manifest.format_version, 1);
}
