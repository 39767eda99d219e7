//! The mail sink over raw SMTP and HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use local_stack::mail_sink::{MailSink, Message};

struct Smtp(BufReader<TcpStream>);

impl Smtp {
    fn connect(sink: &MailSink) -> Self {
        let address = sink.smtp_url().replace("smtp://", "");
        let mut client = Self(BufReader::new(TcpStream::connect(address).unwrap()));
        assert!(client.answer().starts_with("220 "));
        client
    }

    fn send(&mut self, text: &str) -> String {
        self.0.get_mut().write_all(format!("{text}\r\n").as_bytes()).unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            all.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return all;
            }
        }
    }

    fn mail(&mut self, to: &[&str], message: &str) -> String {
        assert!(self.send("MAIL FROM:<no-reply@peerlink.invalid> SIZE=100").starts_with("250"));
        for to in to {
            assert!(self.send(&format!("RCPT TO:<{to}>")).starts_with("250"));
        }
        assert!(self.send("DATA").starts_with("354"));
        self.send(&format!("{message}\r\n."))
    }
}

/// Status line and body of the answer to one HTTP request.
fn http(sink: &MailSink, method: &str, path: &str) -> (String, String) {
    let address = sink.http_url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn messages(sink: &MailSink, path: &str) -> Vec<Message> {
    serde_json::from_str(&http(sink, "GET", path).1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_kept_and_read_by_its_recipient() {
    let sink = MailSink::start(0, 0).await.unwrap();
    let mut smtp = Smtp::connect(&sink);

    assert!(smtp.send("EHLO test").contains("SIZE 1048576"));
    let encoded = "Subject: =?UTF-8?Q?Caf=C3=A9?=\r\nContent-Type: text/plain; charset=utf-8\r\n\
                   Content-Transfer-Encoding: quoted-printable\r\n\r\nYour code is 1234=35=\r\n6\r\n..dot";
    assert!(smtp.mail(&["ada@example.org", "bo@example.org"], encoded).starts_with("250"));
    assert!(smtp.mail(&["bo@example.org"], "Subject: second\r\n\r\nbody").starts_with("250"));
    assert!(smtp.send("QUIT").starts_with("221"));

    let to_ada = messages(&sink, "/messages?to=Ada@example.org");
    let [message] = to_ada.as_slice() else { panic!("{to_ada:?}") };
    assert_eq!(message.subject, "Café");
    assert_eq!(
        message.text.trim_end(),
        "Your code is 123456\r\n.dot".replace("\r\n", &line_end(&message.text))
    );
    assert_eq!(message.from, "no-reply@peerlink.invalid");
    assert_eq!(message.to, ["ada@example.org", "bo@example.org"]);
    let subjects: Vec<_> = messages(&sink, "/messages?to=bo@example.org")
        .into_iter()
        .map(|mail| mail.subject)
        .collect();
    assert_eq!(subjects, ["second", "Café"], "newest first");
}

/// The parser may keep the line ends of the wire or make them plain.
fn line_end(text: &str) -> String {
    if text.contains("\r\n") { "\r\n" } else { "\n" }.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_is_found_by_id_and_all_are_deleted() {
    let sink = MailSink::start(0, 0).await.unwrap();
    Smtp::connect(&sink).mail(&["ada@example.org"], "Subject: one\r\n\r\nbody");

    let (_, body) = http(&sink, "GET", "/messages/1");
    let message: Message = serde_json::from_str(&body).unwrap();
    let (missing, _) = http(&sink, "GET", "/messages/2");
    let (deleted, _) = http(&sink, "DELETE", "/messages");

    assert_eq!(message.subject, "one");
    assert!(missing.contains("404"), "{missing}");
    assert!(deleted.contains("204"), "{deleted}");
    assert_eq!(messages(&sink, "/messages"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_a_hostile_mail_as_text() {
    let sink = MailSink::start(0, 0).await.unwrap();
    let hostile = "Subject: <script>alert(1)</script>\r\n\r\n<img src=x onerror=\"alert(2)\">";
    Smtp::connect(&sink).mail(&["<b@example.org"], hostile);

    let (status, page) = http(&sink, "GET", "/");

    assert!(status.contains("200"), "{status}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    assert!(page.contains("&lt;img src=x onerror=&quot;alert(2)&quot;&gt;"), "{page}");
    assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_out_of_order_are_refused_and_a_reset_forgets() {
    let sink = MailSink::start(0, 0).await.unwrap();
    let mut smtp = Smtp::connect(&sink);

    assert!(smtp.send("HELO test").starts_with("250"));
    assert!(smtp.send("RCPT TO:<a@example.org>").starts_with("503"));
    assert!(smtp.send("DATA").starts_with("503"));
    assert!(smtp.send("MAIL FROM:nobody").starts_with("501"));
    assert!(smtp.send("mail from:<>").starts_with("250"));
    assert!(smtp.send("MAIL FROM:<>").starts_with("503"));
    assert!(smtp.send("RCPT TO:<a@example.org>").starts_with("250"));
    assert!(smtp.send("RSET").starts_with("250"));
    assert!(smtp.send("RCPT TO:<a@example.org>").starts_with("503"));
    assert!(smtp.send("NOOP").starts_with("250"));
    assert!(smtp.send("STARTTLS").starts_with("502"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_more_than_a_mebibyte_is_refused_and_the_next_is_not() {
    let sink = MailSink::start(0, 0).await.unwrap();
    let mut smtp = Smtp::connect(&sink);
    let long = format!("{}\r\n", "x".repeat(998)).repeat(1100);

    assert!(smtp.mail(&["ada@example.org"], &long).starts_with("552"));
    assert!(smtp.mail(&["ada@example.org"], "Subject: short\r\n\r\n").starts_with("250"));

    assert_eq!(sink.messages(Some("ada@example.org")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_thousand_messages_are_kept() {
    let sink = MailSink::start(0, 0).await.unwrap();
    let mut smtp = Smtp::connect(&sink);

    for number in 1..=1001 {
        smtp.mail(&["ada@example.org"], &format!("Subject: {number}\r\n\r\n"));
    }

    let kept = sink.messages(None);
    assert_eq!(kept.len(), 1000);
    assert_eq!(kept.first().unwrap().subject, "1001");
    assert_eq!(kept.last().unwrap().subject, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_sink_gives_its_ports_back() {
    let sink = MailSink::start(0, 0).await.unwrap();
    let port: u16 = sink.smtp_url().rsplit(':').next().unwrap().parse().unwrap();
    let _idle = Smtp::connect(&sink);

    sink.stop().await;

    MailSink::start(port, 0).await.unwrap();
}
