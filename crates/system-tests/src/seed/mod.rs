//! Demo data: fifty people and what they have written, made over HTTP like everything else.

mod words;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    client::Client,
    person::{MODERATOR, Person},
    workload::Done,
};

/// People of the demo.
pub const PEOPLE: usize = 50;

/// Posts of the demo.
pub const POSTS: usize = 500;

/// Requests in flight.
const CONCURRENCY: usize = 24;

/// Everything that [`plant`] does, for progress bars.
pub const STEPS: usize = PEOPLE + 1 + POSTS + COMMENTS + REACTIONS + VIEWS + CONNECTIONS;

const COMMENTS: usize = 900;
const REACTIONS: usize = 1_200;
const VIEWS: usize = 1_800;
const CONNECTIONS: usize = 120;

/// Somebody to sign in as.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The address.
    pub email: String,
    /// What the account is for.
    pub role: &'static str,
}

/// The accounts that are shown to people.
pub fn sign_ins() -> Vec<SignIn> {
    let person = |number| SignIn { email: words::email(number), role: "member" };
    vec![person(0), person(1), SignIn { email: MODERATOR.to_owned(), role: "moderator" }]
}

/// Whether the demo data are there already.
///
/// # Errors
///
/// If nobody answers.
pub async fn is_planted(client: &Client) -> Result<bool> {
    let body = serde_json::json!({ "email": MODERATOR, "password": crate::person::PASS_PHRASE });
    let answer =
        client.call(&reqwest::Method::POST, "/auth/signin", None, None, Some(&body)).await?;
    Ok(answer.status.is_success())
}

/// Makes the demo data. The same every time, down to who says what to whom.
///
/// # Errors
///
/// If something is refused.
pub async fn plant(client: &Client, done: &Done) -> Result<()> {
    let people: Vec<Person> = stream::iter(0..PEOPLE)
        .map(|number| async move {
            let (first, last) = words::name(number);
            let interests = [words::topic(number).category, words::topic(number + 5).category];
            let person =
                Person::sign_up(client, &words::email(number), first, last, &interests).await?;
            done.step();
            anyhow::Ok(person)
        })
        .buffered(8)
        .try_collect()
        .await?;
    let mut random = fastrand::Rng::with_seed(20);
    connect(&people, &mut random, done).await?;
    let posts = write(&people, done).await?;
    comment(&people, &posts, &mut random, done).await?;
    react(&people, &posts, &mut random, done).await?;
    // Last, so that an interrupted planting is not taken for a finished one.
    Person::sign_up(client, MODERATOR, "Mo", "Derator", &["OTHER"]).await?;
    done.step();
    Ok(())
}

async fn connect(people: &[Person], random: &mut fastrand::Rng, done: &Done) -> Result<()> {
    let pairs: Vec<(usize, usize)> = (0..CONNECTIONS)
        .map(|_| (random.usize(..people.len()), random.usize(1..people.len())))
        .collect();
    stream::iter(pairs)
        .map(|(one, offset)| async move {
            let other = people.get((one + offset) % people.len()).context("nobody")?;
            let person = people.get(one).context("nobody")?;
            let path = format!("/users/{}/connect", other.id);
            let answer = person.call(&reqwest::Method::POST, &path, None).await?;
            anyhow::ensure!(matches!(answer.status.as_u16(), 201 | 409), "{}", answer.body);
            done.step();
            Ok(())
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// Posts in the order of their numbers, each by a person who cares about its topic.
async fn write(people: &[Person], done: &Done) -> Result<Vec<String>> {
    stream::iter(0..POSTS)
        .map(|number| async move {
            let author = people.get((number * 7) % people.len()).context("nobody")?;
            let (title, body, category) = words::post(number);
            let id = author.post(&title, &body, category).await?;
            done.step();
            anyhow::Ok(id)
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await
}

async fn comment(
    people: &[Person],
    posts: &[String],
    random: &mut fastrand::Rng,
    done: &Done,
) -> Result<()> {
    let pairs: Vec<(usize, usize, usize)> = (0..COMMENTS)
        .map(|number| (random.usize(..people.len()), popular(random, posts.len()), number))
        .collect();
    stream::iter(pairs)
        .map(|(person, post, number)| async move {
            let person = people.get(person).context("nobody")?;
            let at = post;
            let post = posts.get(post).context("no post")?;
            person.comment(post, &words::comment(number, at)).await?;
            done.step();
            anyhow::Ok(())
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

async fn react(
    people: &[Person],
    posts: &[String],
    random: &mut fastrand::Rng,
    done: &Done,
) -> Result<()> {
    const KINDS: [&str; 10] =
        ["LIKE", "LIKE", "LIKE", "LIKE", "LOVE", "LOVE", "JOY", "FUNNY", "SAD", "ANGRY"];
    let acts: Vec<(usize, usize, Option<usize>)> = (0..REACTIONS + VIEWS)
        .map(|number| {
            let kind = (number < REACTIONS).then(|| random.usize(..KINDS.len()));
            (random.usize(..people.len()), popular(random, posts.len()), kind)
        })
        .collect();
    stream::iter(acts)
        .map(|(person, post, kind)| async move {
            let person = people.get(person).context("nobody")?;
            let post = posts.get(post).context("no post")?;
            match kind {
                Some(kind) => {
                    person.react(post, KINDS.get(kind).copied().unwrap_or("LIKE")).await?;
                }
                None => drop(person.view(post).await?),
            }
            done.step();
            anyhow::Ok(())
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// Few posts are popular: the square of a uniform number leans towards the first ones.
fn popular(random: &mut fastrand::Rng, posts: usize) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "five hundred posts"
    )]
    let at = (random.f64().powi(2) * posts as f64) as usize;
    at.min(posts.saturating_sub(1))
}
