//! What an export holds.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use event_archive::{ArchiveError, Exported, Format, Manifest, Options, Progress, export, verify};
use event_runtime::{RecordedEvent, history::Filter};
use shared_schemas::{EventId, Service, envelope::Envelope, post::PostEvent};

use crate::world::{Producer, World, id, person, time};

pub(crate) async fn run(
    world: &World,
    producers: &[&Producer],
    directory: &Path,
    options: &Options,
) -> Result<Exported, ArchiveError> {
    let sources: Vec<_> = producers.iter().map(|one| one.history.clone()).collect();
    export(&sources, directory, options, &world.clock, |_| ()).await
}

/// The events in the files of a JSONL archive, in the order of the manifest.
pub(crate) fn lines(directory: &Path, manifest: &Manifest) -> Vec<Envelope> {
    let text = |path: &str| fs::read_to_string(directory.join(path)).unwrap();
    let texts: Vec<String> = manifest.files.iter().map(|file| text(&file.path)).collect();
    texts
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Two services over three days.
pub(crate) async fn three_days() -> (World, Producer, Producer) {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    let auth = world.service(Service::Auth).await;
    for day in 1..=3 {
        world.move_to(day, 23, 59);
        posts.posts(7, 10).await;
        let event = shared_schemas::user::UserEvent::EmailVerified {};
        auth.record(id(day.into()), person(1), vec![event]).await;
        auth.settled().await;
    }
    (world, posts, auth)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_every_published_event_once_and_no_private_one() {
    let (world, posts, auth) = three_days().await;
    let directory = tempfile::tempdir().unwrap();
    let options = Options { stretch_events: 4, ..Options::all(Format::Jsonl) };

    let exported = run(&world, &[&posts, &auth], directory.path(), &options).await.unwrap();

    let manifest = exported.manifest;
    let mut found = lines(directory.path(), &manifest);
    let mut expected: Vec<Envelope> = posts
        .published()
        .await
        .iter()
        .chain(&auth.published().await)
        .map(RecordedEvent::envelope)
        .collect();
    let place = |one: &Envelope| (one.source.clone(), one.partition, one.sequence);
    found.sort_by_key(place);
    expected.sort_by_key(place);
    assert_eq!(found.len(), 24);
    assert_eq!(found, expected);
    assert!(found.iter().all(|event| event.event_type != "post.drafted.v1"));
    let text = fs::read_to_string(directory.path().join("manifest.json")).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_says_what_is_there_and_a_verification_agrees_in_both_forms() {
    let (world, posts, auth) = three_days().await;
    for format in [Format::Jsonl, Format::Parquet] {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { stretch_events: 4, ..Options::all(format) };

        let exported = run(&world, &[&posts, &auth], directory.path(), &options).await.unwrap();

        let manifest = &exported.manifest;
        assert_eq!(manifest.services, [Service::Auth, Service::Post]);
        assert_eq!(manifest.count, 24);
        let heads = [auth.history.heads().await.unwrap(), posts.history.heads().await.unwrap()];
        for (partition, head) in manifest.partitions.iter().zip(heads.iter().flatten()) {
            assert_eq!((partition.from_sequence, partition.to_sequence), (1, head.sequence));
            assert_eq!((partition.count, partition.is_dense), (head.sequence, true));
        }
        let types: BTreeMap<&str, (Option<u32>, u64)> =
            manifest.types.iter().map(|one| (&*one.event_type, (one.version, one.count))).collect();
        assert_eq!(types["post.published.v1"], (Some(1), 21));
        assert_eq!(types["user.email_verified.v1"], (Some(1), 3));
        let days: std::collections::BTreeSet<String> = manifest
            .files
            .iter()
            .map(|file| file.path.split('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(
            days.into_iter().collect::<Vec<_>>(),
            ["date=2026-03-01", "date=2026-03-02", "date=2026-03-03"]
        );

        let found = verify(directory.path()).unwrap();
        assert!(found.is_whole(), "{:?}", found.findings);
        assert_eq!((found.events, found.files), (24, manifest.files.len() as u64));
        assert_eq!(found.manifest_sha256, exported.manifest_sha256);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_export_holds_what_passes_and_says_that_it_has_gaps() {
    let (world, posts, auth) = three_days().await;
    let all = posts.published().await;
    let middle = time(&all[0]) + chrono::TimeDelta::hours(1);
    for format in [Format::Jsonl, Format::Parquet] {
        let directory = tempfile::tempdir().unwrap();
        let filter = Filter {
            types: vec!["post.*".parse().unwrap()],
            from: Some(middle),
            ..Filter::default()
        };
        let options = Options { filter: filter.clone(), ..Options::all(format) };

        let exported = run(&world, &[&posts, &auth], directory.path(), &options).await.unwrap();

        let passing = all.iter().filter(|event| filter.matches(event)).count() as u64;
        assert_eq!((exported.manifest.count, passing), (14, 14));
        assert_eq!(exported.manifest.filter, filter);
        assert!(exported.manifest.partitions.iter().any(|one| !one.is_dense));
        let found = verify(directory.path()).unwrap();
        assert!(found.is_whole(), "{:?}", found.findings);
        assert_eq!(found.events, 14);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_export_begins_where_the_last_one_ended() {
    let (world, posts, _auth) = three_days().await;
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = Options::all(Format::Jsonl);
    let first = run(&world, &[&posts], one.path(), &options).await.unwrap().manifest;
    posts.posts(5, 10).await;
    let after = Options { after: first.cursors.clone(), ..options };

    let second = run(&world, &[&posts], other.path(), &after).await.unwrap().manifest;

    let ids = |directory: &Path, manifest: &Manifest| -> Vec<EventId> {
        lines(directory, manifest).iter().map(|event| event.id).collect()
    };
    assert_eq!((first.count, second.count), (21, 5));
    let mut both = ids(one.path(), &first);
    both.extend(ids(other.path(), &second));
    both.sort_unstable();
    let mut all: Vec<EventId> = posts.published().await.iter().map(|event| event.id).collect();
    all.sort_unstable();
    assert_eq!(both, all);
    assert!(verify(other.path()).unwrap().is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_export_is_not_made_again_and_another_one_does_not_mix_with_it() {
    let (world, posts, auth) = three_days().await;
    let directory = tempfile::tempdir().unwrap();
    let options = Options::all(Format::Jsonl);
    let first = run(&world, &[&posts], directory.path(), &options).await.unwrap();
    posts.posts(1, 10).await;

    let again = run(&world, &[&posts], directory.path(), &options).await.unwrap();
    assert_eq!(again.manifest, first.manifest);

    let parquet = Options::all(Format::Parquet);
    for refused in [
        run(&world, &[&posts], directory.path(), &parquet).await,
        run(&world, &[&posts, &auth], directory.path(), &options).await,
    ] {
        assert!(matches!(refused, Err(ArchiveError::Occupied { .. })), "{refused:?}");
    }
    let strange = tempfile::tempdir().unwrap();
    fs::write(strange.path().join("letter.txt"), "mine").unwrap();
    let refused = run(&world, &[&posts], strange.path(), &options).await;
    assert!(matches!(refused, Err(ArchiveError::Occupied { .. })), "{refused:?}");
    assert_eq!(fs::read_to_string(strange.path().join("letter.txt")).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_keeps_to_its_rate_and_tells_how_far_it_is() {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    posts.posts(40, 10).await;
    let directory = tempfile::tempdir().unwrap();
    let options =
        Options { events_per_second: 20, stretch_events: 5, ..Options::all(Format::Jsonl) };
    let mut told: Vec<Progress> = Vec::new();
    let started = Instant::now();

    let sources = [posts.history.clone()];
    let exported = export(&sources, directory.path(), &options, &world.clock, |progress| {
        told.push(*progress);
    })
    .await
    .unwrap();

    assert_eq!(exported.manifest.count, 40);
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(told.windows(2).all(|pair| pair[0].done <= pair[1].done), "{told:?}");
    assert!(told.iter().all(|one| one.total == 40));
    assert!(told.iter().any(|one| one.done > 0 && one.remaining > Some(Duration::ZERO)));
    let last = told.last().unwrap();
    assert_eq!((last.done, last.events, last.remaining), (40, 40, Some(Duration::ZERO)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_with_nothing_in_it_makes_an_archive_with_nothing_in_it() {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    let author_id = person(1);
    let drafted = PostEvent::Drafted {
        author_id,
        title: "Mine".to_owned(),
        body: "alone".to_owned(),
        category: shared_schemas::post::Category::Other,
    };
    posts.record(id(1), author_id, vec![drafted]).await;
    let directory = tempfile::tempdir().unwrap();

    let options = Options::all(Format::Parquet);
    let exported = run(&world, &[&posts], directory.path(), &options).await.unwrap();

    assert_eq!((exported.manifest.count, exported.manifest.files.len()), (0, 0));
    assert!(verify(directory.path()).unwrap().is_whole());
}
