//! What the contract promises.

use evm_chain::{
    Address, ContentToken, Item,
    contract::{Outcome, token_of_comment, token_of_post},
};

use crate::world::{World, logs};

fn item(number: u8) -> Item {
    let owner = Address::repeat_byte(0x42);
    Item { owner, token_id: token_of_post([number; 16]), digest: [number; 32] }
}

fn bytecode(artefact: &str) -> Vec<u8> {
    let artefact: serde_json::Value = serde_json::from_str(artefact).unwrap();
    evm_chain::unhex(artefact.get("bytecode").unwrap().as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_mints_once_and_a_repeat_changes_nothing() {
    let world = World::start().await;
    let items: Vec<Item> = (1..=10).map(item).collect();

    let first = world.mint(&items).await;
    let outcomes = world.contract.outcomes(&logs(&first));
    assert_eq!(outcomes.len(), 10);
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Minted));
    assert!(first.gas_used.0 / 10 < 56_000, "{} gas for each", first.gas_used.0 / 10);
    assert!(first.gas_used.0 < ContentToken::batch_gas(10, 0));

    let other = Item { digest: [99; 32], ..items[0] };
    let again = world.mint(&[items[1], other]).await;
    let outcomes = world.contract.outcomes(&logs(&again));
    assert_eq!(outcomes[0], (items[1].token_id, Outcome::Skipped));
    assert_eq!(outcomes[1], (items[0].token_id, Outcome::Conflict([1; 32])));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_recipients_stop_nobody_else_and_can_be_tried_again() {
    let world = World::start().await;
    let no_taker = bytecode(include_str!("../../../../deploy/contracts/artifacts/Refuser.json"));
    let waster = bytecode(include_str!("../../../../deploy/contracts/artifacts/GasBurner.json"));
    let no_taker = world.transact(None, no_taker).await.contract_address.unwrap();
    let waster = world.transact(None, waster).await.contract_address.unwrap();
    let (refused, burned) =
        (Item { owner: no_taker, ..item(2) }, Item { owner: waster, ..item(3) });

    let receipt = world.mint(&[item(1), refused, burned, item(4), item(1)]).await;

    assert_eq!(receipt.status.0, 1);
    assert!(receipt.gas_used.0 < ContentToken::batch_gas(5, 2));
    let outcomes = world.contract.outcomes(&logs(&receipt));
    assert_eq!(outcomes[0].1, Outcome::Minted);
    let Outcome::Failed(reason) = &outcomes[1].1 else { panic!("{outcomes:?}") };
    assert_eq!(reason.name, "ERC1155InvalidReceiver");
    assert!(matches!(outcomes[2].1, Outcome::Failed(_)));
    assert_eq!(outcomes[3].1, Outcome::Minted);
    assert_eq!(outcomes[4].1, Outcome::Skipped);

    let receipt = world.mint(&[item(2)]).await;
    assert_eq!(world.contract.outcomes(&logs(&receipt)), [(item(2).token_id, Outcome::Minted)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_where_its_metadata_is_by_the_digest() {
    let world = World::start().await;
    // sha2-256 of `{}`, of which `bafkreicecnx2gvntm6fbcrvnc336qze6st5u7qq7457igegamd3bzkx7ri` is the CID.
    let digest =
        evm_chain::parse_word("0x44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    let item = Item {
        owner: Address::repeat_byte(1),
        token_id: token_of_comment([1; 16]),
        digest: digest.unwrap(),
    };
    world.mint(&[item]).await;

    let inputs = [ContentToken::uri(item.token_id), ContentToken::uri(1.into())];
    let answers = world.nodes.read(world.contract.address, &inputs, None).await.unwrap();

    let texts: Vec<_> = answers
        .into_iter()
        .map(|answer| ContentToken::text_in(&answer.unwrap()).unwrap())
        .collect();
    let cid = "bafkreicecnx2gvntm6fbcrvnc336qze6st5u7qq7457igegamd3bzkx7ri";
    assert_eq!(texts, [format!("ipfs://{cid}"), String::new()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_decoded_before_anybody_pays_for_it() {
    let world = World::start().await;
    let (contract, me) = (world.contract.address, evm_chain::Signer::address(&world.signer));
    let estimate = async |from: Address, items: &[Item]| {
        let input = ContentToken::mint_many(items);
        let error = world.nodes.estimate(from, Some(contract), &input).await.unwrap_err();
        ContentToken::revert(&error.revert_data().unwrap()).name
    };

    let stranger = Address::repeat_byte(7);
    assert_eq!(estimate(stranger, &[item(1)]).await, "AccessControlUnauthorizedAccount");
    assert_eq!(estimate(me, &[Item { digest: [0; 32], ..item(1) }]).await, "ZeroDigest");
    world.transact(Some(contract), ContentToken::set_paused(true)).await;
    assert_eq!(estimate(me, &[item(1)]).await, "EnforcedPause");
}
