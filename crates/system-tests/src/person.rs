//! Somebody with an account: signs up like everybody else, and does what people do.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::RwLock, time::Instant};

use crate::client::{Answer, Client, text, until};

/// The pass phrase of everybody in demo data and tests.
pub const PASS_PHRASE: &str = "seven lanterns over a quiet harbour";

/// The address that gets the moderator role in a local stack.
pub const MODERATOR: &str = "moderator@demo.peerlink.invalid";

/// Tokens are good for five minutes; a new one is fetched before that.
const FRESH: Duration = Duration::from_mins(4);

/// An account, signed in.
#[derive(Clone)]
pub struct Person {
    client: Client,
    /// The account.
    pub id: String,
    /// Its address.
    pub email: String,
    session: Arc<RwLock<Session>>,
}

struct Session {
    token: String,
    refresh_token: String,
    since: Instant,
}

impl Person {
    /// Signs somebody up, reads the code in the mail sink, verifies it and signs in.
    ///
    /// # Errors
    ///
    /// If any step is refused.
    pub async fn sign_up(
        client: &Client,
        email: &str,
        first_name: &str,
        last_name: &str,
        interests: &[&str],
    ) -> Result<Self> {
        let body = json!({
            "email": email, "password": PASS_PHRASE, "first_name": first_name, "last_name": last_name,
            "interests": interests,
        });
        let answer = client.call(&Method::POST, "/auth/signup", None, None, Some(&body)).await?;
        answer.expect(202).with_context(|| format!("sign-up of {email}"))?;
        let code = until(Duration::from_mins(1), || code_of(client, email)).await?;
        let body = json!({ "email": email, "code": code });
        let answer =
            client.call(&Method::POST, "/auth/verify-email", None, None, Some(&body)).await?;
        // A repeated request finds the code used: signing in will tell whether the first one arrived.
        if answer.status.as_u16() != 400 {
            answer.expect(200).with_context(|| format!("verification of {email}"))?;
        }
        Self::sign_in(client, email).await
    }

    /// Signs somebody in who has an account.
    ///
    /// # Errors
    ///
    /// If the address or the pass phrase is not accepted.
    pub async fn sign_in(client: &Client, email: &str) -> Result<Self> {
        let session = open_session(client, email).await?;
        let me = client
            .call(&Method::GET, "/users/me", Some(&session.token), None, None)
            .await?
            .expect(200)?;
        Ok(Self {
            client: client.clone(),
            id: text(&me, "id")?,
            email: email.to_owned(),
            session: Arc::new(RwLock::new(session)),
        })
    }

    /// An access token that is good for at least another minute.
    ///
    /// # Errors
    ///
    /// If signing in again is refused.
    pub async fn token(&self) -> Result<String> {
        {
            let session = self.session.read().await;
            if session.since.elapsed() < FRESH {
                return Ok(session.token.clone());
            }
        }
        let mut session = self.session.write().await;
        if session.since.elapsed() >= FRESH {
            *session = open_session(&self.client, &self.email).await?;
        }
        Ok(session.token.clone())
    }

    /// The refresh token of the session.
    pub async fn refresh_token(&self) -> String {
        self.session.read().await.refresh_token.clone()
    }

    /// A request as this person, repeated until it is answered.
    ///
    /// # Errors
    ///
    /// If nobody answers.
    pub async fn call(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.call_once(method, path, None, body).await
    }

    /// A request with an idempotency key, repeated until it is answered.
    ///
    /// # Errors
    ///
    /// If nobody answers.
    pub async fn call_once(
        &self,
        method: &Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let token = self.token().await?;
        self.client.call(method, path, Some(&token), key, body).await
    }

    /// Reads something.
    ///
    /// # Errors
    ///
    /// If the answer is not 200.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(&Method::GET, path, None)
            .await?
            .expect(200)
            .with_context(|| format!("GET {path}"))
    }

    /// Creates something, once however often the request is repeated, and returns the answer.
    ///
    /// # Errors
    ///
    /// If the answer is not 201.
    pub async fn create(&self, path: &str, body: &Value) -> Result<Value> {
        let key = format!("{:032x}", fastrand::u128(..));
        let answer = self.call_once(&Method::POST, path, Some(&key), Some(body)).await?;
        answer.expect(201).with_context(|| format!("POST {path}"))
    }

    /// Writes a public post and returns its id.
    ///
    /// # Errors
    ///
    /// If it is refused.
    pub async fn post(&self, title: &str, body: &str, category: &str) -> Result<String> {
        let post =
            json!({ "title": title, "body": body, "category": category, "status": "POSTED" });
        text(&self.create("/posts", &post).await?, "id")
    }

    /// Comments on a post and returns the comment's id.
    ///
    /// # Errors
    ///
    /// If it is refused.
    pub async fn comment(&self, post: &str, body: &str) -> Result<String> {
        text(&self.create(&format!("/{post}/comments"), &json!({ "body": body })).await?, "id")
    }

    /// Reacts to a post; a repeated request finds the reaction there, which is as good.
    ///
    /// # Errors
    ///
    /// If it is refused.
    pub async fn react(&self, post: &str, kind: &str) -> Result<()> {
        let body = json!({ "kind": kind });
        let answer =
            self.call(&Method::POST, &format!("/{post}/post-reactions"), Some(&body)).await?;
        match answer.status.as_u16() {
            201 | 409 => Ok(()),
            _ => bail!("reaction to {post}: {} {}", answer.status, answer.body),
        }
    }

    /// Views a post; whether it counted.
    ///
    /// # Errors
    ///
    /// If it is refused.
    pub async fn view(&self, post: &str) -> Result<bool> {
        let answer = self.call(&Method::POST, &format!("/{post}/view"), None).await?.expect(200)?;
        answer.get("counted").and_then(Value::as_bool).context("no `counted`")
    }
}

async fn open_session(client: &Client, email: &str) -> Result<Session> {
    let body = json!({ "email": email, "password": PASS_PHRASE });
    let answer = client.call(&Method::POST, "/auth/signin", None, None, Some(&body)).await?;
    let tokens = answer.expect(200).with_context(|| format!("sign-in of {email}"))?;
    Ok(Session {
        token: text(&tokens, "access_token")?,
        refresh_token: text(&tokens, "refresh_token")?,
        since: Instant::now(),
    })
}

/// The newest code that was mailed to an address.
///
/// # Errors
///
/// If there is no mail with a code yet.
pub async fn code_of(client: &Client, email: &str) -> Result<String> {
    let url = format!("{}/messages?to={email}", client.endpoints().mail);
    let mails: Vec<Value> = client.http().get(url).send().await?.json().await?;
    let newest = mails.first().with_context(|| format!("no mail to {email}"))?;
    let words = text(newest, "text")?;
    let (_, code) = words.split_once("code: ").context("no code in the mail")?;
    Ok(code.chars().take_while(char::is_ascii_digit).collect())
}
