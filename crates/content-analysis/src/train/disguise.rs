//! Texts as people write them who want to be read by others and not by a filter: what is found of them must not fall.

use crate::{
    abstraction::{Class, Classes},
    normalise,
};

/// A way to hide words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disguise {
    Digits,
    Signs,
    Dots,
    Spaces,
    Invisible,
    LookAlike,
    Wildcard,
    Stretched,
    Swapped,
    LeftOut,
    Marks,
    Wide,
    Glued,
    Doubled,
}

impl Disguise {
    pub(super) const ALL: [Self; 14] = [
        Self::Digits,
        Self::Signs,
        Self::Dots,
        Self::Spaces,
        Self::Invisible,
        Self::LookAlike,
        Self::Wildcard,
        Self::Stretched,
        Self::Swapped,
        Self::LeftOut,
        Self::Marks,
        Self::Wide,
        Self::Glued,
        Self::Doubled,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Digits => "digits for letters",
            Self::Signs => "signs for letters",
            Self::Dots => "dots between letters",
            Self::Spaces => "spaces between letters",
            Self::Invisible => "invisible characters",
            Self::LookAlike => "letters of other scripts",
            Self::Wildcard => "a letter starred",
            Self::Stretched => "a letter stretched",
            Self::Swapped => "two letters swapped",
            Self::LeftOut => "a letter left out",
            Self::Marks => "combining marks",
            Self::Wide => "wide letters",
            Self::Glued => "words glued",
            Self::Doubled => "a letter doubled",
        }
    }

    /// The text with its harsh words disguised; where none is known, with any long one.
    pub(super) fn hide(self, text: &str, classes: &Classes) -> String {
        let is_harsh =
            |word: &str| word.len() >= 3 && classes.of(word).is_some_and(Class::is_harsh);
        let has_harsh = normalise::normalise(text).words.iter().any(|word| is_harsh(&word.text));
        self.put_on(text, |word| if has_harsh { is_harsh(word) } else { word.len() >= 5 })
    }

    /// The text with the words disguised that `hides` picks.
    fn put_on(self, text: &str, hides: impl Fn(&str) -> bool) -> String {
        let mut disguised = String::with_capacity(text.len() * 2);
        let mut last = 0;
        let mut is_after_hidden = false;
        for (at, word) in normalise::normalise(text).words.iter().enumerate() {
            let origin = word.origin();
            if word.kind != normalise::Kind::Plain || origin.start < last || !hides(&word.text) {
                is_after_hidden = false;
                continue;
            }
            let between = text.get(last..origin.start).unwrap_or_default();
            if self == Self::Glued && (is_after_hidden || at > 0) && between.trim().is_empty() {
                // Stands against the word before it.
            } else if self == Self::Glued {
                disguised.push_str(between.trim_end());
            } else {
                disguised.push_str(between);
            }
            let plain: Vec<char> = text.get(origin.clone()).unwrap_or_default().chars().collect();
            self.word(&plain, &mut disguised);
            last = origin.end;
            is_after_hidden = true;
        }
        disguised.push_str(text.get(last..).unwrap_or_default());
        disguised
    }

    fn word(self, plain: &[char], out: &mut String) {
        let middle = plain.len() / 2;
        for (at, letter) in plain.iter().enumerate() {
            let lower = letter.to_ascii_lowercase();
            let is_inner = at > 0 && at + 1 < plain.len();
            match self {
                Self::Digits => out.push(digit(lower).unwrap_or(*letter)),
                Self::Signs => out.push(sign(lower).unwrap_or(*letter)),
                Self::Dots | Self::Spaces | Self::Invisible => {
                    if at > 0 {
                        out.push(if self == Self::Dots {
                            '.'
                        } else if self == Self::Spaces {
                            ' '
                        } else {
                            '\u{200b}'
                        });
                    }
                    out.push(*letter);
                }
                Self::LookAlike => out.push(look_alike(lower).unwrap_or(*letter)),
                Self::Wildcard if is_inner && at == middle => out.push('*'),
                Self::Stretched if at == middle => out.extend([*letter; 4]),
                Self::Doubled if at == middle => out.extend([*letter; 2]),
                Self::Swapped if is_inner && at == middle && at + 2 < plain.len() => {
                    out.extend(plain.get(at + 1));
                }
                Self::Swapped if is_inner && at == middle + 1 && at + 1 < plain.len() => {
                    out.extend(plain.get(at - 1));
                }
                Self::LeftOut if is_inner && at == middle => (),
                Self::Marks => out.extend([*letter, '\u{301}']),
                Self::Wide if lower.is_ascii_lowercase() => {
                    out.extend(char::from_u32(u32::from(lower) - 0x61 + 0xff41));
                }
                Self::Wildcard
                | Self::Stretched
                | Self::Swapped
                | Self::LeftOut
                | Self::Wide
                | Self::Glued
                | Self::Doubled => out.push(*letter),
            }
        }
    }
}

const fn digit(letter: char) -> Option<char> {
    Some(match letter {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        't' => '7',
        _ => return None,
    })
}

const fn sign(letter: char) -> Option<char> {
    Some(match letter {
        'a' => '@',
        'i' => '!',
        's' => '$',
        _ => return None,
    })
}

const fn look_alike(letter: char) -> Option<char> {
    Some(match letter {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'i' => 'і',
        'o' => 'о',
        'p' => 'р',
        's' => 'ѕ',
        'x' => 'х',
        'y' => 'у',
        _ => return None,
    })
}
