//! Every Swagger UI in a real headless Chromium: authorise, execute an operation, read the answer.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator};
use local_stack::ports::free_port;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::json;
use system_tests::{
    client::until,
    person::{MODERATOR, PASS_PHRASE, Person},
};
use tempfile::TempDir;

use crate::world::World;

/// How long a page may take.
const PAGE: Duration = Duration::from_secs(30);

/// A browser of its own, ended with the test.
struct Browser {
    client: Client,
    driver: Child,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser is in the driver's process group, and outlives a driver that is killed alone.
        let group = i32::try_from(self.driver.id()).map(Pid::from_raw);
        if !group.is_ok_and(|group| killpg(group, Signal::SIGKILL).is_ok()) {
            drop(self.driver.kill());
        }
        drop(self.driver.wait());
    }
}

impl Browser {
    async fn start() -> Self {
        let port = free_port().unwrap();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver); `cargo xtask test` installs it");
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1400,2000",
            &format!("--user-data-dir={}", profile.path().display()),
        ]
        .map(ToOwned::to_owned);
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({ "args": arguments }));
        let url = format!("http://127.0.0.1:{port}");
        let client = until(PAGE, || async {
            let mut builder =
                ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
            Ok(builder.capabilities(capabilities.clone()).connect(&url).await?)
        });
        Self { client: client.await.unwrap(), driver, _profile: profile }
    }

    async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    async fn fill(&self, css: &str, text: &str) {
        self.find(css).await.send_keys(text).await.unwrap();
    }

    async fn find(&self, css: &str) -> fantoccini::elements::Element {
        match self.client.wait().at_most(PAGE).for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => {
                let picture = std::env::temp_dir().join("peerlink-browser.png");
                std::fs::write(&picture, self.client.screenshot().await.unwrap()).unwrap();
                panic!("no {css}: {error}; what there was instead is in {}", picture.display());
            }
        }
    }

    /// Opens a page's *Authorize* dialog, does what `sign_in` says, and closes it.
    async fn authorise(&self, docs: &str, sign_in: SignIn<'_>) {
        self.client.goto(docs).await.unwrap();
        self.click("button.btn.authorize").await;
        match sign_in {
            SignIn::Token(token) => {
                self.fill(".dialog-ux #auth-bearer-value", token).await;
                self.click(".dialog-ux .auth-container:has(#auth-bearer-value) button.authorize")
                    .await;
            }
            SignIn::Password(email) => {
                self.fill(".dialog-ux #oauth_username", email).await;
                self.fill(".dialog-ux #oauth_password", PASS_PHRASE).await;
                self.click(".dialog-ux .auth-container:has(#oauth_username) button.authorize")
                    .await;
            }
        }
        // The button turns into one that signs out.
        self.find(".dialog-ux button[aria-label=\"Remove authorization\"]").await;
        self.click(".dialog-ux button.btn-done").await;
    }

    /// Executes the GET operation of a path and returns the status that the page shows.
    async fn execute(&self, path: &str, parameters: Parameters<'_>) -> String {
        let block = format!(".opblock-get:has([data-path=\"{path}\"])");
        self.click(&format!("{block} .opblock-summary-control")).await;
        self.click(&format!("{block} button.try-out__btn")).await;
        for (name, value) in parameters {
            self.fill(&format!("{block} tr[data-param-name=\"{name}\"] input"), value).await;
        }
        self.click(&format!("{block} button.execute")).await;
        let status = format!("{block} .live-responses-table tbody .response-col_status");
        self.find(&status).await.text().await.unwrap()
    }
}

/// Names and values of path parameters.
type Parameters<'a> = &'a [(&'a str, &'a str)];

enum SignIn<'a> {
    Token(&'a str),
    Password(&'a str),
}

#[tokio::test(flavor = "multi_thread")]
async fn every_swagger_ui_authorises_and_executes() {
    let world = World::start().await;
    let moderator =
        Person::sign_up(&world.client, MODERATOR, "Mo", "Derator", &["OTHER"]).await.unwrap();
    let post = moderator.post("Read me", "In a browser.", "TECHNOLOGY").await.unwrap();
    moderator.comment(&post, "With pleasure.").await.unwrap();
    let token = moderator.token().await.unwrap();
    let browser = Browser::start().await;

    let post_id = [("post_id", post.as_str())];
    let pages: [(&str, &str, Parameters<'_>, bool); 9] = [
        ("auth", "/users/me", &[], false),
        ("auth", "/users/me", &[], true),
        ("post", "/posts", &[], false),
        ("interaction", "/{post_id}/comments", &post_id, false),
        ("moderation", "/moderation/cases", &[], false),
        ("engagement", "/me/activity-profile", &[], false),
        ("minting", "/mints", &[], false),
        ("gateway", "/posts", &[], false),
        ("gateway", "/me/activity-profile", &[], true),
    ];
    for (service, path, parameters, by_password) in pages {
        let docs = format!("{}/docs", world.client.endpoints().service(service).unwrap());
        let sign_in = if by_password { SignIn::Password(MODERATOR) } else { SignIn::Token(&token) };
        // Nothing that an earlier page remembered must help this one.
        browser.client.goto(&docs).await.unwrap();
        browser.client.execute("localStorage.clear()", vec![]).await.unwrap();

        browser.authorise(&docs, sign_in).await;
        let status = browser.execute(path, parameters).await;

        assert!(status.starts_with("200"), "{service} {path}: {status}");
    }
    world.stack.stop().await.unwrap();
}
