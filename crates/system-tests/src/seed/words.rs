//! The words of the demo data: names, topics, and sentences that people might say about them.

/// A topic and what can be said about it.
pub(super) struct Topic {
    pub(super) category: &'static str,
    title: &'static str,
    things: [&'static str; 5],
    found: [&'static str; 4],
}

const FIRST: [&str; 25] = [
    "Amina", "Bruno", "Chiara", "Dario", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas",
    "Kaya", "Leon", "Mira", "Nils", "Olga", "Pavel", "Quinn", "Rosa", "Samir", "Tilda", "Umar",
    "Vera", "Wanda", "Xenia", "Yusuf",
];

const LAST: [&str; 10] = [
    "Adler", "Becker", "Costa", "Dumont", "Eriksen", "Ferrari", "Garcia", "Horvat", "Ivanova",
    "Jansen",
];

const TOPICS: [Topic; 22] = [
    Topic {
        category: "FOOD",
        title: "Notes on {}",
        things: [
            "sourdough in a cold kitchen",
            "my grandmother's lentil soup",
            "pickled beetroot",
            "a proper risotto",
            "plum cake with yeast",
        ],
        found: [
            "The dough needs twice the time and half the attention I used to give it.",
            "Salt early, taste often, and stop stirring before you think you should.",
            "Half the sugar of the printed recipe is still sweet enough.",
            "It is better on the second day, if there is a second day.",
        ],
    },
    Topic {
        category: "BOOKS",
        title: "Just finished {}",
        things: [
            "a novel set on a lighthouse",
            "a biography of a mapmaker",
            "a slim book about rivers",
            "three ghost stories from the north",
            "a history of salt",
        ],
        found: [
            "The middle drags a little and the last forty pages repay it.",
            "I underlined so much that the pencil is shorter now.",
            "Whoever translated this deserves their name on the cover.",
            "I wanted to start again from page one at once.",
        ],
    },
    Topic {
        category: "TRAVEL",
        title: "Two days in {}",
        things: [
            "a town with one tram line",
            "the hills behind the coast",
            "a valley without reception",
            "an old harbour in winter",
            "a city of bridges",
        ],
        found: [
            "Take the slow train: the fast one has no view.",
            "The best meal was at a table with five chairs that did not match.",
            "Nobody was in a hurry and by the second day neither was I.",
            "Bring good shoes and leave the list of sights at home.",
        ],
    },
    Topic {
        category: "TECHNOLOGY",
        title: "What I learned from {}",
        things: [
            "a clock that drifted",
            "moving one table at midnight",
            "deleting a thousand lines",
            "reading the logs first",
            "a cable that was almost plugged in",
        ],
        found: [
            "The bug had been there for three years and needed two things to happen at once.",
            "Measure before you guess; I guessed first, as always.",
            "The simple version was slower on paper and faster in practice.",
            "Writing down what we expected found the mistake before any test did.",
        ],
    },
    Topic {
        category: "SPORTS",
        title: "After the {}",
        things: [
            "first ten kilometres of the season",
            "match in the rain",
            "long climb on Sunday",
            "swim across the lake",
            "last training before the break",
        ],
        found: [
            "Legs heavy, head light, exactly as it should be.",
            "We lost by one and nobody could stop laughing.",
            "The trick is to start slower than feels right.",
            "My watch says it was slow; the view says otherwise.",
        ],
    },
    Topic {
        category: "MUSIC_AND_ART",
        title: "Listening to {}",
        things: [
            "an old cello recording",
            "a choir in an empty church",
            "street drummers at noon",
            "a piano slightly out of tune",
            "rain on a tin roof, looped",
        ],
        found: [
            "You can hear the room as much as the instrument.",
            "The pause before the last note is the whole piece.",
            "I came for the first half and stayed for the second.",
            "It made the walk home twice as long, in a good way.",
        ],
    },
    Topic {
        category: "SCIENTIFIC",
        title: "A small observation about {}",
        things: [
            "moss on the north wall",
            "the migration of swifts",
            "soap films",
            "the colour of shadows on snow",
            "how ants change lanes",
        ],
        found: [
            "Ten minutes of looking beat an hour of reading about it.",
            "The textbook drawing is right, but it leaves out how untidy it is.",
            "I repeated it four times and got four answers within a few percent.",
            "The exceptions turned out to be the interesting part.",
        ],
    },
    Topic {
        category: "HEALTH",
        title: "One month of {}",
        things: [
            "walking before breakfast",
            "no screens after ten",
            "stretching at the desk",
            "cooking on Sundays",
            "going to bed earlier",
        ],
        found: [
            "The first week is the hard one.",
            "I did not do it every day, and it still helped.",
            "Sleep is better; mornings are not yet easy.",
            "A friend who asks about it is worth more than any app.",
        ],
    },
    Topic {
        category: "EDUCATIONAL",
        title: "Teaching {}",
        things: [
            "fractions with chocolate",
            "a class to argue politely",
            "my father to use a map app",
            "first graders to whistle",
            "chess to two impatient people",
        ],
        found: [
            "They understood it when they explained it to each other.",
            "The wrong answers were more useful than the right ones.",
            "Start with the question, keep the word for it until later.",
            "I talked less this time and it went better.",
        ],
    },
    Topic {
        category: "CULTURAL",
        title: "An evening of {}",
        things: [
            "open-air theatre",
            "folk dance for beginners",
            "short films",
            "stories told in dialect",
            "shadow puppets",
        ],
        found: [
            "Half the audience knew the words and the other half did by the end.",
            "The rain held off until the applause.",
            "I had forgotten how quiet three hundred people can be.",
            "We talked about it all the way to the last bus.",
        ],
    },
    Topic {
        category: "NOVEL_AND_POETRY",
        title: "A line about {}",
        things: [
            "the first frost",
            "keys left on a table",
            "an unanswered letter",
            "the smell of tar",
            "a door that sticks",
        ],
        found: [
            "Eleven syllables, and I moved one comma for an hour.",
            "It wanted to be a story and I said no.",
            "I read it aloud to the cat, who left.",
            "Perhaps the last word should go.",
        ],
    },
    Topic {
        category: "FASHION",
        title: "In praise of {}",
        things: [
            "mended elbows",
            "one good coat",
            "wool socks",
            "a hat with a story",
            "buttons that do not match",
        ],
        found: [
            "It has been repaired four times and fits better each time.",
            "Buy it once, from somebody who knows who made it.",
            "Nobody noticed, and I felt wonderful.",
            "The tailor on the corner works miracles for the price of a lunch.",
        ],
    },
    Topic {
        category: "LIFE_STYLE",
        title: "A week with {}",
        things: [
            "a shorter to-do list",
            "the phone in another room",
            "plants that survive me",
            "a neighbour's dog",
            "fewer cups in the cupboard",
        ],
        found: [
            "The evenings became longer, which I did not expect.",
            "I miss it less than I thought.",
            "It is not a system, it is only a habit, and that is enough.",
            "By Friday everyone in the house had joined in.",
        ],
    },
    Topic {
        category: "NEWS",
        title: "Seen in town: {}",
        things: [
            "the library opens on Sundays",
            "a new crossing at the school",
            "the market moves indoors",
            "the old cinema has a buyer",
            "the bridge is open again",
        ],
        found: [
            "There was cake at the opening, and two speeches too many.",
            "It took four years and a petition with nine hundred names.",
            "Worth a visit before everybody knows.",
            "The first to use it was a man with a goat.",
        ],
    },
    Topic {
        category: "POLITICS",
        title: "From the council meeting: {}",
        things: [
            "benches for the square",
            "the budget for the pool",
            "bus lines after midnight",
            "trees against parking",
            "who clears the snow",
        ],
        found: [
            "Both sides had numbers, and for once the same ones.",
            "The public may speak for three minutes and should.",
            "Decided with two votes to spare, to be looked at again in a year.",
            "The most sensible sentence came from the school representative.",
        ],
    },
    Topic {
        category: "INTERNATIONAL",
        title: "A letter from {}",
        things: [
            "a friend in Osaka",
            "a ship's cook in Valparaiso",
            "a teacher in Nairobi",
            "a cousin in Winnipeg",
            "a translator in Tbilisi",
        ],
        found: [
            "The weather is the opposite of ours and the worries are the same.",
            "They have a word for it there and we need one.",
            "I read it twice before dinner and once more after.",
            "The stamps alone are worth framing.",
        ],
    },
    Topic {
        category: "NATIONAL",
        title: "On the road: {}",
        things: [
            "the night train south",
            "forty villages and one bakery",
            "a dialect every ten miles",
            "the long way round the lake",
            "lighthouses in a row",
        ],
        found: [
            "You learn the country from the window seat.",
            "Everyone told me a different shortcut, all of them longer.",
            "I had never been there and it is two hours away.",
            "The map is folded wrong for ever now.",
        ],
    },
    Topic {
        category: "COMMUNICATION",
        title: "How we talk: {}",
        things: [
            "fewer meetings",
            "letters by hand",
            "asking twice",
            "silence on the phone",
            "jokes that travel badly",
        ],
        found: [
            "Write it down, wait an hour, send half of it.",
            "The best answer was a question.",
            "We agreed after finding out that we had meant the same thing.",
            "A voice still says what no message can.",
        ],
    },
    Topic {
        category: "FICTION",
        title: "A beginning: {}",
        things: [
            "the lift that skipped a floor",
            "the last beekeeper",
            "a map drawn from memory",
            "the town that sold its clock",
            "a stranger with our name",
        ],
        found: [
            "I do not know how it ends, which is why I go on.",
            "The second chapter will have to be kinder.",
            "Somebody should leave, but everybody refuses.",
            "It grew from a sentence overheard on the ferry.",
        ],
    },
    Topic {
        category: "PERSONAL_EVENT",
        title: "A day to remember: {}",
        things: [
            "we moved in",
            "she passed the exam",
            "forty years married",
            "the cast came off",
            "our first garden",
        ],
        found: [
            "Thank you to everybody who carried boxes.",
            "There were tears, mostly of the good kind.",
            "The photograph is blurred and perfect.",
            "We will do it all again next year, with more chairs.",
        ],
    },
    Topic {
        category: "PROTEST",
        title: "Why I went: {}",
        things: [
            "for the night bus",
            "for the old trees",
            "for the swimming pool",
            "for the school kitchen",
            "for the quiet street",
        ],
        found: [
            "A thousand people and not one broken window.",
            "My neighbour brought soup and a better slogan.",
            "It may change nothing, and staying home surely changes nothing.",
            "The mayor came out to listen, which is a beginning.",
        ],
    },
    Topic {
        category: "OTHER",
        title: "Does anybody know about {}?",
        things: [
            "squeaky floorboards",
            "moths in the pantry",
            "removing old paint",
            "a good bicycle bell",
            "feeding hedgehogs",
        ],
        found: [
            "I have tried three things and each made it more interesting.",
            "The shop says it is normal, the neighbour says it is not.",
            "Answers with pictures are especially welcome.",
            "I will report back, whatever happens.",
        ],
    },
];

const OPENINGS: [&str; 6] = [
    "I have been thinking about {} all week.",
    "It began with {}, as so often.",
    "Nobody asked, so here is what I know about {}.",
    "A few words about {}, before I forget.",
    "This is about {}, and a little about patience.",
    "If you have never tried it: {} is worth an afternoon.",
];

const CLOSINGS: [&str; 5] = [
    "What is your experience?",
    "I would do it again.",
    "More when I know more.",
    "Thanks to everybody who helped.",
    "That is all, and it is enough.",
];

const REPLIES: [&str; 18] = [
    "This made my morning, thank you.",
    "I had the opposite experience, but now I want to try again.",
    "Could you say more about how you started?",
    "My sister says exactly the same.",
    "Saving this for the weekend.",
    "I laughed out loud on the bus.",
    "Where can I find out more?",
    "You put into words what I could not.",
    "I disagree about the last part, kindly.",
    "Tried it yesterday: it works.",
    "How long did it take you?",
    "We should do this together some time.",
    "That is good advice, and well said.",
    "I did not know that, thanks.",
    "Please write a second part.",
    "It took me years to learn that.",
    "Same here, with fewer candles.",
    "Wonderful. Keep going!",
];

/// The name of a person.
pub(super) fn name(number: usize) -> (&'static str, &'static str) {
    (pick(&FIRST, number), pick(&LAST, number / FIRST.len() + number))
}

/// The address of a person.
pub(super) fn email(number: usize) -> String {
    let (first, last) = name(number);
    format!("{}.{}.{number}@demo.peerlink.invalid", first.to_lowercase(), last.to_lowercase())
}

/// A topic.
pub(super) fn topic(number: usize) -> &'static Topic {
    TOPICS.get(number % TOPICS.len()).unwrap_or(&TOPICS[0])
}

/// Title, body and category of a post.
pub(super) fn post(number: usize) -> (String, String, &'static str) {
    let topic = topic(number);
    let thing = pick(&topic.things, number / TOPICS.len());
    let opening = pick(&OPENINGS, number / 3).replace("{}", thing);
    let body = format!(
        "{opening} {} {}\n\n{}",
        pick(&topic.found, number / TOPICS.len()),
        pick(&topic.found, number / TOPICS.len() + 1 + number % 3),
        pick(&CLOSINGS, number / 2)
    );
    (topic.title.replace("{}", thing), body, topic.category)
}

/// A comment on a post.
pub(super) fn comment(number: usize, post: usize) -> String {
    let words = pick(&REPLIES, number * 5 + post);
    if number.is_multiple_of(4) {
        let thing = pick(&topic(post).things, post / TOPICS.len());
        format!("{words} I would never have thought of {thing}.")
    } else {
        words.to_owned()
    }
}

fn pick(list: &[&'static str], number: usize) -> &'static str {
    list.get(number % list.len()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn five_hundred_posts_are_hardly_ever_the_same() {
        let bodies: HashSet<String> =
            (0..crate::seed::POSTS).map(|number| post(number).1).collect();

        assert!(bodies.len() > 400, "{}", bodies.len());
    }

    #[test]
    fn everybody_has_an_address_of_their_own() {
        let addresses: HashSet<String> = (0..crate::seed::PEOPLE).map(email).collect();

        assert_eq!(addresses.len(), crate::seed::PEOPLE);
    }
}
