//! The part of the search language that finds payments: `metadata['name']:'value'`, `customer:'…'` and `status:'…'`,
//! joined by `AND` (<https://docs.stripe.com/search#search-query-language>).

use crate::{payment_intent::PaymentIntent, problem::Problem};

#[derive(Debug, PartialEq, Eq)]
enum Clause {
    Metadata(String, String),
    Customer(String),
    Status(String),
}

/// What must hold of a payment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query(Vec<Clause>);

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = || {
            let message =
                "This gateway understands metadata['name']:'value', customer:'…' and status:'…', joined by AND.";
            Problem::invalid(message).param("query")
        };
        let (mut clauses, mut rest) = (vec![], text.trim());
        loop {
            let (clause, after) = clause(rest).ok_or_else(wrong)?;
            clauses.push(clause);
            if after.trim().is_empty() {
                return Ok(Self(clauses));
            }
            rest = after.trim_start().strip_prefix("AND ").ok_or_else(wrong)?.trim_start();
        }
    }

    pub(crate) fn holds(&self, intent: &PaymentIntent) -> bool {
        self.0.iter().all(|clause| match clause {
            Clause::Metadata(name, value) => intent.metadata.get(name) == Some(value),
            Clause::Customer(id) => intent.customer.as_ref() == Some(id),
            Clause::Status(status) => intent.status == *status,
        })
    }
}

fn clause(text: &str) -> Option<(Clause, &str)> {
    if let Some(rest) = text.strip_prefix("metadata[") {
        let (name, rest) = quoted(rest)?;
        let (value, rest) = quoted(rest.strip_prefix("]:")?)?;
        return Some((Clause::Metadata(name, value), rest));
    }
    if let Some(rest) = text.strip_prefix("customer:") {
        let (id, rest) = quoted(rest)?;
        return Some((Clause::Customer(id), rest));
    }
    let (status, rest) = quoted(text.strip_prefix("status:")?)?;
    Some((Clause::Status(status), rest))
}

/// A text in single or double quotes, with `\` before those within, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut letters = text.char_indices();
    let (_, quote) = letters.next().filter(|(_, it)| matches!(it, '\'' | '"'))?;
    let mut found = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => found.push(letters.next()?.1),
            _ if letter == quote => return Some((found, &text[at + letter.len_utf8()..])),
            _ => found.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_joined_by_and_are_read_with_quotes_within() {
        let query = Query::parse(r#"metadata['it\'s']:'a AND b' AND status:"succeeded""#).expect("a query");
        let metadata = Clause::Metadata("it's".to_owned(), "a AND b".to_owned());
        assert_eq!(query, Query(vec![metadata, Clause::Status("succeeded".to_owned())]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in ["", "amount>5", "status:'open", "status:'a' OR status:'b'", "metadata[a]:'b'"] {
            assert!(Query::parse(wrong).is_err(), "{wrong}");
        }
    }
}
