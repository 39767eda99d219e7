//! The main journey, step by step over HTTP: what a person can do, seen from outside.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ethers_signers::{LocalWallet, Signer as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Client, items, number, text, until},
    person::{MODERATOR, PASS_PHRASE, Person},
};

/// How long something may take to arrive where it will be seen.
const SOON: Duration = Duration::from_secs(15);

/// Is told of every step: its name, what came of it, how long it took.
pub type Reporter<'a> = &'a (dyn Fn(&str, &str, Duration) + Sync);

/// Walks the whole journey, and returns the post that is to become a token; the first surprise ends it.
///
/// # Errors
///
/// What was expected and what came instead.
pub async fn walk(client: &Client, report: Reporter<'_>) -> Result<String> {
    let run = fastrand::u64(..);
    let walk = Walk { client, report };

    let ada = walk.sign_up(&format!("ada-{run:x}@demo.peerlink.invalid"), "Ada").await?;
    let ben = walk.sign_up(&format!("ben-{run:x}@demo.peerlink.invalid"), "Ben").await?;
    walk.refusals(&ada).await?;
    walk.connect(&ada, &ben).await?;
    walk.agree(&ada).await?;
    let post = walk.post(&ada).await?;
    let comment = walk.comment(&ben, &post).await?;
    walk.reply(&ada, &post, &comment).await?;
    walk.react(&ben, &post).await?;
    walk.view(&ben, &post).await?;
    walk.totals(&ben, &post).await?;
    walk.profile(&ada, &ben).await?;
    walk.notifications(&ada, &ben).await?;
    walk.mint(&ada, &post).await?;
    walk.moderation(&ben).await?;
    walk.aliases(&ada, &post).await?;
    walk.sign_out(&ada).await?;
    Ok(post)
}

struct Walk<'a> {
    client: &'a Client,
    report: Reporter<'a>,
}

impl Walk<'_> {
    fn done(&self, step: &str, outcome: &str, since: Instant) {
        (self.report)(step, outcome, since.elapsed());
    }

    async fn sign_up(&self, email: &str, name: &str) -> Result<Person> {
        let since = Instant::now();
        let person = Person::sign_up(self.client, email, name, "Demo", &["BOOKS", "FOOD"]).await?;
        self.done(
            "sign up, read the mailed code, verify, sign in",
            &format!("{name} is {}", person.id),
            since,
        );
        Ok(person)
    }

    async fn refusals(&self, person: &Person) -> Result<()> {
        let since = Instant::now();
        let body = json!({ "email": person.email, "password": "not the pass phrase" });
        let wrong = self
            .client
            .call(&Method::POST, "/auth/signin", None, None, Some(&body))
            .await?
            .expect(401)?;
        let body = json!({ "email": "nobody@demo.peerlink.invalid", "password": PASS_PHRASE });
        let unknown = self
            .client
            .call(&Method::POST, "/auth/signin", None, None, Some(&body))
            .await?
            .expect(401)?;
        ensure!(wrong == unknown, "a wrong pass phrase and an unknown address must look the same");
        self.client.call(&Method::GET, "/posts", None, None, None).await?.expect(401)?;
        self.client
            .call(&Method::GET, "/users/me", Some("not.a.token"), None, None)
            .await?
            .expect(401)?;
        self.done("wrong pass phrase, unknown address, no token", "all refused with 401", since);
        Ok(())
    }

    async fn connect(&self, ada: &Person, ben: &Person) -> Result<()> {
        let since = Instant::now();
        let answer = ben.call(&Method::POST, &format!("/users/{}/connect", ada.id), None).await?;
        let connection = answer.expect(201)?;
        let again = ben.call(&Method::POST, &format!("/users/{}/connect", ada.id), None).await?;
        again.expect(409)?;
        let connections = ada.get("/users/me/connections").await?;
        let known = items(&connections)?
            .iter()
            .any(|one| text(one, "user_id").is_ok_and(|id| id == ben.id));
        ensure!(known, "Ada does not see the connection: {connections}");
        self.done("connect", &text(&connection, "connection_id")?, since);
        Ok(())
    }

    async fn agree(&self, ada: &Person) -> Result<()> {
        let since = Instant::now();
        let wish = json!({ "minting": "EVERYTHING", "text": "COMMITMENT" });
        ada.call(&Method::PUT, "/mints/consent", Some(&wish)).await?.expect(200)?;
        let mut key = [0; 32];
        fastrand::fill(&mut key);
        let wallet = LocalWallet::from_bytes(&key).context("32 bytes are a key")?;
        let claim = json!({ "address": format!("{:?}", wallet.address()) });
        let path = "/mints/wallet/challenge";
        let challenge = ada.call(&Method::POST, path, Some(&claim)).await?.expect(200)?;
        let signature = wallet.sign_message(text(&challenge, "message")?).await?;
        let proof = json!({ "signature": format!("0x{signature}") });
        let proven = ada.call(&Method::PUT, "/mints/wallet", Some(&proof)).await?.expect(200)?;
        let address = text(&proven, "address")?;
        self.done("agree to tokens, prove a wallet by a signature", &address, since);
        Ok(())
    }

    async fn post(&self, ada: &Person) -> Result<String> {
        let since = Instant::now();
        let draft = json!({ "title": "Bread", "body": "Flour, water, salt.", "category": "FOOD", "status": "DRAFT" });
        let id = text(&ada.create("/posts", &draft).await?, "id")?;
        let body = "Flour, water, salt and **time**.";
        let full =
            json!({ "title": "Bread", "body": body, "category": "FOOD", "status": "POSTED" });
        let published =
            ada.call(&Method::PUT, &format!("/posts/{id}"), Some(&full)).await?.expect(200)?;
        ensure!(text(&published, "status")? == "POSTED", "not published: {published}");
        self.done("write a draft, publish it", &format!("post {id}"), since);
        Ok(id)
    }

    async fn comment(&self, ben: &Person, post: &str) -> Result<String> {
        let since = Instant::now();
        let comment = ben.comment(post, "How long did you let it rest?").await?;
        let missing = json!({ "body": "Hello?" });
        let nowhere = "/00000000-0000-7000-8000-000000000000/comments";
        ben.call(&Method::POST, nowhere, Some(&missing)).await?.expect(404)?;
        self.done("comment on a post made a moment ago", &format!("comment {comment}"), since);
        Ok(comment)
    }

    async fn reply(&self, ada: &Person, post: &str, comment: &str) -> Result<()> {
        let since = Instant::now();
        let reply = json!({ "body": "Eighteen hours, in the cold.", "parent_id": comment });
        let reply = text(&ada.create(&format!("/{post}/comments"), &reply).await?, "id")?;
        self.done("reply to the comment", &format!("comment {reply}"), since);
        Ok(())
    }

    async fn react(&self, ben: &Person, post: &str) -> Result<()> {
        let since = Instant::now();
        let path = format!("/{post}/post-reactions");
        let answer = ben.call(&Method::POST, &path, Some(&json!({ "kind": "LIKE" }))).await?;
        let reaction = text(&answer.expect(201)?, "id")?;
        ben.call(&Method::POST, &path, Some(&json!({ "kind": "LOVE" }))).await?.expect(409)?;
        let change = json!({ "kind": "LOVE" });
        ben.call(&Method::PUT, &format!("/post-reactions/{reaction}"), Some(&change))
            .await?
            .expect(200)?;
        self.done("react, change the reaction", &format!("reaction {reaction}"), since);
        Ok(())
    }

    async fn view(&self, ben: &Person, post: &str) -> Result<()> {
        let since = Instant::now();
        let (first, second) = (ben.view(post).await?, ben.view(post).await?);
        // The two may fall into two hours.
        ensure!(first, "the first view did not count");
        self.done(
            "view twice",
            if second { "counted in two hours" } else { "counted once" },
            since,
        );
        Ok(())
    }

    async fn totals(&self, reader: &Person, post: &str) -> Result<()> {
        let since = Instant::now();
        let path = format!("/posts/{post}");
        let shown = until(SOON, || async {
            let shown = reader.get(&path).await?;
            let totals = (number(&shown, "total_comments")?, number(&shown, "total_reactions")?);
            ensure!(
                totals == (2, 1) && number(&shown, "total_views")? >= 1,
                "totals are not there: {shown}"
            );
            Ok(shown)
        });
        let shown = shown.await?;
        let score = number(&shown, "score")?;
        self.done(
            "see the totals on the post",
            &format!("2 comments, 1 reaction, views; score {score}"),
            since,
        );
        Ok(())
    }

    async fn profile(&self, ada: &Person, ben: &Person) -> Result<()> {
        let since = Instant::now();
        let profile = until(SOON, || async {
            let profile = ada.get("/me/activity-profile").await?;
            let totals = profile.get("totals").context("no totals")?;
            let received =
                (number(totals, "comments_received")?, number(totals, "reactions_received")?);
            ensure!(
                received == (1, 1) && number(totals, "posts")? == 1,
                "the profile has not moved: {profile}"
            );
            Ok(profile)
        });
        let profile = profile.await?;
        ben.get(&format!("/users/{}/activity-profile", ada.id)).await?;
        let outcome = format!(
            "{} with a score of {}",
            text(&profile, "level")?,
            number(&profile, "engagement_score")?
        );
        self.done("see the activity profile move", &outcome, since);
        Ok(())
    }

    async fn notifications(&self, ada: &Person, ben: &Person) -> Result<()> {
        let since = Instant::now();
        let page = until(SOON, || async {
            let page = ada.get("/me/notifications").await?;
            for kind in ["POST_REACTION_RECEIVED", "POST_COMMENT_RECEIVED", "USER_CONNECTED"] {
                let there = items(&page)?
                    .iter()
                    .any(|one| text(one, "kind").is_ok_and(|found| found == kind));
                ensure!(there, "no {kind}: {page}");
            }
            Ok(page)
        });
        let page = page.await?;
        let id = text(items(&page)?.first().context("no notification")?, "id")?;
        let path = format!("/me/notifications/{id}/viewed");
        ada.call(&Method::POST, &path, None).await?.expect(204)?;
        ben.call(&Method::POST, &path, None).await?.expect(404)?;
        self.done(
            "read the notifications",
            &format!("{} of them, one viewed", items(&page)?.len()),
            since,
        );
        Ok(())
    }

    async fn mint(&self, ada: &Person, post: &str) -> Result<()> {
        let since = Instant::now();
        let mint = until(SOON, || async {
            let page = ada.get("/mints").await?;
            let mint = items(&page)?
                .iter()
                .find(|mint| mint.pointer("/subject/id").and_then(Value::as_str) == Some(post))
                .with_context(|| format!("no mint of the post: {page}"))?;
            Ok(format!("mint {} is {}", text(mint, "id")?, text(mint, "state")?))
        });
        self.done("see the post on its way to a token", &mint.await?, since);
        Ok(())
    }

    async fn moderation(&self, ben: &Person) -> Result<()> {
        let since = Instant::now();
        let moderator = match Person::sign_in(self.client, MODERATOR).await {
            Ok(moderator) => moderator,
            Err(_) => Person::sign_up(self.client, MODERATOR, "Mo", "Derator", &["OTHER"]).await?,
        };
        ben.call(&Method::GET, "/moderation/cases", None).await?.expect(403)?;
        let post = ben
            .post("To you know who", "You are a worthless idiot and everybody hates you.", "OTHER")
            .await?;
        let case = until(SOON, || case_of(&moderator, &post)).await?;
        let id = text(&case, "id")?;
        let path = format!("/moderation/cases/{id}/decision");
        if text(&case, "state")? == "OPENED" {
            moderator
                .call(&Method::POST, &path, Some(&json!({ "decision": "DELETE" })))
                .await?
                .expect(200)?;
        }
        state_becomes(&moderator, &id, "DELETE_CONFIRMED").await?;
        let reader = &moderator;
        let author_sees = ben.get(&format!("/posts/{post}")).await?;
        ensure!(
            author_sees.get("hidden").and_then(Value::as_bool) == Some(true),
            "not hidden: {author_sees}"
        );
        self.done(
            "post an insult, see it analysed and removed",
            &format!("case {id} is DELETE_CONFIRMED"),
            since,
        );

        let since = Instant::now();
        reader
            .call(&Method::POST, &path, Some(&json!({ "decision": "RESTORE" })))
            .await?
            .expect(200)?;
        state_becomes(&moderator, &id, "RESTORE_CONFIRMED").await?;
        let shown = ben.get(&format!("/posts/{post}")).await?;
        ensure!(
            shown.get("hidden").and_then(Value::as_bool) == Some(false),
            "still hidden: {shown}"
        );
        self.done("restore it", &format!("case {id} is RESTORE_CONFIRMED"), since);
        Ok(())
    }

    async fn aliases(&self, ada: &Person, post: &str) -> Result<()> {
        let since = Instant::now();
        let token = ada.token().await?;
        let gateway = &self.client.endpoints().gateway;
        for path in ["/all-posts/".to_owned(), format!("/post-detail/{post}/")] {
            let url = format!("{gateway}{path}");
            self.client.send(&url, &Method::GET, Some(&token), None, None).await?.expect(200)?;
        }
        let body = json!({ "email": ada.email, "password": PASS_PHRASE });
        self.client
            .send(&format!("{gateway}/login/"), &Method::POST, None, None, Some(&body))
            .await?
            .expect(200)?;
        self.done("use the plain aliases", "/all-posts/ /post-detail/{id}/ /login/", since);
        Ok(())
    }

    async fn sign_out(&self, ada: &Person) -> Result<()> {
        let since = Instant::now();
        let token = ada.token().await?;
        let answer =
            self.client.call(&Method::POST, "/auth/signout", Some(&token), None, None).await?;
        answer.expect(204)?;
        let left = Instant::now();
        until(SOON, || async {
            for (name, url) in &self.client.endpoints().services {
                let path = match name.as_str() {
                    "auth" => "/users/me",
                    "interaction" => "/comments/00000000-0000-7000-8000-000000000000",
                    "moderation" => "/moderation/cases",
                    "engagement" => "/me/activity-profile",
                    "minting" => "/mints",
                    _ => "/posts",
                };
                let answer = self
                    .client
                    .send(&format!("{url}/api/v1{path}"), &Method::GET, Some(&token), None, None)
                    .await?;
                answer.expect(401).with_context(|| format!("{name} still believes the token"))?;
            }
            Ok(())
        })
        .await?;
        let outcome = format!("refused by every service {} ms later", left.elapsed().as_millis());
        self.done("sign out", &outcome, since);
        Ok(())
    }
}

async fn case_of(moderator: &Person, post: &str) -> Result<Value> {
    let page = moderator.get("/moderation/cases?limit=100").await?;
    let of_post = |case: &&Value| case.pointer("/subject/id").and_then(Value::as_str) == Some(post);
    items(&page)?
        .iter()
        .find(of_post)
        .cloned()
        .with_context(|| format!("no case about post {post}"))
}

async fn state_becomes(moderator: &Person, case: &str, state: &str) -> Result<()> {
    until(SOON, || async {
        let found = moderator.get(&format!("/moderation/cases/{case}")).await?;
        ensure!(text(&found, "state")? == state, "the case is not {state}: {found}");
        Ok(())
    })
    .await
}
