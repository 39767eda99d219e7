// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// Tokens of posts and comments, one of each.
///
/// The id of a token follows from the id of its content, so that a repeated mint meets the token that is there. Only the sha2-256
/// digest of the metadata is stored: `uri` makes the CID from it. The event `URI` is not emitted; ask `uri`.
contract ContentToken is ERC1155, AccessControl, Pausable {
    bytes32 public constant MINTER_ROLE = keccak256("MINTER_ROLE");
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// One token to mint: whose it will be, which it is, and what its metadata hashes to.
    struct Item {
        address to;
        uint256 id;
        bytes32 digest;
    }

    /// The digest of a token's metadata; 0 for a token that was never minted.
    mapping(uint256 id => bytes32) public digestOf;

    /// What a recipient that is a contract may use up when it is told of its token.
    uint256 private constant ISOLATED_GAS = 250_000;

    bytes32 private constant ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

    /// The token was there, with the same digest.
    event MintSkipped(uint256 indexed id);
    /// The token was there, with another digest.
    event MintConflict(uint256 indexed id, bytes32 minted, bytes32 asked);
    /// The recipient did not take the token; it can be minted again.
    event MintFailed(uint256 indexed id, address indexed to, bytes reason);

    error AlreadyMinted(uint256 id);
    error DifferentContent(uint256 id);
    error OnlySelf();
    error ZeroDigest();
    error LowGas();

    constructor(address admin, address minter) ERC1155("") {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(PAUSER_ROLE, admin);
        _grantRole(MINTER_ROLE, minter);
    }

    function minted(uint256 id) external view returns (bool) {
        return digestOf[id] != 0;
    }

    /// Mints a token that is not there yet.
    function mint(address to, uint256 id, bytes32 digest) external onlyRole(MINTER_ROLE) whenNotPaused {
        if (digestOf[id] != 0) revert AlreadyMinted(id);
        _mintNew(to, id, digest);
    }

    /// Mints a token unless it is there; false if it was.
    function mintOnce(address to, uint256 id, bytes32 digest)
        external
        onlyRole(MINTER_ROLE)
        whenNotPaused
        returns (bool)
    {
        bytes32 known = digestOf[id];
        if (known != 0) {
            if (known != digest) revert DifferentContent(id);
            emit MintSkipped(id);
            return false;
        }
        _mintNew(to, id, digest);
        return true;
    }

    /// Mints many tokens, each as if it were alone: what is there is skipped, and a recipient that refuses, or uses up all gas,
    /// stops no other. An address of zero or a digest of zero reverts everything: whoever sends them knows better.
    function mintMany(Item[] calldata items) external onlyRole(MINTER_ROLE) whenNotPaused {
        for (uint256 i = 0; i < items.length; ++i) {
            Item calldata item = items[i];
            bytes32 known = digestOf[item.id];
            if (known != 0) {
                if (known == item.digest) emit MintSkipped(item.id);
                else emit MintConflict(item.id, known, item.digest);
                continue;
            }
            if (item.to.code.length == 0) {
                _mintNew(item.to, item.id, item.digest);
                continue;
            }
            // A call that was starved must not look like a bad recipient: all of it fails instead.
            if (gasleft() < ISOLATED_GAS + ISOLATED_GAS / 63 + 10_000) revert LowGas();
            try this.mintIsolated{gas: ISOLATED_GAS}(item) {}
            catch (bytes memory reason) {
                emit MintFailed(item.id, item.to, reason);
            }
        }
    }

    /// A step of `mintMany`, which can fail alone. Nobody else may call it.
    function mintIsolated(Item calldata item) external {
        if (msg.sender != address(this)) revert OnlySelf();
        _mintNew(item.to, item.id, item.digest);
    }

    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// `ipfs://` and the CIDv1 of the metadata: raw codec, sha2-256, base32. Empty for a token that was never minted.
    function uri(uint256 id) public view override returns (string memory) {
        bytes32 digest = digestOf[id];
        if (digest == 0) return "";
        // Version 1, raw, sha2-256, 32 bytes, and the digest: 288 bits, which are 58 digits of base32.
        bytes memory raw = abi.encodePacked(bytes4(0x01551220), digest);
        bytes memory text = new bytes(58);
        uint256 pending;
        uint256 bits;
        uint256 at;
        for (uint256 i = 0; i < 36; ++i) {
            pending = (pending << 8) | uint8(raw[i]);
            bits += 8;
            while (bits >= 5) {
                bits -= 5;
                text[at++] = ALPHABET[(pending >> bits) & 31];
            }
            pending &= (1 << bits) - 1;
        }
        if (bits > 0) text[at++] = ALPHABET[(pending << (5 - bits)) & 31];
        return string.concat("ipfs://b", string(text));
    }

    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(ERC1155, AccessControl)
        returns (bool)
    {
        return super.supportsInterface(interfaceId);
    }

    function _mintNew(address to, uint256 id, bytes32 digest) private {
        if (digest == 0) revert ZeroDigest();
        digestOf[id] = digest;
        _mint(to, id, 1, "");
    }
}
