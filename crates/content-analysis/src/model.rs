//! The model: weights, vocabulary, classes, calibration; and its file.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use crate::{
    abstraction::{Class, Classes},
    category::Category,
    correct::Vocabulary,
    features::{BITS, BLOCKS, VERSION},
    phrases::Act,
};

/// The first bytes of every model file.
const MAGIC: &[u8; 8] = b"PLCAMDL2";

/// The most bytes that a file may unpack to.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Rows of a table, one weight per category and two to spare, so that a row is one machine word.
pub(crate) type Row = [i8; 8];

/// One table of weights.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) rows: Vec<Row>,
    /// What one step of an int8 weight is worth, by category.
    pub(crate) scale: [f32; Category::COUNT],
}

/// How a logit becomes a probability (Platt 1999): `1 / (1 + exp(-(slope * logit + offset)))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Calibration {
    pub(crate) slope: f32,
    pub(crate) offset: f32,
}

/// A trained model.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) blocks: [Block; BLOCKS],
    pub(crate) bias: [f32; Category::COUNT],
    /// What each kind of phrase adds.
    pub(crate) acts: [[f32; Category::COUNT]; Act::COUNT],
    pub(crate) calibration: [Calibration; Category::COUNT],
    pub(crate) vocabulary: Vocabulary,
    pub(crate) classes: Classes,
    /// Words that the model's own lists put into classes.
    pub(crate) class_words: Vec<(Box<str>, Class)>,
    version: String,
}

/// Why a file is no model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It does not begin as a model file does.
    #[error("this is no model file")]
    NotAModel,
    /// It was made for other features than this build computes.
    #[error(
        "the model was made for features of version {found}, and this build computes version {VERSION}; train it again"
    )]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// It cannot be unpacked.
    #[error("the model file is damaged")]
    Damaged(#[source] std::io::Error),
    /// It ends too early, or says what cannot be.
    #[error("the model file is damaged: {0}")]
    Inconsistent(&'static str),
}

impl Model {
    /// A model of its parts.
    #[cfg(feature = "train")]
    pub(crate) fn new(
        blocks: [Block; BLOCKS],
        bias: [f32; Category::COUNT],
        acts: [[f32; Category::COUNT]; Act::COUNT],
        calibration: [Calibration; Category::COUNT],
        vocabulary: Vocabulary,
        class_words: Vec<(Box<str>, Class)>,
    ) -> Self {
        let classes = classes(&class_words);
        let mut model = Self {
            blocks,
            bias,
            acts,
            calibration,
            vocabulary,
            classes,
            class_words,
            version: String::new(),
        };
        model.version = version(&model.payload());
        model
    }

    /// Which model this is: 16 hexadecimal digits, a hash of everything in it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Reads a model file.
    ///
    /// # Errors
    ///
    /// [`ModelError`] if it is none, or none of this build's.
    pub fn from_bytes(file: &[u8]) -> Result<Self, ModelError> {
        let rest = file.strip_prefix(MAGIC).ok_or(ModelError::NotAModel)?;
        let (number, rest) = rest.split_at_checked(4).ok_or(ModelError::NotAModel)?;
        let (hash, packed) = rest.split_at_checked(16).ok_or(ModelError::NotAModel)?;
        let found = number.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
        if found != VERSION {
            return Err(ModelError::Version { found });
        }
        let mut payload = Vec::new();
        DeflateDecoder::new(packed)
            .take(LIMIT)
            .read_to_end(&mut payload)
            .map_err(ModelError::Damaged)?;
        let version = version(&payload);
        if version.as_bytes() != hash {
            return Err(ModelError::Inconsistent(
                "its contents do not have the hash that it names",
            ));
        }
        Reader(&payload).model(version)
    }

    /// The file of this model.
    ///
    /// # Errors
    ///
    /// [`ModelError::Damaged`] if it cannot be packed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&VERSION.to_le_bytes());
        file.extend_from_slice(self.version.as_bytes());
        let mut packer = DeflateEncoder::new(file, Compression::best());
        packer.write_all(&self.payload()).map_err(ModelError::Damaged)?;
        packer.finish().map_err(ModelError::Damaged)
    }

    fn payload(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (bias, Calibration { slope, offset }) in self.bias.iter().zip(&self.calibration) {
            for number in [bias, slope, offset] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        for addend in self.acts.iter().flatten() {
            out.extend_from_slice(&addend.to_le_bytes());
        }
        let words: Vec<(&str, u8)> = self.vocabulary.entries().collect();
        list(&mut out, &words);
        let words: Vec<(&str, u8)> =
            self.class_words.iter().map(|(word, class)| (&**word, *class as u8)).collect();
        list(&mut out, &words);
        for block in &self.blocks {
            for scale in block.scale {
                out.extend_from_slice(&scale.to_le_bytes());
            }
            // One category after another: long runs of zeros pack well.
            for category in 0..Category::COUNT {
                out.extend(
                    block
                        .rows
                        .iter()
                        .map(|row| row.get(category).copied().unwrap_or(0).to_le_bytes()[0]),
                );
            }
        }
        out
    }
}

fn classes(words: &[(Box<str>, Class)]) -> Classes {
    let mut classes = Classes::own();
    for (word, class) in words {
        classes.add(word, *class);
    }
    classes
}

/// FNV-1a over the version of the features and everything in the file, 64 bits, in hexadecimal.
fn version(payload: &[u8]) -> String {
    let features = VERSION.to_le_bytes();
    let hash = features.iter().chain(payload).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn list(out: &mut Vec<u8>, words: &[(&str, u8)]) {
    out.extend_from_slice(&u32::try_from(words.len()).unwrap_or(u32::MAX).to_le_bytes());
    for (word, number) in words {
        out.push(u8::try_from(word.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(word.as_bytes());
        out.push(*number);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn model(mut self, version: String) -> Result<Model, ModelError> {
        let mut bias = [0.0; Category::COUNT];
        let mut calibration = [Calibration { slope: 1.0, offset: 0.0 }; Category::COUNT];
        for (bias, calibration) in bias.iter_mut().zip(&mut calibration) {
            *bias = self.number()?;
            *calibration = Calibration { slope: self.number()?, offset: self.number()? };
        }
        let mut acts = [[0.0; Category::COUNT]; Act::COUNT];
        for addend in acts.iter_mut().flatten() {
            *addend = self.number()?;
        }
        let words = self.list()?;
        let class_words = self
            .list()?
            .into_iter()
            .map(|(word, number)| Some((word, Class::from_number(number)?)))
            .collect::<Option<Vec<_>>>()
            .ok_or(ModelError::Inconsistent("a class of words that does not exist"))?;
        let blocks = [self.block()?, self.block()?];
        if !self.0.is_empty() {
            return Err(ModelError::Inconsistent("it does not end where it should"));
        }
        let classes = classes(&class_words);
        let vocabulary = Vocabulary::new(words, &classes);
        Ok(Model { blocks, bias, acts, calibration, vocabulary, classes, class_words, version })
    }

    fn block(&mut self) -> Result<Block, ModelError> {
        let mut scale = [0.0; Category::COUNT];
        for scale in &mut scale {
            *scale = self.number()?;
        }
        let mut rows = vec![Row::default(); 1 << BITS];
        for category in 0..Category::COUNT {
            for (row, byte) in rows.iter_mut().zip(self.take(1 << BITS)?) {
                if let Some(weight) = row.get_mut(category) {
                    *weight = i8::from_le_bytes([*byte]);
                }
            }
        }
        Ok(Block { rows, scale })
    }

    fn list(&mut self) -> Result<Vec<(Box<str>, u8)>, ModelError> {
        let mut words = Vec::new();
        for _ in 0..self.unsigned()? {
            let length = usize::from(self.byte()?);
            let word = std::str::from_utf8(self.take(length)?)
                .map_err(|_not_utf8| ModelError::Inconsistent("a word that is no UTF-8"))?;
            let word = word.into();
            words.push((word, self.byte()?));
        }
        Ok(words)
    }

    fn number(&mut self) -> Result<f32, ModelError> {
        let number = f32::from_bits(self.unsigned()?);
        number
            .is_finite()
            .then_some(number)
            .ok_or(ModelError::Inconsistent("a number that is not finite"))
    }

    fn unsigned(&mut self) -> Result<u32, ModelError> {
        Ok(self.take(4)?.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn byte(&mut self) -> Result<u8, ModelError> {
        self.take(1)?.first().copied().ok_or(ModelError::Inconsistent("it ends too early"))
    }

    fn take(&mut self, count: usize) -> Result<&[u8], ModelError> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(ModelError::Inconsistent("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }
}
