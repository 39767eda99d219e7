//! Near-copies: texts that say almost the same (Broder 1997).

/// How many hash functions a signature has.
const SIZE: usize = 128;

/// A summary of a text: how alike two of them are estimates how alike the texts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(Box<[u32; SIZE]>);

impl Signature {
    /// The signature of a text over its groups of four characters, after normalisation; `None` for a text too short to have
    /// any.
    pub fn of(text: &str) -> Option<Self> {
        let normalised = crate::normalise::normalise(text);
        let mut letters = Vec::with_capacity(text.len());
        for word in &normalised.words {
            letters.extend(word.text.chars().map(u64::from));
            letters.push(u64::from(b' '));
        }
        let mut least = Box::new([u32::MAX; SIZE]);
        for group in letters.windows(4) {
            let hash = group.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, letter| {
                (hash ^ letter).wrapping_mul(0x0100_0000_01b3)
            });
            for (at, least) in (0_u64..).zip(least.iter_mut()) {
                *least = (*least).min(permuted(hash, at));
            }
        }
        (letters.len() >= 8).then_some(Self(least))
    }

    /// The signature as 512 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// The signature that [`Self::to_bytes`] wrote; `None` if the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (values, rest) = bytes.as_chunks();
        let mut signature = Box::new([0; SIZE]);
        if !rest.is_empty() || values.len() != SIZE {
            return None;
        }
        for (value, bytes) in signature.iter_mut().zip(values) {
            *value = u32::from_le_bytes(*bytes);
        }
        Some(Self(signature))
    }

    /// How alike two texts are: an estimate of the Jaccard similarity of their groups of characters, 0 to 1, with a standard
    /// error below 0.045.
    pub fn similarity(&self, other: &Self) -> f32 {
        let same = self.0.iter().zip(other.0.iter()).filter(|(one, two)| one == two).count();
        #[expect(clippy::cast_precision_loss, reason = "at most 128")]
        let similarity = same as f32 / SIZE as f32;
        similarity
    }

    /// Keys under which near-copies meet: texts that are 0.5 alike share one of the 32 keys with a probability of 0.87, texts
    /// that are 0.8 alike almost surely, strangers at 0.1 with one of 0.003 (bands of four values).
    pub fn bands(&self) -> impl Iterator<Item = u64> + '_ {
        (0_u64..).zip(self.0.chunks(4)).map(|(band, values)| {
            values.iter().fold(band.wrapping_mul(0x9e37_79b9_7f4a_7c15), |key, value| {
                (key ^ u64::from(*value)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
            })
        })
    }
}

/// One of a family of hash functions, by multiplication and mixing (`SplitMix64`).
fn permuted(hash: u64, at: u64) -> u32 {
    let mut mixed = hash ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Our bakery opens at seven on weekdays and at eight on Sundays; the bread is still warm then.";

    fn similarity(one: &str, two: &str) -> f32 {
        Signature::of(one).unwrap().similarity(&Signature::of(two).unwrap())
    }

    #[test]
    fn a_dressed_up_copy_is_alike_and_another_text_is_not() {
        let dressed = "0ur b\u{200b}akery оpens at seven on weekdays AND at eight on Sundays!!! the bread is stilllll warm";

        assert!(similarity(TEXT, dressed) > 0.6, "{}", similarity(TEXT, dressed));
        assert!(
            similarity(
                TEXT,
                "The river rose by two metres in the night, and nobody slept in the lower town."
            ) < 0.2
        );
        assert!((similarity(TEXT, TEXT) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn near_copies_meet_under_a_key_and_short_texts_have_no_signature() {
        let keys: Vec<u64> = Signature::of(TEXT).unwrap().bands().collect();
        let copy = Signature::of(&TEXT.replace("seven", "six")).unwrap();

        assert!(copy.bands().any(|key| keys.contains(&key)));
        assert!(Signature::of("hi").is_none());
    }
}
