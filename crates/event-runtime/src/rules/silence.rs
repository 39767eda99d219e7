//! What an owner makes of a read that brought nothing.

/// Why nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// There is nothing: the stream ends at the watermark.
    Nothing,
    /// The stream goes on, so entries were given to somebody else under the owner's name, such as a former owner whose read
    /// was still waiting. The owner begins at its watermark again.
    Stolen,
    /// The owner has begun at its watermark again, and still nothing came: the entries are not in the stream any more.
    Missing,
}

/// Judges silence after silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listener {
    /// Where the stream ended when the owner was last told to begin again.
    promised: u64,
}

impl Listener {
    /// A read brought nothing, and after it the stream was found to end at `end`.
    pub fn silence(&mut self, watermark: u64, end: u64) -> Silence {
        if end <= watermark {
            return Silence::Nothing;
        }
        // What was appended between the read and the question is no reason to doubt.
        if self.promised > watermark {
            self.promised = 0;
            return Silence::Missing;
        }
        self.promised = end;
        Silence::Stolen
    }

    /// A read brought something.
    pub fn heard(&mut self) {
        self.promised = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_ends_at_the_watermark_has_nothing() {
        assert_eq!(Listener::default().silence(3, 3), Silence::Nothing);
        assert_eq!(Listener::default().silence(3, 0), Silence::Nothing);
    }

    #[test]
    fn what_did_not_come_is_asked_for_again_and_then_missing() {
        let mut listener = Listener::default();

        assert_eq!(listener.silence(3, 5), Silence::Stolen);
        assert_eq!(listener.silence(3, 5), Silence::Missing);
        assert_eq!(listener.silence(3, 5), Silence::Stolen);
    }

    #[test]
    fn what_came_after_all_is_not_missing() {
        let mut listener = Listener::default();
        listener.silence(3, 5);
        listener.heard();

        assert_eq!(listener.silence(5, 6), Silence::Stolen);
    }

    #[test]
    fn what_was_promised_and_has_come_is_no_reason_for_doubt() {
        let mut listener = Listener::default();
        listener.silence(3, 5);

        assert_eq!(listener.silence(5, 6), Silence::Stolen);
    }
}
