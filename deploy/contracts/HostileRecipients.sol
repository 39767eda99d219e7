// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// A recipient that takes no tokens. For tests.
contract Refuser {}

/// A recipient that uses up all gas that it is given. For tests.
contract GasBurner {
    function onERC1155Received(address, address, uint256, uint256, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        while (true) {}
        return 0xf23a6e61;
    }
}
