//! Pages of a list, newest first, by cursor: no page is skipped or repeated when something is added meanwhile.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use poem_openapi::{
    NewType, Object,
    types::{ParseFromJSON, ToJSON, Type},
};
use uuid::Uuid;

use crate::Problem;

/// Where a page ends; opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq, NewType)]
pub struct Cursor(String);

impl Cursor {
    /// The cursor after a row: `order` is what the list is ordered by (0 when by id alone), `id` breaks ties.
    pub fn after(order: i64, id: Uuid) -> Self {
        let mut bytes = order.to_be_bytes().to_vec();
        bytes.extend_from_slice(id.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The row it stands after.
    ///
    /// # Errors
    ///
    /// 400 if it was not made by [`after`](Self::after).
    pub fn position(&self) -> Result<(i64, Uuid), Problem> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.0).ok();
        let position = bytes.as_deref().and_then(|bytes| {
            let (order, id) = bytes.split_first_chunk::<8>()?;
            Some((i64::from_be_bytes(*order), Uuid::from_slice(id).ok()?))
        });
        position.ok_or_else(|| {
            Problem::bad_request("invalid-cursor", "the cursor is not one that this list gave out")
        })
    }

    /// The row an optional cursor stands after; before everything when there is none.
    ///
    /// # Errors
    ///
    /// As [`position`](Self::position).
    pub fn position_or_start(cursor: Option<&Self>) -> Result<(i64, Uuid), Problem> {
        cursor.map_or(Ok((i64::MAX, Uuid::max())), Self::position)
    }
}

/// Rows per page, 1 to 100.
#[derive(Clone, Copy, Debug)]
pub struct Limit(i64);

impl Limit {
    /// Rows per page when the client names no number.
    pub const DEFAULT: u16 = 20;
    /// The most.
    pub const MAX: u16 = 100;

    /// The limit of a request.
    ///
    /// # Errors
    ///
    /// 400 outside 1 to 100.
    pub fn parse(limit: Option<u16>) -> Result<Self, Problem> {
        match limit.unwrap_or(Self::DEFAULT) {
            limit @ 1..=Self::MAX => Ok(Self(i64::from(limit))),
            _ => Err(Problem::bad_request("invalid-limit", "limit must be 1 to 100")),
        }
    }

    /// How many rows to ask the database for: one more than the page, to see whether there is another page.
    pub fn fetch(self) -> i64 {
        self.0 + 1
    }

    /// Rows in the page.
    pub fn rows(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::from(Self::MAX))
    }
}

/// A page of a list.
#[derive(Clone, Debug, Object)]
pub struct Page<T: Type + ParseFromJSON + ToJSON> {
    /// The rows, in the order of the list.
    pub items: Vec<T>,
    /// Give this as `cursor` to get the next page; absent on the last one.
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<Cursor>,
}

impl<T: Type + ParseFromJSON + ToJSON> Page<T> {
    /// A page of [`Limit::fetch`] rows; `cursor` tells where a row stands in the list.
    pub fn of<R>(
        mut rows: Vec<R>,
        limit: Limit,
        cursor: impl Fn(&R) -> Cursor,
        show: impl Fn(R) -> T,
    ) -> Self {
        let more = rows.len() > limit.rows();
        rows.truncate(limit.rows());
        let next_cursor = if more { rows.last().map(cursor) } else { None };
        Self { items: rows.into_iter().map(show).collect(), next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_row() {
        let id = Uuid::from_u128(7);

        assert_eq!(Cursor::after(42, id).position().ok(), Some((42, id)));
    }

    #[test]
    fn a_made_up_cursor_is_refused() {
        for made_up in ["", "x", "AAAA", "äö"] {
            assert!(Cursor(made_up.to_owned()).position().is_err(), "{made_up}");
        }
    }

    #[test]
    fn the_last_page_has_no_next_one() {
        let limit = Limit::parse(Some(2)).unwrap();
        let cursor = |row: &i64| Cursor::after(*row, Uuid::nil());

        assert!(Page::of(vec![3, 2, 1], limit, cursor, |row| row).next_cursor.is_some());
        assert!(Page::of(vec![3, 2], limit, cursor, |row| row).next_cursor.is_none());
    }
}
