//! The side that takes mail: RFC 5321, as much of it as a submitting program uses.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Mailbox;

/// The longest message, in bytes, headers included.
const MESSAGE_LIMIT: usize = 1024 * 1024;
/// The longest line, in bytes; RFC 5321 §4.5.3.1.6 asks for 1,000.
const LINE_LIMIT: u64 = 8 * 1024;
/// The most recipients of one message; RFC 5321 §4.5.3.1.8.
const RECIPIENT_LIMIT: usize = 100;
/// How long a client may be silent.
const IDLE_LIMIT: Duration = Duration::from_mins(1);

/// Takes connections until `stop`.
pub(super) async fn serve(
    listener: TcpListener,
    mailbox: Mailbox,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors: leave others the time to close some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (mailbox, stop) = (mailbox.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // A client that breaks off loses only its own message, and knows that it did.
                result = talk(stream, &mailbox) => drop(result),
            }
        });
    }
}

/// What MAIL and RCPT have said so far.
#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Vec<String>,
}

async fn talk(stream: TcpStream, mailbox: &Mailbox) -> Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut envelope = Envelope::default();
    reply(&mut writer, "220 peerlink.invalid mail sink").await?;
    while let Some(line) = read_line(&mut reader).await? {
        let line = String::from_utf8_lossy(&line).into_owned();
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "HELO" => "250 peerlink.invalid".to_owned(),
            "EHLO" => format!(
                "250-peerlink.invalid\r\n250-SIZE {MESSAGE_LIMIT}\r\n250-8BITMIME\r\n250 SMTPUTF8"
            ),
            "MAIL" => envelope.mail(argument),
            "RCPT" => envelope.rcpt(argument),
            "DATA" if envelope.to.is_empty() => "503 RCPT first".to_owned(),
            "DATA" => {
                reply(&mut writer, "354 end with a line that is a single dot").await?;
                if let Some(raw) = read_message(&mut reader).await? {
                    let Envelope { from, to } = std::mem::take(&mut envelope);
                    mailbox.keep(from.unwrap_or_default(), to, &raw);
                    "250 kept".to_owned()
                } else {
                    envelope = Envelope::default();
                    format!("552 more than {MESSAGE_LIMIT} bytes")
                }
            }
            "RSET" => {
                envelope = Envelope::default();
                "250 forgotten".to_owned()
            }
            "NOOP" => "250 nothing done".to_owned(),
            "QUIT" => return reply(&mut writer, "221 bye").await,
            _ => "502 not implemented".to_owned(),
        };
        reply(&mut writer, &answer).await?;
    }
    Ok(())
}

impl Envelope {
    fn mail(&mut self, argument: &str) -> String {
        match address(argument, "FROM:") {
            Some(_) if self.from.is_some() => "503 MAIL was given already".to_owned(),
            Some(from) => {
                self.from = Some(from);
                "250 sender noted".to_owned()
            }
            None => "501 MAIL FROM:<address>".to_owned(),
        }
    }

    fn rcpt(&mut self, argument: &str) -> String {
        match address(argument, "TO:") {
            Some(_) if self.from.is_none() => "503 MAIL first".to_owned(),
            Some(_) if self.to.len() >= RECIPIENT_LIMIT => "452 too many recipients".to_owned(),
            Some(to) if !to.is_empty() => {
                self.to.push(to);
                "250 recipient noted".to_owned()
            }
            Some(_) | None => "501 RCPT TO:<address>".to_owned(),
        }
    }
}

/// The address of `FROM:<address> SIZE=1`; empty for the null sender `<>`.
fn address(argument: &str, keyword: &str) -> Option<String> {
    let (start, rest) = argument.split_at_checked(keyword.len())?;
    let (address, _parameters) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    start.eq_ignore_ascii_case(keyword).then(|| address.to_owned())
}

/// The next line without its end; `None` when the client has gone.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    timeout(IDLE_LIMIT, reader.take(LINE_LIMIT).read_until(b'\n', &mut line)).await??;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop_if(|byte| *byte == b'\n').is_none() {
        bail!("a line of more than {LINE_LIMIT} bytes, or one without an end");
    }
    line.pop_if(|byte| *byte == b'\r');
    Ok(Some(line))
}

/// Everything up to the single dot, with stuffed dots removed; `None` when it is too long, but read all the same.
async fn read_message(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    let mut too_long = false;
    loop {
        let Some(line) = read_line(reader).await? else { bail!("the client left within DATA") };
        if line == b"." {
            return Ok((!too_long).then_some(message));
        }
        // RFC 5321 §4.5.2: a line that begins with a dot is sent with one more.
        let line = line.strip_prefix(b".").unwrap_or(&line);
        too_long |= message.len() + line.len() + 2 > MESSAGE_LIMIT;
        if !too_long {
            message.extend_from_slice(line);
            message.extend_from_slice(b"\r\n");
        }
    }
}

async fn reply(writer: &mut OwnedWriteHalf, text: &str) -> Result<()> {
    let text = format!("{text}\r\n");
    Ok(timeout(IDLE_LIMIT, writer.write_all(text.as_bytes())).await??)
}
