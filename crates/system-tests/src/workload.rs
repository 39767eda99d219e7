//! The workload of the platform's first prototype, of any size: people who post, comment, react and view, all at once.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::{client::Client, person::Person};

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// People.
    pub people: usize,
    /// Posts.
    pub posts: usize,
    /// Comments, and as many reactions and views.
    pub acts: usize,
}

impl Size {
    /// The prototype's own: 8 people, 24 posts, 48 comments, reactions and views.
    pub const PROTOTYPE: Self = Self { people: 8, posts: 24, acts: 48 };

    /// So many times as much of everything.
    #[must_use]
    pub const fn times(self, factor: usize) -> Self {
        Self { people: self.people * factor, posts: self.posts * factor, acts: self.acts * factor }
    }

    /// Requests that change something, sign-ups not counted.
    pub const fn requests(self) -> usize {
        self.posts + 3 * self.acts
    }
}

/// How long a post may take until every service knows it, whatever fails meanwhile.
const HEARSAY: Duration = Duration::from_mins(1);

/// Requests in flight.
const CONCURRENCY: usize = 32;

const CATEGORIES: [&str; 6] =
    ["BOOKS", "FOOD", "TRAVEL", "TECHNOLOGY", "MUSIC_AND_ART", "SCIENTIFIC"];
const KINDS: [&str; 6] = ["LIKE", "LOVE", "ANGRY", "SAD", "FUNNY", "JOY"];

/// What has been done so far; for progress bars.
#[derive(Debug, Default)]
pub struct Done(AtomicUsize);

impl Done {
    /// Requests answered.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more.
    pub fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Signs people up, a few at a time: pass phrases are slow to hash by design.
///
/// # Errors
///
/// If somebody is refused.
pub async fn people(client: &Client, count: usize, done: &Done) -> Result<Vec<Person>> {
    let run = fastrand::u64(..);
    stream::iter(0..count)
        .map(|number| async move {
            let email = format!("person-{run:x}-{number}@workload.peerlink.invalid");
            let interests = [pick(&CATEGORIES, number), pick(&CATEGORIES, number + 1)];
            let person =
                Person::sign_up(client, &email, "Robin", &format!("No {number}"), &interests)
                    .await?;
            done.step();
            Ok(person)
        })
        .buffered(8)
        .try_collect()
        .await
}

/// Lets people do everything at once: whoever posts, others comment, react and view while more is posted.
///
/// # Errors
///
/// If a request is refused for another reason than that it was repeated.
pub async fn run(people: &[Person], size: Size, done: &Done) -> Result<Vec<String>> {
    let posts: Vec<String> = stream::iter(0..size.posts)
        .map(|number| async move {
            let author = people.get(number % people.len()).context("nobody there")?;
            let title = format!("Note {number}");
            let body =
                format!("What I found out about subject number {number} on a quiet afternoon.");
            let post = author.post(&title, &body, pick(&CATEGORIES, number)).await?;
            done.step();
            anyhow::Ok(post)
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;

    let posts_ref = &posts;
    stream::iter(0..3 * size.acts)
        .map(|step| async move {
            let (number, act) = (step / 3, step % 3);
            // Each act pairs another person with another post, so that nobody reacts to or views the same post twice.
            let post = posts_ref.get(number % posts_ref.len()).context("no posts")?;
            let round = number / posts_ref.len();
            let person = people.get((number + 1 + round) % people.len()).context("nobody there")?;
            once_known(async || {
                match act {
                    0 => {
                        let text = format!("Thank you, this is point {number}.");
                        drop(person.comment(post, &text).await?);
                    }
                    1 => person.react(post, pick(&KINDS, number)).await?,
                    _ => drop(person.view(post).await?),
                }
                Ok(())
            })
            .await?;
            done.step();
            anyhow::Ok(())
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(posts)
}

/// Acts on a post, which the service that is asked may not have heard of yet: when streams are mended, that takes seconds.
async fn once_known(act: impl AsyncFn() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + HEARSAY;
    loop {
        match act().await {
            Err(error) if is_unknown(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            result => return result,
        }
    }
}

/// Whether the answer was that there is no such post, and nothing else.
fn is_unknown(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("404 Not Found")
}

fn pick(list: &[&'static str], number: usize) -> &'static str {
    list.get(number % list.len()).copied().unwrap_or("OTHER")
}
