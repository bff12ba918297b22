//! Rows by id and by owner, in the order in which they were made.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use serde_json::{Value, json};

use crate::{form::Form, problem::Problem};

/// Something with an id that may belong to something else.
pub(crate) trait Row {
    fn id(&self) -> &str;
    fn created(&self) -> i64;
    /// What it is listed by, such as its customer.
    fn owner(&self) -> Option<&str> {
        None
    }
    /// As the API shows it.
    fn json(&self) -> Value;
}

#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: BTreeMap<u64, T>,
    numbers: HashMap<String, u64>,
    owned: HashMap<String, BTreeSet<u64>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), numbers: HashMap::new(), owned: HashMap::new() }
    }
}

impl<T: Row> Table<T> {
    /// Adds a row, or takes the place of the one with its id.
    pub(crate) fn put(&mut self, row: T) {
        let number = self.numbers.get(row.id()).copied().unwrap_or(self.rows.len() as u64);
        if let Some(owner) = self.rows.get(&number).and_then(Row::owner)
            && let Some(owned) = self.owned.get_mut(owner)
        {
            owned.remove(&number);
        }
        if let Some(owner) = row.owner() {
            self.owned.entry(owner.to_owned()).or_default().insert(number);
        }
        self.numbers.insert(row.id().to_owned(), number);
        self.rows.insert(number, row);
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(self.numbers.get(id)?)
    }

    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values()
    }

    /// Those of an owner, the oldest first.
    pub(crate) fn of(&self, owner: &str) -> impl DoubleEndedIterator<Item = &T> {
        self.owned.get(owner).into_iter().flatten().filter_map(|number| self.rows.get(number))
    }

    /// A page of those of an owner, or of all, the newest first, as `form` asks.
    pub(crate) fn page(&self, owner: Option<&str>, form: &mut Form, what: &str) -> Result<Value, Problem> {
        let limit = form.number("limit")?.unwrap_or(10);
        let limit = usize::try_from(limit).ok().filter(|it| (1..=100).contains(it));
        let limit = limit.ok_or_else(|| Problem::invalid("The limit must be from 1 to 100.").param("limit"))?;
        let since = form.number("created[gte]")?.unwrap_or(i64::MIN);
        let mut bound = |name: &str| {
            let id = form.take(name);
            id.map(|id| self.numbers.get(&id).copied().ok_or_else(|| Problem::missing(what, &id).param(name)))
                .transpose()
        };
        let (older_than, newer_than) = (bound("starting_after")?, bound("ending_before")?);
        let range = (
            newer_than.map_or(Bound::Unbounded, Bound::Excluded),
            older_than.map_or(Bound::Unbounded, Bound::Excluded),
        );
        let nobodys = BTreeSet::new();
        let numbers: Box<dyn DoubleEndedIterator<Item = u64>> = match owner {
            _ if is_empty(range) => Box::new(std::iter::empty()),
            Some(owner) => Box::new(self.owned.get(owner).unwrap_or(&nobodys).range(range).copied()),
            None => Box::new(self.rows.range(range).map(|(number, _)| *number)),
        };
        let rows = numbers.filter_map(|number| self.rows.get(&number)).filter(|row| row.created() >= since);
        let found: Vec<_> = if newer_than.is_some() {
            // The page next to the bound, though the newest is told first.
            let mut next: Vec<_> = rows.take(limit + 1).collect();
            next.reverse();
            next
        } else {
            rows.rev().take(limit + 1).collect()
        };
        let has_more = found.len() > limit;
        let skip = usize::from(has_more && newer_than.is_some());
        let data: Vec<_> = found.into_iter().skip(skip).take(limit).map(Row::json).collect();
        Ok(json!({"object": "list", "data": data, "has_more": has_more}))
    }
}

/// Whether nothing lies between the two: a range over a `BTreeMap` must not be asked for then.
fn is_empty(range: (Bound<u64>, Bound<u64>)) -> bool {
    matches!(range, (Bound::Excluded(from), Bound::Excluded(to)) if from >= to)
}
