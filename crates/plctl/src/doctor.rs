//! `doctor`: is everything as it should be?

use event_runtime::operator::Site;
use event_runtime::operator::doctor::{self, Answer, Verdict as Health};

use crate::cli::Global;
use crate::config::{self, Config};
use crate::exit::{Failure, Verdict};
use crate::fleet::{connect_database, connect_redis, now};
use crate::ui;

/// Asks Redis and every service; exit code 3 when one answer is FAIL.
#[derive(clap::Args)]
pub(crate) struct Doctor {}

impl Doctor {
    pub(crate) async fn run(self, global: &Global) -> Result<Verdict, Failure> {
        let Self {} = self;
        let config = config::find(global, None)?;
        let answers = {
            let _busy = ui::Busy::new("asking");
            ask(&config).await
        };
        ui::show(global.json, &answers, |answers| {
            let row = |answer: &Answer| {
                let verdict = match answer.verdict {
                    Health::Ok => "OK",
                    Health::Warn => "WARN",
                    Health::Fail => "FAIL",
                };
                [
                    verdict.to_owned(),
                    answer.subject.clone(),
                    answer.question.to_owned(),
                    answer.seen.clone(),
                    answer.hint.clone(),
                ]
            };
            let header = ["", "about", "question", "seen", "what to do"];
            ui::table(header, answers.iter().map(row), "nobody was asked")
        })?;
        let is_failing = answers.iter().any(|answer| answer.verdict == Health::Fail);
        Ok(if is_failing { Verdict::Findings } else { Verdict::Clean })
    }
}

async fn ask(config: &Config) -> Vec<Answer> {
    let mut answers = vec![Answer::ok("plctl", "configuration", config.origin.clone())];
    let redis = match connect_redis(config).await {
        Ok(redis) => redis,
        Err(failure) => {
            let hint = "start Redis, or correct its URL; services go on, and events wait in their outboxes";
            answers.push(Answer::fail("redis", "connection", failure.to_string(), hint));
            return answers;
        }
    };
    answers.push(Answer::ok("redis", "connection", "answers"));
    match doctor::redis(&redis).await {
        Ok(about) => answers.extend(about),
        Err(error) => {
            let hint = "the user of the URL needs INFO and CONFIG GET";
            answers.push(Answer::warn("redis", "settings", error.to_string(), hint));
        }
    }
    for (service, url) in &config.databases {
        let db = match connect_database(*service, url).await {
            Ok(db) => db,
            Err(failure) => {
                let hint = "start PostgreSQL, or correct the URL";
                answers.push(Answer::fail(service.as_str(), "postgres", failure.to_string(), hint));
                continue;
            }
        };
        let site = Site { service: *service, db, redis: redis.clone() };
        match doctor::service(&site, now()).await {
            Ok(about) => answers.extend(about),
            Err(error) => {
                let seen = Failure::from(error).to_string();
                answers.push(Answer::fail(
                    service.as_str(),
                    "reports",
                    seen,
                    "look at the server's log",
                ));
            }
        }
    }
    answers
}
