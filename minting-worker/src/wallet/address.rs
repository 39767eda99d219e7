//! Addresses and signatures of Ethereum accounts.

use std::{fmt, str::FromStr};

use ethers_core::{
    types::{Address as Bytes, Signature},
    utils::to_checksum,
};

/// An address; it shows itself with its EIP-55 checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(Bytes);

/// Why a text is no address that could own anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not 0x and 40 hexadecimal digits.
    #[error("an address is `0x` and 40 hexadecimal digits")]
    Form,
    /// Its capitals are not those of its checksum: probably a digit is wrong.
    #[error("the capitals of the address do not fit its digits (EIP-55)")]
    Checksum,
    /// Nobody has its key.
    #[error("nobody owns the address 0")]
    Nobody,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let digits = text.strip_prefix("0x").ok_or(AddressError::Form)?;
        if digits.len() != 40 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(AddressError::Form);
        }
        let address = Self(digits.parse().or(Err(AddressError::Form))?);
        let has = |test: fn(&u8) -> bool| digits.as_bytes().iter().any(test);
        let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
        if is_mixed && address.to_string() != text {
            return Err(AddressError::Checksum);
        }
        if address.0.is_zero() {
            return Err(AddressError::Nobody);
        }
        Ok(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_checksum(&self.0, None))
    }
}

impl Address {
    /// Who signed a text by `personal_sign` (EIP-191): 65 bytes in hexadecimal digits, with or without `0x`. `None` if that is
    /// no signature.
    pub fn of_signer(text: &str, signature: &str) -> Option<Self> {
        let digits = signature.strip_prefix("0x").unwrap_or(signature);
        let is_whole = digits.len() == 130 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        // The last byte is 27 or 28, or 0 or 1 of wallets that know no better; the library would take others for chain ids.
        let is_plain = digits.get(128..).is_some_and(|last| {
            ["1b", "1c", "00", "01"].contains(&last.to_ascii_lowercase().as_str())
        });
        if !is_whole || !is_plain {
            return None;
        }
        let signature: Signature = digits.parse().ok()?;
        Some(Self(signature.recover(text).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_standard_keep_their_capitals() {
        for address in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert_eq!(address.parse::<Address>().unwrap().to_string(), address);
            let lower = address.to_ascii_lowercase();
            assert_eq!(lower.parse::<Address>().unwrap().to_string(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        let parsed = |text: &str| text.parse::<Address>().unwrap_err();

        assert_eq!(parsed("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), AddressError::Checksum);
        assert_eq!(parsed("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"), AddressError::Form);
        assert_eq!(parsed("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA"), AddressError::Form);
        assert_eq!(parsed("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beé"), AddressError::Form);
        assert_eq!(parsed("0x0000000000000000000000000000000000000000"), AddressError::Nobody);
    }

    #[test]
    fn what_is_no_signature_has_no_signer() {
        for signature in ["", "0x", "0x12", &"0".repeat(130), &format!("{}25", "1".repeat(128))] {
            assert_eq!(Address::of_signer("text", signature), None, "{signature}");
        }
    }
}
