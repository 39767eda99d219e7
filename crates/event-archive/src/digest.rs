//! SHA-256 of what passes by.

use std::{
    fs::File,
    io::{self, Read as _, Write},
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256};

use crate::ArchiveError;

/// Bytes read at once.
const BUFFER: usize = 64 * 1024;

/// A writer that counts and digests what it passes on.
pub(crate) struct Digesting<W> {
    inner: W,
    context: Context,
    bytes: u64,
}

impl<W: Write> Digesting<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, context: Context::new(&SHA256), bytes: 0 }
    }

    /// The writer, how many bytes it was given, and their SHA-256 in hexadecimal.
    pub(crate) fn finish(self) -> (W, u64, String) {
        (self.inner, self.bytes, hex(self.context.finish().as_ref()))
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.context.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The SHA-256 of bytes, in hexadecimal.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn of_file(path: &Path) -> Result<String, ArchiveError> {
    let mut file = File::open(path).map_err(ArchiveError::file(path))?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = file.read(&mut buffer).map_err(ArchiveError::file(path))?;
        match buffer.get(..read) {
            Some(bytes) if read > 0 => context.update(bytes),
            _ => return Ok(hex(context.finish().as_ref())),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_all_bytes() {
        let mut writer = Digesting::new(Vec::new());
        writer.write_all(b"a").unwrap();
        writer.write_all(b"bc").unwrap();
        let (bytes, count, digest) = writer.finish();

        assert_eq!((bytes.as_slice(), count), (&b"abc"[..], 3));
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest, of_bytes(b"abc"));
    }
}
