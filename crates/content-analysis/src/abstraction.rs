//! Classes of words: what is said about whom, apart from the words themselves. A model that has learned what a sentence does
//! with one group of people knows it for every other.

use rustc_hash::FxHashMap;

/// A class of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Class {
    /// A group of people that is often attacked for what it is.
    Group = 1,
    /// A group that is the majority where most texts come from.
    Majority,
    /// A slur against a group.
    Slur,
    /// A general insult.
    Insult,
    /// A swear word that is no insult by itself.
    Swear,
    /// A sexual word.
    Sexual,
    /// I, we.
    First,
    /// You.
    Second,
    /// He, she, they.
    Third,
    /// An act of violence.
    Violence,
    /// Dying and death.
    Death,
    /// Not, never, nobody.
    Not,
    /// An offer, a prize, a call to click, subscribe or buy.
    Offer,
    /// What people are called who are denied to be people.
    Vermin,
    /// Hating, as a verb.
    Hating,
    /// Liking, respecting, defending.
    Liking,
    /// Saying, and judging what was said.
    Saying,
    /// What ought to be.
    Ought,
    /// All, every, these.
    All,
    /// Leaving, and being sent away.
    Away,
}

const OWN: [(Class, &str); 16] = [
    (
        Class::Group,
        "woman women girl girls female females feminist feminists lady ladies wife wives trans transgender transsexual gay gays \
         lesbian lesbians bisexual bisexuals homosexual homosexuals queer lgbt lgbtq muslim muslims islam islamic arab arabs jew \
         jews jewish judaism israeli israelis black blacks african africans asian asians chinese japanese korean koreans indian \
         indians hindu hindus sikh sikhs pakistani pakistanis mexican mexicans hispanic hispanics latino latinos latina latinas \
         immigrant immigrants migrant migrants refugee refugees foreigner foreigners minority minorities gypsy gypsies roma disabled \
         autistic autism blind deaf handicapped wheelchair syrian syrians somali somalis turk turks turkish iranian iranians \
         afghan afghans nigerian nigerians aboriginal aboriginals native natives buddhist buddhists atheist atheists colored \
         brown vietnamese filipino filipinos thai bangladeshi moroccan moroccans algerian palestinians palestinian",
    ),
    (
        Class::Majority,
        "man men boy boys male males guy guys husband husbands straight heterosexual heterosexuals white whites christian \
         christians christianity catholic catholics american americans british english german germans french european europeans \
         australian australians canadian canadians cis people everyone everybody human humans",
    ),
    (Class::First, "i me my mine myself we us our ours ourselves im ive id ill"),
    (Class::Second, "you your yours yourself yourselves u ur ya youre youve thou thee"),
    (
        Class::Third,
        "he him his himself she her hers herself they them their theirs themselves theyre hes shes em",
    ),
    (
        Class::Violence,
        "kill kills killed killing murder murdered shoot shooting shot stab stabbed stabbing beat beating punch punched hang hanged \
         hung lynch lynched burn burned burning slaughter exterminate exterminated execute executed bomb bombed behead beheaded \
         strangle choke rape raped attack hurt smash destroy gas gassed eradicate wipe crush torture drown slap kick kicked hit \
         bullet gun guns knife rope noose",
    ),
    (Class::Death, "die dies died dying dead death suicide suicidal overdose grave funeral"),
    (
        Class::Not,
        "not no never nobody none dont doesnt didnt isnt arent wasnt cant cannot wont wouldnt shouldnt aint nothing without",
    ),
    (
        Class::Offer,
        "free win winner won prize prizes claim cash bonus offer offers discount cheap buy sale deal deals click subscribe \
         subscribers channel follow followers giveaway promo promotion earn money income loan credit investment crypto bitcoin \
         profit guaranteed unsubscribe call text txt reply urgent congratulations selected award gift voucher coupon limited \
         order shop shipping viagra pills weightloss casino betting jackpot dating singles hookup webcam download install visit \
         website link site check",
    ),
    (
        Class::Vermin,
        "animal animals vermin rat rats cockroach cockroaches parasite parasites disease diseases scum filth filthy trash garbage subhuman \
         subhumans inferior plague pest pests ape apes monkey monkeys pig pigs dog dogs savage savages barbarian barbarians criminal \
         criminals terrorist terrorists rapist rapists invader invaders invasion swine cancer dirt dirty burden degenerate degenerates \
         disgusting worthless primitive uncivilized leech leeches snake snakes insects lice maggots demons evil thieves",
    ),
    (
        Class::Hating,
        "hate hates hated hating despise despises detest detests loathe loathes disgust disgusts sickens",
    ),
    (
        Class::Liking,
        "love loves loved like likes respect respects support supports admire appreciate proud equal equality rights welcome beautiful \
         great wonderful amazing nice kind happy thank thanks friend friends deserve good best defend protect hugs congrats",
    ),
    (
        Class::Saying,
        "said says say saying called calling calls call quote wrong unacceptable offensive racist racism sexist sexism homophobic \
         homophobia transphobic slur slurs bigot bigots bigotry prejudice discrimination hateful stereotypes stereotype ignorant \
         reported wrote writes told tells joke joking",
    ),
    (Class::Ought, "should must need needs ought gotta supposed shall"),
    (Class::All, "all every each most these those any many typical bunch"),
    (
        Class::Away,
        "deport deported deportation remove removed banned ban banish expel kick leave back country border borders wall home out away \
         sterilized segregate segregated jail jailed lock locked",
    ),
];

/// The classes of single words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes(FxHashMap<Box<str>, Class>);

impl Classes {
    /// The classes that the program knows by itself, without those that a model brings.
    pub(crate) fn own() -> Self {
        let words = OWN
            .iter()
            .flat_map(|(class, words)| words.split_whitespace().map(|word| (word.into(), *class)));
        Self(words.collect())
    }

    /// Adds a word, unless it has a class already.
    pub(crate) fn add(&mut self, word: &str, class: Class) {
        self.0.entry(word.into()).or_insert(class);
    }

    /// The words that people hide.
    pub(crate) fn harsh(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, class)| class.is_harsh()).map(|(word, _)| &**word)
    }

    /// The class of a word.
    pub(crate) fn of(&self, word: &str) -> Option<Class> {
        self.0.get(word).copied()
    }
}

impl Class {
    /// Whether a word of this class is one that people hide from filters.
    pub(crate) const fn is_harsh(self) -> bool {
        matches!(self, Self::Slur | Self::Insult | Self::Swear | Self::Sexual)
    }

    /// The class with this number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        const ALL: [Class; 20] = [
            Class::Group,
            Class::Majority,
            Class::Slur,
            Class::Insult,
            Class::Swear,
            Class::Sexual,
            Class::First,
            Class::Second,
            Class::Third,
            Class::Violence,
            Class::Death,
            Class::Not,
            Class::Offer,
            Class::Vermin,
            Class::Hating,
            Class::Liking,
            Class::Saying,
            Class::Ought,
            Class::All,
            Class::Away,
        ];
        ALL.into_iter().find(|class| *class as u8 == number)
    }
}
