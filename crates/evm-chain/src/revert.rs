//! What a contract said when it refused.

use std::fmt;

use ethers_core::abi::{self, Abi, ParamType, Token};

/// A refusal of a contract, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// The error's name, such as `AlreadyMinted`; `Error` for a plain sentence, `Panic` for a broken assertion, empty for nothing.
    pub name: String,
    /// What came with it, for people.
    pub arguments: Vec<String>,
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return f.write_str("refused without a reason");
        }
        write!(f, "{}({})", self.name, self.arguments.join(", "))
    }
}

/// Longer texts of a contract are cut: it may be anybody's.
const TEXT_LIMIT: usize = 200;

impl Revert {
    /// Decodes what a reverted call returned, by the errors that `contract` declares.
    pub(crate) fn decode(contract: &Abi, data: &[u8]) -> Self {
        let Some((selector, arguments)) = data.split_at_checked(4) else {
            return Self { name: String::new(), arguments: Vec::new() };
        };
        for (name, kind) in [("Error", ParamType::String), ("Panic", ParamType::Uint(256))] {
            if selector == abi::short_signature(name, std::slice::from_ref(&kind))
                && let Ok(tokens) = abi::decode(&[kind], arguments)
            {
                return Self::of(name, &tokens);
            }
        }
        let declared = contract.errors.values().flatten();
        for error in declared {
            if error.signature().as_bytes().get(..4) == Some(selector)
                && let Ok(tokens) = error.decode(arguments)
            {
                return Self::of(&error.name, &tokens);
            }
        }
        let data = crate::hex(data.get(..data.len().min(TEXT_LIMIT)).unwrap_or_default());
        Self { name: "unknown".to_owned(), arguments: vec![format!("0x{data}")] }
    }

    fn of(name: &str, tokens: &[Token]) -> Self {
        Self { name: name.to_owned(), arguments: tokens.iter().map(shown).collect() }
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Address(address) => crate::checksummed(*address),
        Token::FixedBytes(bytes) | Token::Bytes(bytes) => format!("0x{}", crate::hex(bytes)),
        Token::Uint(number) | Token::Int(number) => format!("{number:#x}"),
        Token::Bool(value) => value.to_string(),
        Token::String(text) => {
            format!("{:?}", text.chars().take(TEXT_LIMIT).collect::<String>())
        }
        Token::FixedArray(tokens) | Token::Array(tokens) | Token::Tuple(tokens) => {
            format!("[{}]", tokens.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
    }
}
