//! Forms of English verbs and nouns: a table of the irregular, rules for the rest.

/// Base, third person, past, participle. "be" is left out: it has forms of its own.
const VERBS: &str = "\
have has had had;do does did done;go goes went gone;say says said said;get gets got got;make makes made made;
know knows knew known;think thinks thought thought;take takes took taken;see sees saw seen;come comes came come;
give gives gave given;find finds found found;tell tells told told;feel feels felt felt;become becomes became become;
leave leaves left left;put puts put put;mean means meant meant;keep keeps kept kept;let lets let let;
begin begins began begun;show shows showed shown;hear hears heard heard;run runs ran run;hold holds held held;
bring brings brought brought;write writes wrote written;sit sits sat sat;stand stands stood stood;lose loses lost lost;
pay pays paid paid;meet meets met met;set sets set set;lead leads led led;understand understands understood understood;
speak speaks spoke spoken;spend spends spent spent;grow grows grew grown;win wins won won;teach teaches taught taught;
buy buys bought bought;send sends sent sent;build builds built built;fall falls fell fallen;cut cuts cut cut;
sell sells sold sold;drive drives drove driven;break breaks broke broken;eat eats ate eaten;drink drinks drank drunk;
sleep sleeps slept slept;sing sings sang sung;swim swims swam swum;fly flies flew flown;draw draws drew drawn;
wear wears wore worn;choose chooses chose chosen;forget forgets forgot forgotten;catch catches caught caught;
throw throws threw thrown;wake wakes woke woken;steal steals stole stolen;hide hides hid hidden;bite bites bit bitten;
feed feeds fed fed;fight fights fought fought;shake shakes shook shaken;ride rides rode ridden;rise rises rose risen;
ring rings rang rung;sink sinks sank sunk;shoot shoots shot shot;hurt hurts hurt hurt;hit hits hit hit;
cost costs cost cost;shut shuts shut shut;lend lends lent lent;bend bends bent bent;deal deals dealt dealt;
dig digs dug dug;freeze freezes froze frozen;blow blows blew blown;tear tears tore torn;swear swears swore sworn;
sweep sweeps swept swept;weep weeps wept wept;seek seeks sought sought;stick sticks stuck stuck;hang hangs hung hung;
lie lies lay lain;lay lays laid laid;read reads read read;quit quits quit quit;spread spreads spread spread;
shine shines shone shone;slide slides slid slid;strike strikes struck struck;forgive forgives forgave forgiven";

/// Singular and plural.
const NOUNS: &str = "man men;woman women;child children;person people;foot feet;tooth teeth;mouse mice;goose geese;\
life lives;wife wives;knife knives;leaf leaves;half halves;shelf shelves;wolf wolves;fish fish;sheep sheep";

/// Nouns that English does not count.
pub const UNCOUNTABLE: [&str; 26] = [
    "information",
    "advice",
    "homework",
    "furniture",
    "equipment",
    "knowledge",
    "luggage",
    "baggage",
    "traffic",
    "weather",
    "music",
    "money",
    "news",
    "work",
    "research",
    "progress",
    "bread",
    "rice",
    "water",
    "luck",
    "software",
    "evidence",
    "transport",
    "housework",
    "happiness",
    "clothing",
];

/// The forms of a verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verb {
    /// Base form.
    pub base: String,
    /// Third person singular, present.
    pub third: String,
    /// Simple past.
    pub past: String,
    /// Past participle.
    pub participle: String,
    /// The form in -ing.
    pub ing: String,
}

/// The forms of the verb with this base: from the table, else by rule.
pub fn verb(base: &str) -> Verb {
    let entry = verb_rows().find(|row| row[0] == base);
    let regular = || (add_s(base), add_ed(base), add_ed(base));
    let (third, past, participle) =
        entry.map_or_else(regular, |row| (row[1].to_owned(), row[2].to_owned(), row[3].to_owned()));
    Verb { base: base.to_owned(), third, past, participle, ing: add_ing(base) }
}

/// The irregular verbs.
pub fn irregular_verbs() -> impl Iterator<Item = Verb> {
    verb_rows().map(|row| verb(row[0]))
}

fn verb_rows() -> impl Iterator<Item = [&'static str; 4]> {
    VERBS.split(';').filter_map(|row| row.split_whitespace().collect::<Vec<_>>().try_into().ok())
}

/// The plural of a noun: from the table, else by rule.
pub fn plural(noun: &str) -> String {
    noun_rows().find(|row| row[0] == noun).map_or_else(|| add_s(noun), |row| row[1].to_owned())
}

/// The plural of a noun that does not add -s, where the table has it.
pub fn irregular_plural(noun: &str) -> Option<&'static str> {
    noun_rows().find(|row| row[0] == noun).map(|row| row[1])
}

fn noun_rows() -> impl Iterator<Item = [&'static str; 2]> {
    NOUNS.split(';').filter_map(|row| row.split(' ').collect::<Vec<_>>().try_into().ok())
}

fn ends_in_consonant_y(word: &str) -> bool {
    let mut tail = word.chars().rev();
    tail.next() == Some('y') && tail.next().is_some_and(|c| !"aeiou".contains(c))
}

/// Whether the last consonant doubles before -ed and -ing: one short vowel between consonants, one syllable.
fn doubles(word: &str) -> bool {
    let chars: Vec<char> = word.chars().collect();
    let vowel = |c: &char| "aeiou".contains(*c);
    let [.., a, b, c] = chars.as_slice() else { return false };
    let one_syllable = chars.iter().filter(|c| vowel(c)).count() == 1;
    one_syllable && !vowel(a) && vowel(b) && !vowel(c) && !"wxy".contains(*c)
}

fn stem(word: &str, cut: usize) -> String {
    let keep = word.chars().count().saturating_sub(cut);
    word.chars().take(keep).collect()
}

fn doubled(word: &str) -> String {
    word.chars().chain(word.chars().last().filter(|_| doubles(word))).collect()
}

/// The -s form of a verb or noun by rule.
pub fn add_s(word: &str) -> String {
    if ends_in_consonant_y(word) {
        return stem(word, 1) + "ies";
    }
    let hisses = ["s", "x", "z", "ch", "sh"].iter().any(|tail| word.ends_with(tail));
    format!("{word}{}", if hisses { "es" } else { "s" })
}

/// The -ed form of a verb by rule.
pub fn add_ed(word: &str) -> String {
    if ends_in_consonant_y(word) {
        stem(word, 1) + "ied"
    } else if word.ends_with('e') {
        format!("{word}d")
    } else {
        doubled(word) + "ed"
    }
}

/// The -ing form of a verb by rule.
pub fn add_ing(word: &str) -> String {
    match word {
        "lie" | "die" | "tie" => stem(word, 2) + "ying",
        "begin" | "forget" => format!("{word}{}ing", if word == "begin" { "n" } else { "t" }),
        _ if word.ends_with('e') && !word.ends_with("ee") && word != "be" => stem(word, 1) + "ing",
        _ => doubled(word) + "ing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_have_their_forms() {
        assert_eq!(verb("go").past, "went");
        assert_eq!((verb("stop").past, verb("stop").ing), ("stopped".to_owned(), "stopping".to_owned()));
        assert_eq!((verb("study").third, verb("study").past), ("studies".to_owned(), "studied".to_owned()));
        assert_eq!((verb("visit").past, verb("write").ing), ("visited".to_owned(), "writing".to_owned()));
        assert!(irregular_verbs().count() > 90);
    }

    #[test]
    fn nouns_have_their_plurals() {
        assert_eq!(
            (plural("child"), plural("box"), plural("city")),
            ("children".into(), "boxes".into(), "cities".into())
        );
    }
}
