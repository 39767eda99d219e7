//! Numbers and bytes as nodes write them: `0x1a`, never trusted to fit.

use ethers_core::types::U256;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

/// A height, a nonce, an amount of gas, or a price for a unit of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(pub u64);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom("no `0x`"))?;
        u64::from_str_radix(digits, 16).map(Self).map_err(D::Error::custom)
    }
}

/// An amount that may need 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub U256);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom("no `0x`"))?;
        U256::from_str_radix(digits, 16).map(Self).map_err(D::Error::custom)
    }
}

/// Bytes of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data(pub Vec<u8>);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        crate::unhex(&text).map(Self).ok_or_else(|| D::Error::custom("no hexadecimal digits"))
    }
}

/// `0x1a` of 26.
pub fn quantity(number: u64) -> Value {
    Value::String(format!("{number:#x}"))
}

/// `0x…` of bytes.
pub fn data(bytes: &[u8]) -> Value {
    Value::String(format!("0x{}", crate::hex(bytes)))
}
