//! Simple sentences of the kind that beginners write, made from small tables, tagged as they are made.

use crate::corpus::Word;
use crate::lexicon::Lexicon;
use crate::rng::Rng;

/// Verb, and what may follow it, as `form/lemma/tag` or `form/tag`.
const FRAMES: [(&str, &str); 58] = [
    ("go", "to/IN school/NN"),
    ("go", "to/IN the/DT park/NN"),
    ("go", "home/RB"),
    ("go", "shopping/VBG"),
    ("live", "in/IN Seoul/NNP"),
    ("live", "in/IN a/DT small/JJ house/NN"),
    ("work", "at/IN a/DT bank/NN"),
    ("work", "in/IN an/DT office/NN"),
    ("study", "English/NNP"),
    ("study", "at/IN the/DT library/NN"),
    ("eat", "an/DT apple/NN"),
    ("eat", "breakfast/NN"),
    ("eat", "two/CD eggs/egg/NNS"),
    ("drink", "a/DT cup/NN of/IN coffee/NN"),
    ("like", "apples/apple/NNS"),
    ("like", "this/DT song/NN"),
    ("like", "these/DT shoes/shoe/NNS"),
    ("have", "a/DT dog/NN"),
    ("have", "an/DT old/JJ car/NN"),
    ("have", "two/CD brothers/brother/NNS"),
    ("have", "many/JJ friends/friend/NNS"),
    ("want", "to/TO learn/VB English/NNP"),
    ("want", "to/TO buy/VB a/DT new/JJ phone/NN"),
    ("need", "some/DT help/NN"),
    ("play", "soccer/NN with/IN my/PRP$ friends/friend/NNS"),
    ("play", "the/DT piano/NN"),
    ("watch", "a/DT movie/NN"),
    ("watch", "television/NN"),
    ("read", "a/DT book/NN"),
    ("read", "the/DT newspaper/NN"),
    ("write", "a/DT letter/NN to/IN my/PRP$ friend/NN"),
    ("listen", "to/IN music/NN"),
    ("wait", "for/IN the/DT bus/NN"),
    ("look", "at/IN the/DT pictures/picture/NNS"),
    ("look", "for/IN my/PRP$ keys/key/NNS"),
    ("talk", "about/IN the/DT weather/NN"),
    ("ask", "a/DT question/NN"),
    ("discuss", "the/DT problem/NN"),
    ("meet", "my/PRP$ friend/NN"),
    ("visit", "my/PRP$ grandmother/NN"),
    ("call", "my/PRP$ mother/NN"),
    ("arrive", "at/IN the/DT station/NN"),
    ("get", "up/RP early/RB"),
    ("take", "a/DT bus/NN"),
    ("take", "an/DT umbrella/NN"),
    ("make", "dinner/NN"),
    ("do", "my/PRP$ homework/NN"),
    ("buy", "three/CD tickets/ticket/NNS"),
    ("buy", "some/DT bread/NN"),
    ("speak", "English/NNP very/RB well/RB"),
    ("cook", "for/IN my/PRP$ family/NN"),
    ("clean", "the/DT room/NN"),
    ("wear", "a/DT blue/JJ shirt/NN"),
    ("swim", "in/IN the/DT sea/NN"),
    ("travel", "by/IN train/NN"),
    ("enjoy", "swimming/swim/VBG"),
    ("depend", "on/IN the/DT weather/NN"),
    ("agree", "with/IN you/PRP"),
];
const SUBJECTS: [(&str, bool); 22] = [
    ("I/PRP", false),
    ("you/PRP", false),
    ("we/PRP", false),
    ("they/PRP", false),
    ("he/PRP", true),
    ("she/PRP", true),
    ("he/PRP", true),
    ("she/PRP", true),
    ("Tom/NNP", true),
    ("Minji/NNP", true),
    ("my/PRP$ sister/NN", true),
    ("my/PRP$ parents/parent/NNS", false),
    ("my/PRP$ friend/NN", true),
    ("her/PRP$ brother/NN", true),
    ("the/DT teacher/NN", true),
    ("the/DT students/student/NNS", false),
    ("a/DT man/NN", true),
    ("the/DT children/child/NNS", false),
    ("many/JJ people/NNS", false),
    ("his/PRP$ mother/NN", true),
    ("this/DT woman/NN", true),
    ("these/DT boys/boy/NNS", false),
];
const PREDICATES: [&str; 20] = [
    "happy/JJ",
    "very/RB tired/JJ",
    "a/DT student/NN",
    "an/DT engineer/NN",
    "at/IN home/NN",
    "from/IN Korea/NNP",
    "interested/JJ in/IN music/NN",
    "good/JJ at/IN math/NN",
    "taller/tall/JJR than/IN me/PRP",
    "late/JJ for/IN school/NN",
    "in/IN the/DT kitchen/NN",
    "afraid/JJ of/IN dogs/dog/NNS",
    "sick/JJ",
    "busy/JJ",
    "a/DT good/JJ teacher/NN",
    "ready/JJ",
    "famous/JJ for/IN its/PRP$ food/NN",
    "bored/JJ",
    "different/JJ from/IN mine/PRP",
    "the/DT best/good/JJS player/NN in/IN the/DT team/NN",
];
const HABITS: [&str; 7] = [
    "every/DT day/NN",
    "in/IN the/DT morning/NN",
    "on/IN Sundays/NNPS",
    "at/IN night/NN",
    "after/IN school/NN",
    "on/IN weekends/weekend/NNS",
    "",
];
const PASTS: [&str; 7] = [
    "yesterday/NN",
    "last/JJ week/NN",
    "last/JJ night/NN",
    "two/CD days/day/NNS ago/RB",
    "in/IN 2019/CD",
    "on/IN Monday/NNP",
    "this/DT morning/NN",
];
const FUTURES: [&str; 5] = ["tomorrow/NN", "next/JJ week/NN", "on/IN Friday/NNP", "soon/RB", "next/JJ year/NN"];
const MODALS: [&str; 6] = ["can", "will", "should", "must", "could", "may"];

fn words(text: &str) -> Vec<Word> {
    let word = |piece: &str| {
        let parts: Vec<&str> = piece.split('/').collect();
        match parts.as_slice() {
            [form, lemma, tag] => Word::new(form, lemma, tag),
            [form, tag] => Word::new(form, &form.to_lowercase(), tag),
            _ => Word::new(piece, piece, "."),
        }
    };
    text.split_whitespace().map(word).collect()
}

fn be(subject: &str, third: bool, past: bool) -> Word {
    let (form, tag) = match (subject, third, past) {
        ("I/PRP", _, false) => ("am", "VBP"),
        (_, true, false) => ("is", "VBZ"),
        (_, false, false) => ("are", "VBP"),
        (_, third, true) => (if third || subject == "I/PRP" { "was" } else { "were" }, "VBD"),
    };
    Word::new(form, "be", tag)
}

/// One sentence.
pub(crate) fn sentence(rng: &mut Rng, lexicon: &Lexicon) -> Vec<Word> {
    let (subject, third) = rng.pick(&SUBJECTS).copied().unwrap_or(("I/PRP", false));
    let (verb, object) = rng.pick(&FRAMES).copied().unwrap_or(FRAMES[0]);
    let form = |tag: &str| Word::new(&lexicon.inflect(verb, tag).unwrap_or_else(|| verb.to_owned()), verb, tag);
    let present = if third { "VBZ" } else { "VBP" };
    let plain = Word::new(verb, verb, "VB");
    let shape = rng.below(12);
    let (middle, tail): (Vec<Word>, &[&str]) = match shape {
        0 | 1 => (vec![form(present)], &HABITS),
        2 | 3 => (vec![form("VBD")], &PASTS),
        4 => (vec![Word::new("will", "will", "MD"), plain.clone()], &FUTURES),
        5 => {
            let modal = rng.pick(&MODALS).copied().unwrap_or("can");
            (vec![Word::new(modal, modal, "MD"), plain.clone()], &[""])
        }
        6 => (vec![be(subject, third, false), form("VBG")], &["now/RB", ""]),
        7 => {
            let (do_form, tag) = if third { ("does", "VBZ") } else { ("do", "VBP") };
            (vec![Word::new(do_form, "do", tag), Word::new("n't", "not", "RB"), plain.clone()], &HABITS)
        }
        8 => (vec![Word::new("did", "do", "VBD"), Word::new("n't", "not", "RB"), plain.clone()], &PASTS),
        9 => {
            let (have, tag) = if third { ("has", "VBZ") } else { ("have", "VBP") };
            (vec![Word::new(have, "have", tag), Word::new("already", "already", "RB"), form("VBN")], &[""])
        }
        _ => (vec![be(subject, third, shape == 11)], if shape == 11 { &PASTS } else { &["", "", "today/NN"] }),
    };
    let question = matches!(shape, 4 | 5 | 8) && rng.chance(0.3);
    let mut all = Vec::new();
    if question {
        let mut middle = middle.into_iter();
        all.extend(middle.next());
        all.extend(words(subject));
        all.extend(middle.filter(|w| w.form != "n't"));
    } else {
        all.extend(words(subject));
        all.extend(middle);
    }
    all.extend(words(if shape >= 10 { rng.pick(&PREDICATES).copied().unwrap_or("") } else { object }));
    all.extend(words(rng.pick(tail).copied().unwrap_or("")));
    if !question && rng.chance(0.25) {
        let more = [
            "because/IN it/PRP was/be/VBD raining/rain/VBG",
            "and/CC I/PRP was/be/VBD happy/JJ",
            "but/CC it/PRP is/be/VBZ difficult/JJ",
        ];
        all.extend(words(rng.pick(&more).copied().unwrap_or("")));
    }
    if let Some(first) = all.first_mut() {
        let mut chars = first.form.chars();
        first.form = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
    }
    all.push(Word::new(if question { "?" } else { "." }, ".", "."));
    all
}
