//! What tells an image: exactly, and as people see it.

use std::io::Cursor;

use content_screening::sha256;
use image::{ImageReader, Limits};
use image_hasher::{HashAlg, HasherConfig};

/// The most bytes of an image file.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The most pixels of either side: what a file of a few bytes may claim to be is not unpacked beyond that.
const MAX_SIDE: u32 = 8_192;

/// The most bytes that unpacking may take.
const MAX_UNPACKED: u64 = 128 * 1024 * 1024;

/// Hashes that differ in at most this many of 64 bits are of the same image, scaled, recompressed or slightly changed.
pub const ALIKE_BITS: u32 = 8;

/// An image of one colour, or of two halves, has hardly a bit to tell it by.
const PLAIN_BITS: u32 = 12;

/// What tells an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageHash {
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// The 64-bit perceptual hash; `None` for an image too plain to be told apart.
    pub perceptual: Option<u64>,
}

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// It is too large.
    #[error("an image file holds {} MiB at most", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// It is none, or larger than is unpacked.
    #[error(
        "the image cannot be read; PNG, JPEG, GIF and WebP of up to {MAX_SIDE} pixels a side can"
    )]
    Unreadable(#[source] image::ImageError),
}

/// Hashes an image file. The perceptual hash compares the low frequencies of a small grey copy with their median
/// (pHash: Zauner, *Implementation and Benchmarking of Perceptual Image Hash Functions*, 2010). Of an animation the first picture counts.
///
/// # Errors
///
/// [`HashError`] if it is too large or no image.
pub fn hash(file: &[u8]) -> Result<ImageHash, HashError> {
    if file.len() > MAX_BYTES {
        return Err(HashError::TooLarge);
    }
    let unreadable = |error| HashError::Unreadable(image::ImageError::IoError(error));
    let mut reader =
        ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(unreadable)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_UNPACKED);
    reader.limits(limits);
    let image = reader.decode().map_err(HashError::Unreadable)?;
    let hasher =
        HasherConfig::new().hash_size(8, 8).hash_alg(HashAlg::Median).preproc_dct().to_hasher();
    let hash = hasher.hash_image(&image);
    let perceptual = <[u8; 8]>::try_from(hash.as_bytes()).ok().map(u64::from_be_bytes);
    Ok(ImageHash {
        sha256: sha256(file),
        perceptual: perceptual.filter(|hash| is_distinctive(*hash)),
    })
}

/// Whether a perceptual hash tells an image from others.
pub fn is_distinctive(hash: u64) -> bool {
    (PLAIN_BITS..=64 - PLAIN_BITS).contains(&hash.count_ones())
}

/// Keys under which hashes meet that differ in [`ALIKE_BITS`] or fewer bits: nine bands, of which at least one is equal (the
/// pigeonhole principle; Norouzi, Punjani, Fleet, *Fast Search in Hamming Space with Multi-Index Hashing*, 2012).
pub fn bands(hash: u64) -> [i32; 9] {
    std::array::from_fn(|band| {
        let value = (hash >> (7 * band)) & 0x7f;
        // The last band has the eight bits that are left.
        let value = if band == 8 { hash >> 56 } else { value };
        i32::try_from(value).unwrap_or(0) | i32::try_from(band << 8).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops::FilterType};
    use proptest::prelude::*;

    use super::*;

    /// A picture with forms in it, always the same for a number.
    fn picture(number: u32) -> DynamicImage {
        DynamicImage::ImageRgb8(RgbImage::from_fn(320, 240, |x, y| {
            let wave = |step: u32, at: u32| {
                u8::try_from((at * step / 7 + number * 37 * step) % 256).unwrap_or(0)
            };
            let disc = (x.abs_diff(40 + number * 60 % 240)).pow(2)
                + (y.abs_diff(30 + number * 45 % 180)).pow(2)
                < 2_500;
            if disc { Rgb([250, 240, 20]) } else { Rgb([wave(3, x), wave(5, y), wave(2, x + y)]) }
        }))
    }

    fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.to_rgb8().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn distance(one: &ImageHash, other: &ImageHash) -> u32 {
        (one.perceptual.unwrap() ^ other.perceptual.unwrap()).count_ones()
    }

    #[test]
    fn a_scaled_and_recompressed_image_is_the_same_to_the_eye_and_another_file() {
        let image = picture(1);
        let original = hash(&file(&image, ImageFormat::Png)).unwrap();
        let smaller = image.resize(160, 120, FilterType::Triangle);
        let copy = hash(&file(&smaller, ImageFormat::Jpeg)).unwrap();

        assert_ne!(original.sha256, copy.sha256);
        assert!(distance(&original, &copy) <= ALIKE_BITS, "{}", distance(&original, &copy));
        for number in 2..6 {
            let other = hash(&file(&picture(number), ImageFormat::Png)).unwrap();
            assert!(distance(&original, &other) > ALIKE_BITS, "{number}");
        }
    }

    #[test]
    fn a_plain_image_is_told_by_its_file_alone() {
        let plain = DynamicImage::ImageRgb8(RgbImage::from_pixel(64, 64, Rgb([9, 9, 9])));

        assert_eq!(hash(&file(&plain, ImageFormat::Png)).unwrap().perceptual, None);
    }

    #[test]
    fn what_is_no_image_or_claims_to_be_a_huge_one_is_refused() {
        let huge = DynamicImage::ImageRgb8(RgbImage::new(MAX_SIDE + 1, 1));

        assert!(matches!(hash(b"no image"), Err(HashError::Unreadable(_))));
        assert!(matches!(hash(&file(&huge, ImageFormat::Png)), Err(HashError::Unreadable(_))));
        assert!(matches!(hash(&vec![0; MAX_BYTES + 1]), Err(HashError::TooLarge)));
    }

    proptest! {
        #[test]
        fn hashes_that_are_alike_share_a_band(hash: u64, flips in prop::collection::vec(0_u32..64, 0..=8)) {
            let other = flips.iter().fold(hash, |hash, bit| hash ^ (1 << bit));

            prop_assert!(bands(hash).iter().zip(bands(other)).any(|(one, two)| *one == two));
        }
    }
}
