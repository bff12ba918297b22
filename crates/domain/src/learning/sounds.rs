//! The sounds of English, as ARPAbet names them, and what to tell a learner about each.
//!
//! The hints are written for speakers of Korean first: they say where Korean has another sound, or none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! sounds {
    ($($name:ident $ipa:literal $example:literal $vowel:literal $hint:literal)+) => {
        /// One of the 39 sounds, by its ARPAbet name without stress.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
            strum::Display, strum::EnumString,
        )]
        #[serde(rename_all = "UPPERCASE")]
        #[strum(serialize_all = "UPPERCASE")]
        pub enum Sound {
            $(#[doc = concat!("As in *", $example, "*.")] $name,)+
        }

        impl Sound {
            /// All of them, in the order of their names: also the order of the classes of a phone model.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its sign in the International Phonetic Alphabet, for American English.
            pub fn ipa(self) -> &'static str {
                match self { $(Self::$name => $ipa),+ }
            }

            /// A word that has it.
            pub fn example(self) -> &'static str {
                match self { $(Self::$name => $example),+ }
            }

            /// Whether it is a vowel: then it carries a syllable.
            pub fn is_vowel(self) -> bool {
                match self { $(Self::$name => $vowel),+ }
            }

            /// How to make it, in one or two sentences.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint),+ }
            }
        }
    };
}

sounds! {
    Aa "ɑ" "father" true "Open the mouth wide and keep the tongue low and back. Lips stay unrounded, unlike Korean 오."
    Ae "æ" "cat" true "Drop the jaw and push the tongue forward: wider and longer than Korean 애, so that bad is not bed."
    Ah "ʌ" "cut" true "Short and relaxed, mouth half open, near Korean 어. Unstressed, it is hardly there at all."
    Ao "ɔ" "dog" true "Round the lips a little and drop the jaw: more open than Korean 오."
    Aw "aʊ" "how" true "One gliding sound in one beat: begin wide open, end with rounded lips. Not 아 and 우 in two beats."
    Ay "aɪ" "eye" true "One gliding sound in one beat: open wide, then smile. The first part is the longer one."
    B "b" "bee" false "Close both lips and let the voice begin before they open. In Korean ㅂ the voice comes late, so bee sounds like pea."
    Ch "tʃ" "cheese" false "Round the lips and let out more air than in ㅊ. End it there: church has no extra vowel 이."
    D "d" "day" false "Tongue tip on the ridge behind the teeth, with voice from the start. At the end of a word, lengthen the vowel before it."
    Dh "ð" "then" false "Put the tongue tip between the teeth and hum, so that air flows on. Not ㄷ: the tongue never closes the way."
    Eh "ɛ" "bed" true "Mouth half open, lips relaxed, short, near Korean 에. Open less than for cat."
    Er "ɝ" "bird" true "Pull the tongue back with its tip up, touching nothing, and round the lips slightly. It is one sound, not 어 alone."
    Ey "eɪ" "say" true "Begin at 에 and glide to 이 in one beat: without the glide, late becomes let."
    F "f" "fine" false "Upper teeth on the lower lip, and blow. Not ㅍ: the lips never close."
    G "ɡ" "go" false "Back of the tongue up, with voice from the start, stronger than ㄱ. At the end of a word, keep the vowel before it long."
    Hh "h" "he" false "Only breath, as in ㅎ. Before 우 keep it at the throat: who does not begin at the lips."
    Ih "ɪ" "sit" true "Short and relaxed, tongue a little lower than for 이: sit is not seat."
    Iy "i" "seat" true "Long, with spread lips and a tense tongue: seat is not sit."
    Jh "dʒ" "joy" false "Round the lips and voice it from the start: a strong ㅈ. Without an extra vowel at the end: orange, not orangi."
    K "k" "key" false "As ㅋ. At the end of a word release it softly, without an extra vowel 으."
    L "l" "light" false "Hold the tongue tip on the ridge behind the teeth while the voice runs along its sides. Between vowels it is ㄹㄹ, not ㄹ."
    M "m" "me" false "Lips closed, voice through the nose, as ㅁ. Keep it up to the next vowel, so that it does not sound like b."
    N "n" "no" false "Tongue tip on the ridge, voice through the nose, as ㄴ. Before r or l keep it: only is not olly."
    Ng "ŋ" "sing" false "As ㅇ at the end of a syllable. In sing there is no g after it."
    Ow "oʊ" "go" true "Begin at 오 and glide to 우 in one beat: without the glide, coat becomes caught."
    Oy "ɔɪ" "boy" true "Begin with rounded lips and glide to 이 in one beat."
    P "p" "pea" false "As ㅍ, with a puff of air. At the end of a word release it softly, without an extra vowel 으."
    R "ɹ" "right" false "Curl the tongue back so that it touches nothing, and round the lips. Korean ㄹ taps the ridge: this one never does."
    S "s" "sea" false "As ㅅ with more hiss. Before 이 it stays s: sea is not she. No vowel between s and the next consonant."
    Sh "ʃ" "she" false "Round the lips and draw the tongue back a little. No 이 after it: fish has one syllable."
    T "t" "tea" false "As ㅌ, tongue tip on the ridge. At the end of a word release it softly, without an extra vowel 으."
    Th "θ" "thin" false "Put the tongue tip between the teeth and blow. Not ㅆ or ㄸ: the tongue must be seen."
    Uh "ʊ" "book" true "Short and relaxed, lips only a little rounded: full is not fool."
    Uw "u" "food" true "Long, with lips tightly rounded and pushed forward."
    V "v" "very" false "Upper teeth on the lower lip, and hum. Not ㅂ: the lips never close."
    W "w" "we" false "Round the lips tightly, then open them at once. Before 우 it is still there: woman begins with it."
    Y "j" "yes" false "Begin at 이 and glide on at once. It is still there before 이: year is not ear."
    Z "z" "zoo" false "As s, with the throat humming. Korean has no such sound: ㅈ begins with a closure, this never does."
    Zh "ʒ" "vision" false "As sh, with the throat humming. The tongue never closes the way, unlike ㅈ."
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn there_are_39_sounds_in_the_order_of_their_names_and_each_is_read_back() {
        assert_eq!(Sound::ALL.len(), 39);
        assert!(Sound::ALL.is_sorted_by_key(ToString::to_string));
        for sound in Sound::ALL {
            assert_eq!(Sound::from_str(&sound.to_string()), Ok(*sound));
            assert_eq!(serde_json::to_value(sound).expect("a name"), sound.to_string());
        }
        assert_eq!(Sound::ALL.iter().filter(|sound| sound.is_vowel()).count(), 15);
    }
}
