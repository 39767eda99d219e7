//! Phrases that say by themselves what a text is about. For harms that are rare a model sees too few texts to learn them.

use std::{ops::Range, sync::OnceLock};

use rustc_hash::FxHashMap;

#[cfg(feature = "train")]
use crate::Category;
use crate::features::Token;

/// What a phrase does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Act {
    /// Somebody speaks of ending or hurting himself.
    Despair,
    /// Somebody is told that he will be hurt, or ought to be.
    Menace,
    /// Sexual acts, or an offer of them.
    Lewd,
    /// Something is offered, or a click asked for.
    Plug,
    /// What others said is repeated in order to object to it.
    Objection,
}

impl Act {
    /// All of them, in the order in which a model keeps them.
    #[cfg(feature = "train")]
    pub(crate) const ALL: [Self; Self::COUNT] =
        [Self::Despair, Self::Menace, Self::Lewd, Self::Plug, Self::Objection];

    /// How many there are.
    pub(crate) const COUNT: usize = 5;

    /// What is believed of a text with such a phrase before any text has been seen: an addend to the logit of each category.
    #[cfg(feature = "train")]
    pub(crate) const fn prior(self) -> [f32; Category::COUNT] {
        match self {
            Self::Despair => [0.0, 0.0, 0.0, 0.0, 0.0, 5.0],
            Self::Menace => [0.0, 0.8, 0.0, 3.0, 0.0, 0.0],
            Self::Lewd => [0.0, 0.3, 0.0, 0.0, 3.5, 0.0],
            Self::Plug => [2.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            Self::Objection => [0.0, -0.3, -0.5, -0.3, 0.0, 0.0],
        }
    }
}

/// `a|b` is either word; phrases are parted by semicolons.
const PHRASES: [(Act, &str); 5] = [
    (
        Act::Despair,
        "kill myself; killing myself; killed myself; hang myself; hanging myself; shoot myself; drown myself; stab myself; \
         hurt myself; hurting myself; harm myself; harming myself; cut myself; cutting myself; cut my wrists|arms|thighs|legs; \
         slit my wrists|throat; burn myself; starve myself; starving myself; end my life; ending my life; take my life; \
         take my own life; taking my own life; end it all; ending it all; end it tonight|now|soon|today; want|wanna to die; wanna die; \
         want to be dead; wish i was|were dead; wish i were never born; wish i was never born; wish i could die|disappear; \
         hope i die; wish i would die; rather be dead; better off dead; better off without me; no reason to live; nothing to live for; \
         no point in living; no point living; dont want to live; dont wanna live; dont want to be alive; dont want to exist; \
         dont want to be here anymore; dont want to wake up; never wake up; never waking up; cant go on; cant do this anymore; \
         cant live like this; tired of living; tired of being alive; tired of life; sick of living; ready to die; going to die tonight; \
         suicidal; suicide note; commit suicide; committing suicide; attempted suicide; suicide attempt; thinking about suicide; \
         thoughts of suicide; self harm; self harming; selfharm; self injury; overdose on; swallow all|these pills; \
         take all my|the|these pills; jump off a|the bridge|building|roof; goodbye world; goodbye cruel world; \
         nobody would miss me; no one would miss me; nobody would care if i died; everyone would be better off; \
         unalive myself; off myself; kms",
    ),
    (
        Act::Menace,
        "will|gonna|ill|imma kill|murder|shoot|stab|beat|hurt|strangle|behead|rape|slaughter you|u|him|her|them|ya|your; \
         going to kill|murder|shoot|stab|beat|hurt|strangle|behead|rape|slaughter you|u|him|her|them|ya|your; \
         kill you|u|yourself|urself|them|him|her all; kill yourself; kill urself; kys; hang yourself; go hang yourself; neck yourself; \
         drink bleach; shoot yourself; go die; hope you|u|they|he|she die|dies|burn|suffer; hope you|he|she|they get|gets shot|stabbed|raped|killed|murdered|cancer; \
         deserve|deserves to die; deserve|deserves death; deserve|deserves to be shot|hanged|killed|raped|beaten|burned; \
         should be shot|hanged|hung|killed|murdered|executed|lynched|gassed|exterminated|burned|beaten|deported|castrated|raped; \
         should|must|need|needs to die; must die; should die; need|needs to be shot|killed|hanged|exterminated|eliminated|wiped; \
         ought to be shot|hanged|killed; gas the|them; kill all|the|them; kill them all; hang them all; shoot them all; death to; \
         wipe them out; burn them all|alive; burn in hell; burn alive; put a bullet in; bullet in your|his|her|their head; \
         find where you live; know where you live; know where you work; coming for you; come for you; watch your back; \
         youre dead; you are dead; youre a dead; dead man walking; your days are numbered; bomb the|your|that; blow up the|your; \
         shoot up the|a|your; break your|his|her neck|legs|face|jaw|bones; smash your|his|her|their face|head|skull; \
         punch you|u|him|her in; beat the shit out; beat your ass; kick your ass; slit your throat; cut your throat; rip your head; \
         make you suffer|pay|bleed; make them suffer|pay|bleed; you will pay; you will regret; sleep with one eye; piece of lead; \
         deserve a bullet; deserves a bullet; i hope someone kills|shoots|murders|rapes",
    ),
    (
        Act::Lewd,
        "send|sending|share|trade|sell|selling|post|want nudes; nude|naked pics|photos|pictures|selfie|selfies|video|videos; \
         my onlyfans; onlyfans link; link in bio for nudes; sexting; sext me; horny; so horny; im hard; so wet for; make me wet; dripping wet; \
         suck my|his|your dick|cock|tits|balls|nipples; sucks|sucking|sucked his|my|your dick|cock; lick my|her|your pussy|clit|tits|ass; \
         eat my|her|your pussy|ass; ride my|his|your dick|cock|face; inside my|her|your pussy|ass|mouth; fuck my|her|your pussy|ass|mouth|brains; \
         fuck me hard|harder|daddy; fucks|fucked|fucking her|him hard|from behind; want to fuck you|her|him; wanna fuck; lets fuck; \
         blowjob; blow job; handjob; deepthroat; creampie; cumshot; gangbang; threesome; masturbate; masturbating; masturbation; \
         jerk|jerking|jerked off; orgasm; orgasms; cumming; cum on|in|inside my|her|your|me; came inside; swallow my|his cum; \
         hard cock; big|huge|thick cock|dick; tight pussy; wet pussy; my throbbing; her throbbing; erection; naked body; \
         spread her|my|your legs; bend over; on her|your|my knees and suck; sex chat; phone sex; cyber sex; cam girl|girls|show; \
         live sex; free porn; porn video|videos|site; xxx; hookup tonight; hook up tonight; looking for sex; looking for a hookup; \
         no strings attached; escort service|services; happy ending; dick pic|pics; her breasts; her nipples; his erection; moaned as; \
         thrust into|inside; thrusting into|inside; slutty; kinky; fetish; bdsm; dildo; vibrator; hentai; milf; anal sex; oral sex",
    ),
    (
        Act::Plug,
        "click here; click the|this|my|on link; link in bio; link in my bio; check out my; check my channel|page|profile|video|site|music|mixtape; \
         subscribe to my|our; sub to my; sub 4 sub; sub for sub; sub4sub; follow for follow; follow 4 follow; f4f; l4l; like for like; \
         follow me and; follow back; ill follow back; i follow back; please subscribe; plz subscribe; pls subscribe; visit my|our|us; \
         visit this site|website|page; free gift|iphone|ipad|money|vbucks|robux|followers|trial|bitcoin|crypto|ringtone|entry|prize; \
         gift card|cards giveaway; you have won; you won a; you have been selected; youve been selected|chosen; youve won; claim your|now|prize; \
         claim it now; limited time offer; limited offer; act now; order now; buy now; call now; apply now; sign up now|today|here; register now; \
         join now|us|my|our telegram|whatsapp|discord|group|channel; join my|our; dm me for|to; dm for|to; message me for|on; text me on|at; \
         whatsapp me; whatsapp at|on|number; telegram me; contact me on|via|at; inbox me; add me on; \
         work from home; make money online|fast|from; earn money; earn up to; earn per|daily|weekly; earn extra; extra income; passive income; \
         financial freedom; get rich; double your|ur money|bitcoin|btc|investment; guaranteed profit|returns|profits|income|approval; \
         investment plan|opportunity|platform; bitcoin investment|mining|trader; forex trader|trading|signals; trading signals; \
         invest with; recovered my; recovery expert; hire a hacker; hacker for hire; loan offer|offers; personal loan; instant loan; credit score repair; \
         lose weight; weight loss pills|product; male enhancement; cheap viagra|cialis|meds; online pharmacy; no prescription; \
         replica watches; best price|prices; 50 off; 70 off; discount code; promo code; use my code; coupon code; free shipping; \
         100 free; risk free; no obligation; no cost; money back; satisfaction guaranteed; dear friend|customer|winner|sir; \
         lottery; jackpot; casino bonus; free spins; bet now; online casino; unsubscribe; opt out; reply stop; txt stop; text stop; \
         to claim; cash prize; prize draw; ur|your mobile number; landline; per msg; std rates; t cs apply; adult content; \
         verify your account|identity|information; your account has been|will; suspended account; confirm your account|details|password; \
         hot singles; singles in your; meet singles; make 500|1000|2000; buy followers; get followers; gain followers; more followers; \
         1000 followers; boost your; seo services; web design services; airdrop; presale; nft drop|giveaway; whitelist spot",
    ),
    (
        Act::Objection,
        "never say; dont say; dont call; stop calling|saying|using; not okay to|that; not ok to; its wrong to; is wrong to; wrong to say|call; \
         unacceptable to; not acceptable to; who say|says|said; people who say|think|call|hate|use; he said|says|called; she said|says|called; \
         they said|say|called; called me a|an; calls me a|an; called her|him|them a|an; saying that; statements like; phrases like; \
         words like; comments like; tired of people; sick of people; how dare; shouldnt be allowed to say; no one should say; \
         nobody should say; nobody should be called; reported for; banned for; was attacked|beaten|killed|murdered for being; \
         victims of; stand against; fight against; hate crime; hate speech; is a slur; are a slur; the word; the term",
    ),
];

/// Where the phrases of a text are.
pub(crate) fn find(tokens: &[Token]) -> Vec<(Act, Range<usize>)> {
    let table = table();
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let Some(first) = tokens.get(at) else { continue };
        for (act, rest) in table.get(first.text.trim_start_matches('#')).into_iter().flatten() {
            let fits = rest.iter().enumerate().all(|(next, words)| {
                tokens.get(at + 1 + next).is_some_and(|token| words.contains(&&*token.text))
            });
            if fits {
                found.push((*act, at..at + 1 + rest.len()));
            }
        }
    }
    found
}

type Table = FxHashMap<&'static str, Vec<(Act, Vec<Vec<&'static str>>)>>;

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table::default();
        for (act, phrases) in PHRASES {
            for phrase in phrases.split(';').map(str::trim).filter(|phrase| !phrase.is_empty()) {
                let mut words = phrase.split_whitespace().map(|word| word.split('|').collect());
                let Some(first): Option<Vec<&str>> = words.next() else { continue };
                let rest: Vec<Vec<&str>> = words.collect();
                for first in first {
                    table.entry(first).or_default().push((act, rest.clone()));
                }
            }
        }
        table
    })
}
