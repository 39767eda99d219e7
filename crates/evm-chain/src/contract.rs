//! The contract of posts and comments: what to call, and what its answers mean.

use std::sync::LazyLock;

use ethers_core::{
    abi::{self, Abi, Token},
    types::{Address, H256, U256},
    utils::keccak256,
};
use serde::Deserialize;

use crate::revert::Revert;

/// The compiled contract, as `deploy/contracts/compile.mjs` wrote it.
const ARTIFACT: &str = include_str!("../../../deploy/contracts/artifacts/ContentToken.json");

/// The most gas that one transaction may use anywhere (EIP-7825).
pub const TRANSACTION_GAS_LIMIT: u64 = 16_777_216;

/// Gas that a batch costs whatever is in it.
const BATCH_GAS: u64 = 60_000;

/// Gas of one token to a plain account: two storage slots, an event, and its part of the input.
const ITEM_GAS: u64 = 60_000;

/// Gas of one token to a contract, which may use up what it is given.
const CONTRACT_ITEM_GAS: u64 = 330_000;

#[derive(Deserialize)]
struct Artifact {
    abi: Abi,
    bytecode: String,
    runtime_sha256: String,
}

static COMPILED: LazyLock<Artifact> =
    LazyLock::new(|| serde_json::from_str(ARTIFACT).expect("a test parses it"));

/// One token to mint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Whose it will be.
    pub owner: Address,
    /// Which it is.
    pub token_id: U256,
    /// What its metadata hashes to.
    pub digest: [u8; 32],
}

/// What became of one token of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was minted.
    Minted,
    /// It was there, with the same digest.
    Skipped,
    /// It is there, with this other digest.
    Conflict([u8; 32]),
    /// Its owner did not take it.
    Failed(Revert),
}

/// An entry of a transaction's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Who wrote it.
    pub address: Address,
    /// What kind of entry, and its indexed fields.
    pub topics: Vec<H256>,
    /// The other fields.
    pub data: Vec<u8>,
}

/// The token of a post.
pub fn token_of_post(id: [u8; 16]) -> U256 {
    token_id(b"post:v1:", id)
}

/// The token of a comment.
pub fn token_of_comment(id: [u8; 16]) -> U256 {
    token_id(b"comment:v1:", id)
}

fn token_id(prefix: &[u8], id: [u8; 16]) -> U256 {
    U256::from_big_endian(&keccak256([prefix, &id].concat()))
}

/// A token id as its 32 bytes.
pub fn id_bytes(token_id: U256) -> [u8; 32] {
    let mut bytes = [0; 32];
    token_id.to_big_endian(&mut bytes);
    bytes
}

/// The contract at an address of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentToken {
    /// Where it is.
    pub address: Address,
}

impl ContentToken {
    /// What makes a contract whose roles `admin` gives, and in which `minter` mints.
    pub fn deployment(admin: Address, minter: Address) -> Vec<u8> {
        let mut code = crate::unhex(&COMPILED.bytecode).expect("a test decodes it");
        code.extend(abi::encode(&[Token::Address(admin), Token::Address(minter)]));
        code
    }

    /// SHA-256 of the code that the contract has once it is on a chain: 64 lower-case hexadecimal digits. It has no immutables, so
    /// that every copy of it has the same.
    pub fn code_sha256() -> &'static str {
        &COMPILED.runtime_sha256
    }

    /// The same of any code.
    pub fn sha256_of(code: &[u8]) -> String {
        crate::hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, code).as_ref())
    }

    /// The input that mints tokens, each as if it were alone.
    pub fn mint_many(items: &[Item]) -> Vec<u8> {
        let items = items.iter().map(|item| {
            Token::Tuple(vec![
                Token::Address(item.owner),
                Token::Uint(item.token_id),
                Token::FixedBytes(item.digest.to_vec()),
            ])
        });
        input("mintMany", &[Token::Array(items.collect())])
    }

    /// The most gas that a batch of so many tokens can use; `of_contracts` of them go to contracts.
    pub fn batch_gas(items: usize, of_contracts: usize) -> u64 {
        let (items, of_contracts) = (items as u64, of_contracts as u64);
        BATCH_GAS + ITEM_GAS * items + CONTRACT_ITEM_GAS * of_contracts
    }

    /// The input that asks for the digest of a token.
    pub fn digest_of(token_id: U256) -> Vec<u8> {
        input("digestOf", &[Token::Uint(token_id)])
    }

    /// The digest in an answer; `None` if the token was never minted.
    pub fn digest_in(answer: &[u8]) -> Option<[u8; 32]> {
        let digest: [u8; 32] = answer.try_into().ok()?;
        (digest != [0; 32]).then_some(digest)
    }

    /// The input that asks where the metadata of a token is.
    pub fn uri(token_id: U256) -> Vec<u8> {
        input("uri", &[Token::Uint(token_id)])
    }

    /// The text in an answer; `None` if it holds none.
    pub fn text_in(answer: &[u8]) -> Option<String> {
        let tokens = abi::decode(&[abi::ParamType::String], answer).ok()?;
        tokens.into_iter().next()?.into_string()
    }

    /// The input that asks whether somebody may mint.
    pub fn is_minter(account: Address) -> Vec<u8> {
        let role = keccak256(b"MINTER_ROLE");
        input("hasRole", &[Token::FixedBytes(role.to_vec()), Token::Address(account)])
    }

    /// The input that lets somebody mint.
    pub fn allow_minter(account: Address) -> Vec<u8> {
        let role = keccak256(b"MINTER_ROLE");
        input("grantRole", &[Token::FixedBytes(role.to_vec()), Token::Address(account)])
    }

    /// The input that asks whether the contract is paused.
    pub fn is_paused() -> Vec<u8> {
        input("paused", &[])
    }

    /// The input that stops it, and the one that lets it go on.
    pub fn set_paused(paused: bool) -> Vec<u8> {
        input(if paused { "pause" } else { "unpause" }, &[])
    }

    /// Whether an answer says yes.
    pub fn is_yes(answer: &[u8]) -> bool {
        answer.len() == 32 && answer.last() == Some(&1)
    }

    /// What a reverted call returned, by the contract's own errors.
    pub fn revert(data: &[u8]) -> Revert {
        Revert::decode(&COMPILED.abi, data)
    }

    /// What happened to which token, as a transaction's log says; entries of others are left out.
    pub fn outcomes(self, logs: &[Log]) -> Vec<(U256, Outcome)> {
        logs.iter().filter(|log| log.address == self.address).filter_map(outcome).collect()
    }

    /// The first topic of the entries that a transfer writes, and the third (from nobody) of those of a mint.
    pub fn minted_topics() -> (H256, H256) {
        (signature("TransferSingle"), H256::zero())
    }
}

fn outcome(log: &Log) -> Option<(U256, Outcome)> {
    let kind = log.topics.first()?;
    let raw = || abi::RawLog { topics: log.topics.clone(), data: log.data.clone() };
    let parse = |name: &str| -> Option<abi::Log> {
        (*kind == signature(name)).then(|| event(name).parse_log(raw()).ok())?
    };
    let field = |log: &abi::Log, name: &str| -> Option<Token> {
        log.params.iter().find(|param| param.name == name).map(|param| param.value.clone())
    };
    if let Some(log) = parse("TransferSingle") {
        // From nobody: a mint. Later transfers are none of ours.
        if field(&log, "from")? != Token::Address(Address::zero()) {
            return None;
        }
        return Some((field(&log, "id")?.into_uint()?, Outcome::Minted));
    }
    if let Some(log) = parse("MintSkipped") {
        return Some((field(&log, "id")?.into_uint()?, Outcome::Skipped));
    }
    if let Some(log) = parse("MintConflict") {
        let minted = field(&log, "minted")?.into_fixed_bytes()?.try_into().ok()?;
        return Some((field(&log, "id")?.into_uint()?, Outcome::Conflict(minted)));
    }
    let log = parse("MintFailed")?;
    let reason = ContentToken::revert(&field(&log, "reason")?.into_bytes()?);
    Some((field(&log, "id")?.into_uint()?, Outcome::Failed(reason)))
}

fn input(function: &str, arguments: &[Token]) -> Vec<u8> {
    let function = COMPILED.abi.function(function).expect("a test calls each of them");
    function.encode_input(arguments).expect("the arguments are of the declared types")
}

fn event(name: &str) -> &'static abi::Event {
    COMPILED.abi.event(name).expect("a test reads each of them")
}

fn signature(name: &str) -> H256 {
    event(name).signature()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_artefact_has_everything_that_is_called_and_read() {
        let someone = Address::repeat_byte(1);
        let item = Item { owner: someone, token_id: 1.into(), digest: [1; 32] };
        for input in [
            ContentToken::deployment(someone, someone),
            ContentToken::mint_many(&[item]),
            ContentToken::digest_of(1.into()),
            ContentToken::uri(1.into()),
            ContentToken::is_minter(someone),
            ContentToken::allow_minter(someone),
            ContentToken::is_paused(),
            ContentToken::set_paused(true),
            ContentToken::set_paused(false),
        ] {
            assert!(input.len() >= 4);
        }
        for name in ["TransferSingle", "MintSkipped", "MintConflict", "MintFailed"] {
            assert_ne!(signature(name), H256::zero());
        }
    }

    #[test]
    fn a_token_id_follows_from_the_kind_and_the_id_of_the_content() {
        let (post, comment) = (token_of_post([7; 16]), token_of_comment([7; 16]));

        assert_ne!(post, comment);
        let expected = keccak256([b"post:v1:".as_slice(), &[7; 16]].concat());
        assert_eq!(id_bytes(post), expected);
    }

    #[test]
    fn hostile_logs_and_answers_are_read_without_harm() {
        let contract = ContentToken { address: Address::repeat_byte(9) };
        let kinds = ["TransferSingle", "MintSkipped", "MintConflict", "MintFailed"];
        for topics in 0..5_usize {
            for length in [0, 1, 31, 32, 64, 96, 200] {
                for kind in kinds {
                    let mut all = vec![signature(kind)];
                    all.resize(topics, H256::repeat_byte(0xff));
                    let data = vec![0xff; length];
                    let log = Log { address: contract.address, topics: all, data };
                    assert!(contract.outcomes(&[log]).len() <= 1);
                }
                assert!(ContentToken::text_in(&vec![0xff; length]).is_none());
                ContentToken::revert(&vec![0xff; length]);
            }
        }
    }

    #[test]
    fn errors_of_the_contract_and_of_solidity_are_told_apart() {
        let already = abi::encode(&[Token::Uint(5.into())]);
        let selector = abi::short_signature("AlreadyMinted", &[abi::ParamType::Uint(256)]);
        assert_eq!(
            ContentToken::revert(&[&selector[..], &already].concat()).to_string(),
            "AlreadyMinted(0x5)"
        );
        assert_eq!(ContentToken::revert(&[]).to_string(), "refused without a reason");
    }
}
