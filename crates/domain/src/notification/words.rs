//! Amounts and days in words of a language. What is not Korean is written as in English.

use chrono::{Datelike as _, NaiveDate};

use crate::{identity::locale::Language, money::Money};

fn is_korean(language: &Language) -> bool {
    language.as_str() == "ko"
}

/// An amount: `12,900원` and `9.90달러`, or `₩12,900` and `$9.90`. A symbol stands for one currency only; others are told by
/// their code.
pub(super) fn amount(money: Money, language: &Language) -> String {
    let sign = if money.is_negative() { "-" } else { "" };
    let (number, code) = (digits(money), money.currency());
    let (symbol, unit) = match code.code() {
        "EUR" => ("€", "유로"),
        "GBP" => ("£", "파운드"),
        "JPY" => ("¥", "엔"),
        "KRW" => ("₩", "원"),
        "USD" => ("$", "달러"),
        // A space that does not break: the amount stays in one line.
        _ if is_korean(language) => return format!("{sign}{number}\u{a0}{code}"),
        _ => return format!("{sign}{code}\u{a0}{number}"),
    };
    if is_korean(language) { format!("{sign}{number}{unit}") } else { format!("{sign}{symbol}{number}") }
}

/// Without sign and currency, with a comma after each three digits: `1,234,567.89`.
fn digits(money: Money) -> String {
    let decimals = usize::from(money.currency().decimals());
    let all = format!("{:0width$}", money.minor().unsigned_abs(), width = decimals + 1);
    let (whole, part) = all.split_at(all.len() - decimals);
    let mut out = String::with_capacity(all.len() * 2);
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if decimals > 0 {
        out.push('.');
        out.push_str(part);
    }
    out
}

/// A day: `3월 1일`, or `1 March`.
pub(super) fn day(date: NaiveDate, language: &Language) -> String {
    if is_korean(language) {
        format!("{}월 {}일", date.month(), date.day())
    } else {
        date.format("%-d %B").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::samples::money;

    #[test]
    fn amounts_are_written_as_the_language_writes_them() {
        for (minor, currency, korean, english) in [
            (12_900, "KRW", "12,900원", "₩12,900"),
            (990, "KRW", "990원", "₩990"),
            (0, "KRW", "0원", "₩0"),
            (1_234_567, "KRW", "1,234,567원", "₩1,234,567"),
            (990, "USD", "9.90달러", "$9.90"),
            (5, "USD", "0.05달러", "$0.05"),
            (-123_456, "USD", "-1,234.56달러", "-$1,234.56"),
            (1_005, "JPY", "1,005엔", "¥1,005"),
            (100_000_000, "EUR", "1,000,000.00유로", "€1,000,000.00"),
            (1_005, "KWD", "1.005\u{a0}KWD", "KWD\u{a0}1.005"),
            (990, "CAD", "9.90\u{a0}CAD", "CAD\u{a0}9.90"),
        ] {
            let of = |language: &str| amount(money(minor, currency), &language.parse().expect("a language"));
            assert_eq!((of("ko").as_str(), of("en").as_str(), of("fr").as_str()), (korean, english, english));
        }
    }
}
