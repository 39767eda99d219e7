//! What older builds recorded: archives keep it as it was, and whoever reads it back gets what it means.

use std::{fs::File, path::Path};

use event_archive::{Format, Manifest, Options, verify};
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor as _,
};
use sea_orm::ConnectionTrait as _;
use serde::{Deserialize, Serialize};
use shared_schemas::{Event, RawEvent, Service};

use crate::{
    export::{lines, run},
    world::{World, id, person},
};

/// What a meter shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum MeterEvent {
    #[serde(rename = "meter.read.v2")]
    Read { watts: i64 },
}

impl Event for MeterEvent {
    const CATEGORY: &'static str = "meter";
    const SERVICE: Service = Service::Post;

    /// It was kilowatts once.
    fn upcast(event: RawEvent) -> RawEvent {
        if event.event_type != "meter.read.v1" {
            return event;
        }
        let kilowatts = event.data.get("kilowatts").and_then(serde_json::Value::as_i64);
        event.renamed("meter.read.v2").with("watts", kilowatts.map(|number| number * 1_000))
    }
}

/// The events in the files of a Parquet archive, in the order of the manifest.
fn rows(directory: &Path, manifest: &Manifest) -> Vec<RawEvent> {
    let mut events = Vec::new();
    for file in &manifest.files {
        let reader = SerializedFileReader::new(File::open(directory.join(&file.path)).unwrap());
        for row in reader.unwrap().get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let event_type = row.get_string(1).unwrap().clone();
            let data = serde_json::from_str(row.get_string(14).unwrap()).unwrap();
            events.push(RawEvent { event_type, data });
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn superseded_events_are_archived_as_they_were_and_read_back_as_what_they_mean() {
    let world = World::new().await;
    let posts = world.service(Service::Post).await;
    for watts in [1_000, 2_000] {
        posts.record(id(1), person(1), vec![MeterEvent::Read { watts }]).await;
    }
    posts.settled().await;
    let age = "UPDATE event SET type = 'meter.read.v1', data = '{\"kilowatts\": 1}' WHERE aggregate_version = 1";
    posts.store.db().execute_unprepared(age).await.unwrap();

    for format in [Format::Jsonl, Format::Parquet] {
        let directory = tempfile::tempdir().unwrap();
        let options = Options::all(format);
        let exported = run(&world, &[&posts], directory.path(), &options).await.unwrap();
        let events: Vec<RawEvent> = match format {
            Format::Jsonl => lines(directory.path(), &exported.manifest)
                .into_iter()
                .map(|line| RawEvent { event_type: line.event_type, data: line.data })
                .collect(),
            Format::Parquet => rows(directory.path(), &exported.manifest),
        };

        let types: Vec<&str> = events.iter().map(|event| event.event_type.as_str()).collect();
        assert_eq!(types, ["meter.read.v1", "meter.read.v2"], "{format:?}: nothing is rewritten");
        let meant: Vec<Option<MeterEvent>> =
            events.into_iter().map(|event| MeterEvent::decode(event).unwrap()).collect();
        let read = |watts| Some(MeterEvent::Read { watts });
        assert_eq!(meant, [read(1_000), read(2_000)], "{format:?}");
        verify(directory.path()).unwrap();
    }
}
