//! What the built-in model says of texts, in words of this file's own.

use content_analysis::{Analyser, Category, Model, ModelError, Scorer as _, Scores};

fn scores(text: &str) -> Scores {
    Analyser::built_in().unwrap().scores(text)
}

const ORDINARY: [&str; 10] = [
    "The train was late again, but the sunrise over the lake made up for it.",
    "Does anybody know a good recipe for lentil soup?",
    "Happy birthday to my sister, who taught me how to ride a bike!",
    "I passed the exam. Thank you all for your help last week.",
    "New photos of the garden: the tomatoes are finally red.",
    "Our team lost 3:2, what a game though.",
    "My grandmother is Jewish and my grandfather is from Morocco, so holidays are busy.",
    "Rain all day, so we stayed in and played cards.",
    "The new library opens on Monday at nine.",
    "I am killing time at the airport until my flight at 6 pm.",
];

#[test]
fn ordinary_texts_score_low_in_every_category() {
    for text in ORDINARY {
        let scores = scores(text);
        for category in Category::ALL {
            assert!(scores.get(category) < 0.6, "{category:?} {} {text}", scores.get(category));
        }
    }
}

#[test]
fn each_harm_scores_higher_than_ordinary_texts_do() {
    let harmful = [
        (
            Category::Spam,
            "Congratulations! You have won a free iPhone, click here to claim your prize now: http://win-prize.xyz",
        ),
        (Category::Toxicity, "shut up you stupid idiot, nobody wants to hear your shit"),
        (
            Category::Hate,
            "all those immigrants are vermin and should be deported, they are subhuman",
        ),
        (Category::Threat, "I will kill you, I know where you live"),
        (Category::Sexual, "send nudes, I want to suck your cock all night"),
        (
            Category::SelfHarm,
            "I want to die. There is no reason to live and I am going to kill myself tonight",
        ),
    ];
    for (category, text) in harmful {
        let highest =
            ORDINARY.map(|text| scores(text).get(category)).into_iter().fold(0.0, f32::max);
        let score = scores(text).get(category);
        assert!(score > 0.55 && score > highest * 1.3, "{category:?} {score} against {highest}");
    }
}

#[test]
fn hidden_words_are_read() {
    let plain = scores("you are a stupid asshole and a fucking idiot").toxicity;
    for hidden in [
        "you are a st*pid a$$hole and a f*cking idi0t",
        "you are a s.t.u.p.i.d a s s h o l e and a f u c k i n g idiot",
        "you are a stup\u{200b}id ass\u{200b}hole and a fuck\u{200b}ing idiot",
        "you are a ѕtupid аsshole and a fuсking idiоt",
        "you are a stuuuupid assshole and a fuckinggg idiot",
        "YOU ARE A ＳＴＵＰＩＤ asshole and a fukcing idiot",
        "you are a s̶t̶u̶p̶i̶d̶ asshole and a fucing idiot",
    ] {
        let score = scores(hidden).toxicity;
        assert!(score > plain * 0.8, "{score} of {plain}: {hidden}");
    }
}

#[test]
fn what_is_said_about_a_group_counts_and_not_that_it_is_named() {
    for group in ["women", "gay people", "Muslims", "black people", "disabled people"] {
        let named =
            scores(&format!("I met many {group} at the festival and we had a great time")).hate;
        let attacked =
            scores(&format!("all {group} are disgusting animals and should be exterminated")).hate;
        assert!(named < 0.6 && attacked > 0.8, "{group}: {named} {attacked}");
    }
}

/// The bits of these scores are the same on every machine; a change of them is another model or other features.
#[test]
fn scores_are_the_same_bits_everywhere() {
    let bits = |text: &str| {
        let scores = scores(text);
        Category::ALL.map(|category| format!("{:08x}", scores.get(category).to_bits())).join(" ")
    };
    assert_eq!(bits(ORDINARY[0]), "3b291469 3d22f5e3 3e51e616 3df653d3 3ea50498 3e971418");
    assert_eq!(
        bits("I will find you, idiot! http://shop.example"),
        "3d5c9fd0 3efee38d 3e51b463 3ea9b609 3e97dd17 3e91bfce"
    );
}

#[test]
fn a_model_file_is_read_back_as_it_was_and_damage_is_told() {
    let model = Analyser::built_in().unwrap().model();
    let file = model.to_bytes().unwrap();
    assert!(file.len() < 8_000_000, "{} bytes", file.len());
    assert_eq!(Model::from_bytes(&file).unwrap().version(), model.version());

    assert!(matches!(Model::from_bytes(b"something else"), Err(ModelError::NotAModel)));
    let cut = file.get(..file.len() / 2).unwrap();
    assert!(matches!(
        Model::from_bytes(cut),
        Err(ModelError::Damaged(_) | ModelError::Inconsistent(_))
    ));
    let mut other = file.clone();
    other[8] = 0xff;
    assert!(matches!(Model::from_bytes(&other), Err(ModelError::Version { .. })));
    let mut turned = file;
    let middle = turned.len() / 2;
    turned[middle] ^= 0x55;
    assert!(Model::from_bytes(&turned).is_err());
}
