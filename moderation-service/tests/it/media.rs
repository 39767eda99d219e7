//! Images that the operator knows, in content that shows them.

use std::io::Cursor;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops::FilterType};
use reqwest::Method;
use serde_json::{Value, json};
use shared_schemas::{moderation::Subject, user::Role};

use test_kit::eventually;

use crate::support::{AUTHOR, ORDINARY, Person, SOON, World, answer};

/// A picture with forms in it, always the same for a number.
fn picture(number: u32) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_fn(320, 240, |x, y| {
        let wave =
            |step: u32, at: u32| u8::try_from((at * step / 7 + number * 37 * step) % 256).unwrap();
        let near = x.abs_diff(40 + number * 60 % 240).pow(2) + y.abs_diff(90).pow(2) < 2_500;
        if near { Rgb([250, 240, 20]) } else { Rgb([wave(3, x), wave(5, y), wave(2, x + y)]) }
    }))
}

fn base64(image: &DynamicImage, format: ImageFormat) -> String {
    let mut bytes = Cursor::new(Vec::new());
    image.to_rgb8().write_to(&mut bytes, format).unwrap();
    STANDARD.encode(bytes.into_inner())
}

async fn post(world: &World, person: &Person, path: &str, body: &Value) -> (u16, Value) {
    answer(world.request(Method::POST, person, path).json(body).send().await.unwrap()).await
}

async fn list(world: &World, number: u32, action: &str) -> Value {
    let body = json!({ "image": base64(&picture(number), ImageFormat::Png), "category": "NUDITY", "action": action });
    let (status, entry) = post(world, &world.moderator(), "/moderation/media/images", &body).await;
    assert_eq!(status, 200, "{entry}");
    entry
}

async fn check(world: &World, person: &Person, subject: Subject, image: String) -> (u16, Value) {
    let Subject::Post(id) = subject else { unreachable!() };
    let body = json!({ "image": image, "subject_kind": "POST", "subject_id": id });
    post(world, person, "/moderation/media/checks", &body).await
}

/// A harmless post, as soon as people can see it.
async fn visible_post(world: &World) -> Subject {
    let post = Subject::Post(world.post(10, ORDINARY).await);
    eventually(SOON, || async {
        moderation_service::published::view::find(world.db(), post).await.unwrap().is_some()
    })
    .await;
    post
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_listed_image_opens_a_case_about_whoever_shows_it() {
    let world = World::start().await;
    let (author, subject) = (Person::of(&world, AUTHOR, &[Role::User]), visible_post(&world).await);
    let entry = list(&world, 1, "HOLD").await;
    let copy = picture(1).resize(160, 120, FilterType::Triangle);

    let (_, other) = check(&world, &author, subject, base64(&picture(3), ImageFormat::Png)).await;
    assert_eq!((&other["is_listed"], other.get("case_id")), (&json!(false), None), "{other}");
    let (status, found) = check(&world, &author, subject, base64(&copy, ImageFormat::Jpeg)).await;

    assert_eq!((status, &found["is_listed"]), (200, &json!(true)), "{found}");
    assert_ne!(found["sha256"], entry["sha256"]);
    let case = world.case(subject).await;
    assert_eq!((&case["id"], &case["state"]), (&found["case_id"], &json!("OPENED")));
    assert_eq!(case["reasons"], json!(["NUDITY"]));
    assert_eq!(case["analysis"]["findings"][0]["rule"], "media.alike");
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_with_an_image_that_is_to_go_is_removed_by_the_policy() {
    let world = World::start().await;
    let (author, subject) = (Person::of(&world, AUTHOR, &[Role::User]), visible_post(&world).await);
    list(&world, 1, "REMOVE").await;

    let image = base64(&picture(1), ImageFormat::Png);
    let (_, found) = check(&world, &author, subject, image.clone()).await;
    let (_, again) = check(&world, &author, subject, image).await;

    assert_eq!(found["case_id"], again["case_id"]);
    let case = world.case(subject).await;
    assert_eq!((&case["state"], &case["decision"]), (&json!("DELETE_REQUESTED"), &json!("DELETE")));
    assert_eq!(case["decided_by"]["version"], "listed-images/1");
    assert_eq!(case["analysis"]["findings"][0]["rule"], "media.exact");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_kept_by_moderators_and_images_are_checked_by_those_who_show_them() {
    let world = World::start().await;
    let subject = visible_post(&world).await;
    let (author, stranger) =
        (Person::of(&world, AUTHOR, &[Role::User]), world.person(7, &[Role::User]));
    let image = base64(&picture(1), ImageFormat::Png);
    let body = json!({ "image": image, "category": "NUDITY", "action": "HOLD" });

    assert_eq!(post(&world, &author, "/moderation/media/images", &body).await.0, 403);
    assert_eq!(check(&world, &stranger, subject, image.clone()).await.0, 403);
    let entry = list(&world, 1, "HOLD").await;
    assert_eq!(list(&world, 1, "HOLD").await, entry);
    let (_, page) = world.get(&world.moderator(), "/moderation/media/images").await;
    assert_eq!(page["items"], json!([entry]));
    let path = format!("/moderation/media/images/{}", entry["id"].as_str().unwrap());
    let delete = |person: Person| world.request(Method::DELETE, &person, &path).send();
    assert_eq!(delete(world.moderator()).await.unwrap().status(), 204);
    assert_eq!(delete(world.moderator()).await.unwrap().status(), 404);
    let (_, checked) = check(&world, &author, subject, image).await;
    assert_eq!(checked["is_listed"], json!(false));
    world.audited().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_or_tells_none_is_refused() {
    let world = World::start().await;
    let plain = DynamicImage::ImageRgb8(RgbImage::from_pixel(64, 64, Rgb([9, 9, 9])));
    let bodies = [
        json!({ "image": STANDARD.encode("no image"), "category": "NUDITY", "action": "HOLD" }),
        json!({ "category": "NUDITY", "action": "HOLD" }),
        json!({ "perceptual": "0000000000000001", "category": "NUDITY", "action": "HOLD" }),
        json!({ "image": base64(&picture(1), ImageFormat::Png), "category": "SELF_HARM", "action": "REMOVE" }),
        json!({ "image": base64(&picture(1), ImageFormat::Png), "sha256": "ab".repeat(32), "category": "SPAM", "action": "HOLD" }),
    ];

    for body in bodies {
        let (status, problem) =
            post(&world, &world.moderator(), "/moderation/media/images", &body).await;
        assert_eq!(status, 400, "{problem}");
    }
    let body = json!({ "image": base64(&plain, ImageFormat::Png), "category": "NUDITY", "action": "HOLD" });
    let (_, entry) = post(&world, &world.moderator(), "/moderation/media/images", &body).await;
    assert!(entry.get("perceptual").is_none() && entry["sha256"].is_string(), "{entry}");
    let huge =
        json!({ "image": "A".repeat(6 * 1024 * 1024), "category": "NUDITY", "action": "HOLD" });
    assert_eq!(post(&world, &world.moderator(), "/moderation/media/images", &huge).await.0, 413);
}
