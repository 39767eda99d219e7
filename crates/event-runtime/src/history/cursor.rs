//! Where a reader stands in the history of a service.

use std::{collections::BTreeMap, fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use shared_schemas::Service;

/// The first byte of every token; another form takes another number.
const FORM: u8 = 1;

/// Characters of a token: enough for 1 000 partitions.
const TOKEN_CHARACTERS: usize = 16 * 1024;

/// Where a reader stands: the last sequence number it has read of each partition. As text it is a token that means nothing
/// to anybody else, and fits into a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    service: Service,
    read: BTreeMap<u16, u64>,
}

/// Why a text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It was not made by a cursor.
    #[error("the text is not a cursor of an event history")]
    Form,
    /// It belongs to the events of another service.
    #[error("the cursor belongs to the events of another service")]
    Service,
}

impl Cursor {
    /// Before the first event of a service.
    pub fn start(service: Service) -> Self {
        Self { service, read: BTreeMap::new() }
    }

    /// Whose events it stands in.
    pub fn service(&self) -> Service {
        self.service
    }

    /// The last sequence number that was read of a partition; 0 when none was.
    pub fn read_to(&self, partition: u16) -> u64 {
        self.read.get(&partition).copied().unwrap_or(0)
    }

    /// Notes that everything of a partition up to a sequence number was read. It never goes back.
    pub fn advance(&mut self, partition: u16, sequence: u64) {
        let read = self.read.entry(partition).or_insert(0);
        *read = sequence.max(*read);
    }

    /// Reads a token, of this service's events.
    ///
    /// # Errors
    ///
    /// [`CursorError`] if it is none, or another service's.
    pub fn parse_for(service: Service, token: &str) -> Result<Self, CursorError> {
        let cursor: Self = token.parse()?;
        if cursor.service == service { Ok(cursor) } else { Err(CursorError::Service) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = Service::ALL.iter().position(|one| *one == self.service).unwrap_or(0);
        let mut bytes = vec![FORM, u8::try_from(service).unwrap_or(0)];
        for (partition, sequence) in &self.read {
            put(&mut bytes, u64::from(*partition));
            put(&mut bytes, *sequence);
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(token: &str) -> Result<Self, CursorError> {
        if token.len() > TOKEN_CHARACTERS {
            return Err(CursorError::Form);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_not_base64| CursorError::Form)?;
        let [FORM, service, rest @ ..] = &*bytes else { return Err(CursorError::Form) };
        let service = *Service::ALL.get(usize::from(*service)).ok_or(CursorError::Form)?;
        let mut cursor = Self::start(service);
        let mut rest = rest;
        while !rest.is_empty() {
            let partition = take(&mut rest).ok_or(CursorError::Form)?;
            let partition = u16::try_from(partition).map_err(|_too_large| CursorError::Form)?;
            let sequence = take(&mut rest).ok_or(CursorError::Form)?;
            // Beyond what PostgreSQL and Lua can count; and each partition once.
            if sequence >= 1 << 53 || cursor.read.insert(partition, sequence).is_some() {
                return Err(CursorError::Form);
            }
        }
        Ok(cursor)
    }
}

impl TryFrom<String> for Cursor {
    type Error = CursorError;

    fn try_from(token: String) -> Result<Self, CursorError> {
        token.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// Appends a number, seven bits a byte, lowest first; the last byte has no high bit.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_place() {
        let mut cursor = Cursor::start(Service::Post);
        for (partition, sequence) in [(0, 1), (1, 127), (2, 128), (63, (1 << 53) - 1)] {
            cursor.advance(partition, sequence);
        }

        assert_eq!(Cursor::parse_for(Service::Post, &cursor.to_string()), Ok(cursor));
    }

    #[test]
    fn a_cursor_never_goes_back() {
        let mut cursor = Cursor::start(Service::Post);
        cursor.advance(0, 7);
        cursor.advance(0, 3);

        assert_eq!(cursor.read_to(0), 7);
    }

    #[test]
    fn what_no_cursor_made_is_refused() {
        for token in ["", "x", "AAAA", "AQ", "ä", "AQEB", "AQEBgICAgICAgICAgIA", "AX8"] {
            assert_eq!(token.parse::<Cursor>(), Err(CursorError::Form), "{token}");
        }
    }

    #[test]
    fn a_cursor_of_another_service_is_refused() {
        let token = Cursor::start(Service::Auth).to_string();

        assert_eq!(Cursor::parse_for(Service::Post, &token), Err(CursorError::Service));
    }
}
