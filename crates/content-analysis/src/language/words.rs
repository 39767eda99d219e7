//! The small words that hardly any sentence of a language lacks, in normalised form: lower case, no marks on Latin letters.
//!
//! A handful of them tells a language as well as trigrams do, at a tenth of the time. A word may stand with several languages;
//! which of them it was shows in its neighbours.

/// A language and its small words.
type List = (&'static str, &'static str);

/// Languages in Latin letters, by ISO 639-3 code. English is among them, so that it wins where it should.
pub(super) const LATIN: [List; 22] = [
    (
        "eng",
        "the be to of and a in that have i it for not on with he as you do at this but his by from they we say her she or an \
         will my one all would there their what so up out if about who get which go me when make can like no just him know take \
         is are was were been has had did does don't i'm you're it's am im your our us u ur how why",
    ),
    (
        "deu",
        "der die das und ist ich nicht ein eine einen einem einer zu den dem mit auf fur von sich auch es an als wie im am aus \
         er sie wir ihr du aber hat haben sind war wird werden noch nur oder wenn kann mal bei nach so zum zur uber mir mich \
         dich dir man was schon immer mehr kein keine doch hier jetzt dass daß unser euch heute sehr ja",
    ),
    (
        "por",
        "de a o que e do da em um para com nao uma os no se na por mais as dos como mas foi ao ele das tem seu sua ou ser \
         quando muito ha nos ja esta eu tambem so pelo pela ate isso ela entre era depois sem mesmo aos voce vc pra meu minha \
         tu me ta mano cara fazer ter essa esse to",
    ),
    (
        "spa",
        "de la que el en y a los se del las un por con no una su para es al lo como mas o pero sus le ha me si sin sobre este \
         ya entre cuando todo esta ser son dos tambien fue era muy hasta desde mi tu yo te nos porque eso hay donde quien",
    ),
    (
        "fra",
        "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont la avec ou son lui nous \
         comme mais on si leur y dont tout ses c'est j'ai je tu vous elle me te moi toi cette ces etre fait bien aussi sans meme",
    ),
    (
        "ita",
        "di e il la che in a per un del non una le si con da i dei al lo come della piu sono gli ma nel se anche alla o ha ho \
         mi ti ci io tu lui lei questo questa quando perche cosa molto tutto essere era delle nella sei hai c'e",
    ),
    (
        "nld",
        "de het een van en in is dat op te zijn met voor niet er maar ook aan als bij om nog uit door over ze hij ik je we \
         naar heeft hebben was wordt worden kan dan geen wel zo die deze dit mijn jij jullie heb wat waar veel",
    ),
    (
        "swe",
        "och i att det som en pa ar av for med den till inte om ett han men var jag sig fran vi sa kan nar ska har du hon \
         min mig dig eller hade vad skulle bara nu mycket ocksa efter",
    ),
    (
        "dan",
        "og i at det er en til af den pa for med der de ikke som har et jeg om han var men sig fra vi kan skal du hun min mig \
         dig eller havde hvad ville bare nu meget ogsa efter hvor",
    ),
    (
        "nob",
        "og i at det er en til av den pa for med der de ikke som har et jeg om han var men seg fra vi kan skal du hun min meg \
         deg eller hadde hva ville bare na mye ogsa etter hvor",
    ),
    (
        "fin",
        "ja on ei se etta oli han en mita niin kun mutta olen ole mina sina ovat tai jos kuin vain nyt myos sen siita taman \
         joka jotka minun sinun mun sun olet hyva aina viela",
    ),
    (
        "pol",
        "i w nie na sie z do to ze jest o jak a ale po co tak za od przez dla czy jej jego ich ma tym juz tylko mnie mi ty ja \
         go byl byla bylo sa ten ta te bardzo kiedy gdzie moze ktory",
    ),
    (
        "ces",
        "a se v na je ze to s z do o i k si ve jako za by jsem jsou bylo byl ale po pro jak tak uz co nebo od jen kdyz jeho \
         jsi mi me ty ten ta te neni dnes velmi take protoze",
    ),
    (
        "slv",
        "in je na se v da so za ne ki pa z s to ni po od bi kot ali ko do pri sem si smo ste kako vse zelo tako tudi samo",
    ),
    (
        "hrv",
        "i u je na se da za su od s sa ne o to kao ali nije iz koji bi sam si smo ste kako sve jako tako samo do po ili ima \
         biti mi ti on ona",
    ),
    (
        "hun",
        "a az es nem hogy is egy van meg ez de csak ha mint el mar vagy volt lesz ki be te en o mi ti ok nagyon minden itt ott \
         amikor mert sem majd jo",
    ),
    (
        "ron",
        "de si in la a nu cu pe ca un o din este sa mai pentru care ce au sunt dar lui fi fost am ai are eu tu el ea noi voi \
         foarte cand unde daca asta sau doar",
    ),
    (
        "tur",
        "ve bir bu da de icin ne cok ben sen o var yok ama gibi daha en ile ki mi mu degil kadar olan olarak her sonra biz siz \
         onlar beni seni benim senin simdi iyi diye",
    ),
    (
        "ind",
        "yang dan di ini itu dengan untuk tidak dari dalam akan pada juga saya ke karena ada kita bisa sudah aku kamu dia apa \
         atau oleh lebih tapi mereka banyak sangat kalau gak nggak yg",
    ),
    (
        "tgl",
        "ang ng sa na at ay mga ko ka mo ako siya ito hindi kung para ni may lang naman pa rin din kasi yung nag wala kami \
         tayo sila po ba nga",
    ),
    (
        "vie",
        "la va cua co khong cho nay mot nhung trong duoc da voi nguoi toi ban cac den khi o thi ma se di lam nhu ve cung rat anh \
         em minh roi",
    ),
    (
        "swa",
        "na ya wa kwa ni katika za la cha kuwa hii hiyo huo yake wake kama lakini au si sana pia mimi wewe yeye sisi watu kila \
         baada hata",
    ),
];
