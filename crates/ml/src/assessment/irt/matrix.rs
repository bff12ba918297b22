//! Matrices of answers as text: comma-separated values, a header of item names, a row a person with 0, 1 or nothing in
//! each cell (RFC 4180, quoted fields included). A first column `person` names the persons.

use std::borrow::Cow;

use super::Responses;

/// A matrix that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// The answers.
    pub responses: Responses,
    /// The column `person`, where there is one.
    pub persons: Option<Vec<String>>,
    /// The column of groups, where one was asked for.
    pub groups: Option<Vec<String>>,
}

/// What is wrong with a matrix, and where; lines and columns (in characters) count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {problem}")]
pub struct MatrixError {
    /// The line.
    pub line: usize,
    /// The column of its first wrong character.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

const PERSON: &str = "person";
const LONGEST_SHOWN: usize = 20;

/// What a column holds.
enum Column {
    Item,
    Person,
    Group,
}

/// Reads a matrix; `group` is the name of a column that holds groups instead of answers.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &[u8], group: Option<&str>) -> Result<Matrix, MatrixError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut cells = Cells { text, at: 0, line: 1, line_start: 0, first: true };
    let (columns, items) = header(&mut cells, group)?;
    let mut responses = Responses::new(items);
    let mut persons = vec![];
    let mut groups = vec![];
    let mut answers = Vec::with_capacity(columns.len());
    while !cells.only_blank_lines_follow() {
        answers.clear();
        let (mut at, line) = (0, cells.line);
        while let Some(cell) = cells.next()? {
            match columns.get(at) {
                Some(Column::Item) => answers.push(answer(&cell, &responses, answers.len())?),
                Some(Column::Person) => persons.push(cell.text()?.into_owned()),
                Some(Column::Group) => groups.push(cell.text()?.into_owned()),
                None => return Err(cell.error(format!("one cell too many: the header has {}", columns.len()))),
            }
            at += 1;
        }
        if at < columns.len() {
            let problem = format!("the row has {at} cells where the header has {}", columns.len());
            return Err(MatrixError { line, column: 1, problem });
        }
        responses.push(answers.iter().copied());
    }
    if responses.persons() == 0 {
        let problem = "there is no person: give a row of 0, 1 or nothing for each".to_owned();
        return Err(MatrixError { line: cells.line, column: 1, problem });
    }
    let has = |of: fn(&Column) -> bool| columns.iter().any(of);
    Ok(Matrix {
        responses,
        persons: has(|it| matches!(it, Column::Person)).then_some(persons),
        groups: has(|it| matches!(it, Column::Group)).then_some(groups),
    })
}

fn header(cells: &mut Cells<'_>, group: Option<&str>) -> Result<(Vec<Column>, Vec<String>), MatrixError> {
    let (mut columns, mut items) = (vec![], Vec::<String>::new());
    let mut known = std::collections::HashSet::new();
    while let Some(cell) = cells.next()? {
        let name = cell.text()?.trim().to_owned();
        if name.is_empty() {
            return Err(cell.error("a column without a name: the first line names the items".to_owned()));
        }
        if !known.insert(name.clone()) {
            return Err(cell.error(format!("a second column '{}': give each item a name of its own", shown(&name))));
        }
        if name.contains([';', '\t']) {
            return Err(cell.error("a semicolon or a tab in a name: separate columns by commas".to_owned()));
        }
        columns.push(if group == Some(name.as_str()) {
            Column::Group
        } else if columns.is_empty() && name.eq_ignore_ascii_case(PERSON) {
            Column::Person
        } else {
            items.push(name);
            Column::Item
        });
    }
    let missing = match group {
        Some(name) if !columns.iter().any(|it| matches!(it, Column::Group)) => {
            format!("the header has no column '{}'", shown(name))
        }
        _ if items.is_empty() => "the header names no item".to_owned(),
        _ => return Ok((columns, items)),
    };
    Err(MatrixError { line: 1, column: 1, problem: missing })
}

fn answer(cell: &Cell<'_>, responses: &Responses, item: usize) -> Result<Option<bool>, MatrixError> {
    match cell.raw.trim_ascii() {
        b"" => Ok(None),
        b"0" => Ok(Some(false)),
        b"1" => Ok(Some(true)),
        other => {
            let (text, item) = (String::from_utf8_lossy(other), shown(&responses.items()[item]));
            Err(cell.error(format!("'{}' is no answer to '{item}': give 0, 1 or nothing", shown(&text))))
        }
    }
}

fn shown(text: &str) -> String {
    let text: String = text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect();
    if text.chars().count() <= LONGEST_SHOWN {
        return text;
    }
    text.chars().take(LONGEST_SHOWN).chain(['…']).collect()
}

/// A cell with its place.
struct Cell<'a> {
    raw: Cow<'a, [u8]>,
    place: Place<'a>,
}

/// A place in the text: the number of its line, and what stands before it there.
#[derive(Clone, Copy)]
struct Place<'a> {
    line: usize,
    before: &'a [u8],
}

impl Place<'_> {
    fn error(self, problem: String) -> MatrixError {
        // Bytes that continue a character of UTF-8 begin with 10.
        let column = self.before.iter().filter(|byte| (**byte & 0xc0) != 0x80).count() + 1;
        MatrixError { line: self.line, column, problem }
    }
}

impl Cell<'_> {
    fn text(&self) -> Result<Cow<'_, str>, MatrixError> {
        std::str::from_utf8(&self.raw).map(Cow::Borrowed).map_err(|_| self.error("this cell is not UTF-8".to_owned()))
    }

    fn error(&self, problem: String) -> MatrixError {
        self.place.error(problem)
    }
}

/// The cells of a text, row by row.
struct Cells<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
    /// Whether the next cell is the first of its row.
    first: bool,
}

impl<'a> Cells<'a> {
    /// The next cell of this row, or `None` at its end; then the next row begins.
    fn next(&mut self) -> Result<Option<Cell<'a>>, MatrixError> {
        if !self.first {
            if self.text.get(self.at) != Some(&b',') {
                self.end_row();
                return Ok(None);
            }
            self.at += 1;
        }
        self.first = false;
        let place = Place { line: self.line, before: &self.text[self.line_start..self.at] };
        let raw = if self.text.get(self.at) == Some(&b'"') { self.quoted(place)? } else { self.plain() };
        Ok(Some(Cell { raw, place }))
    }

    fn plain(&mut self) -> Cow<'a, [u8]> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b',' | b'\n' | b'\r')).unwrap_or(rest.len());
        self.at += length;
        Cow::Borrowed(&rest[..length])
    }

    fn quoted(&mut self, place: Place<'_>) -> Result<Cow<'a, [u8]>, MatrixError> {
        let mut raw = vec![];
        self.at += 1;
        loop {
            match self.text.get(self.at..).unwrap_or_default() {
                [b'"', b'"', ..] => {
                    raw.push(b'"');
                    self.at += 2;
                }
                [b'"', rest @ ..] => {
                    self.at += 1;
                    if !matches!(rest.first(), None | Some(b',' | b'\n' | b'\r')) {
                        return Err(place.error("there is text after the closing quote of this cell".to_owned()));
                    }
                    return Ok(Cow::Owned(raw));
                }
                [byte, ..] => {
                    raw.push(*byte);
                    self.at += 1;
                    if *byte == b'\n' {
                        (self.line, self.line_start) = (self.line + 1, self.at);
                    }
                }
                [] => {
                    return Err(place.error("the quote that opens here is never closed".to_owned()));
                }
            }
        }
    }

    fn end_row(&mut self) {
        let end: &[u8] = &self.text[self.at..];
        self.at += match end {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        (self.line, self.line_start, self.first) = (self.line + 1, self.at, true);
    }

    fn only_blank_lines_follow(&self) -> bool {
        self.text[self.at..].iter().all(|byte| matches!(byte, b'\n' | b'\r'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Matrix {
        parse(text.as_bytes(), None).expect("right")
    }

    fn told(text: &[u8]) -> String {
        parse(text, None).expect_err("wrong").to_string()
    }

    #[test]
    fn rows_of_0_1_and_nothing_are_read_with_and_without_persons() {
        let plain = read("x,y,z\n1,0,\n,1, 1 \n");
        assert_eq!((plain.responses.items().join(" "), plain.persons), ("x y z".to_owned(), None));
        let answers = |person| (0..3).map(|item| plain.responses.answer(person, item)).collect::<Vec<_>>();
        assert_eq!(answers(0), [Some(true), Some(false), None]);
        assert_eq!(answers(1), [None, Some(true), Some(true)]);
        let named = read("\u{feff}Person,x,y\r\n\"Kim, \"\"Mina\"\"\",1,0\r\n2,\"1\",\r\n\r\n");
        assert_eq!(named.persons.expect("named"), ["Kim, \"Mina\"", "2"]);
        assert_eq!((named.responses.persons(), named.responses.answer(1, 1)), (2, None));
    }

    #[test]
    fn a_column_of_groups_is_no_item() {
        let matrix = parse(b"x,sex,y\n1,f,0\n0,m,1\n", Some("sex")).expect("right");
        assert_eq!(
            (matrix.groups.expect("asked for"), matrix.responses.items().len()),
            (vec!["f".into(), "m".into()], 2)
        );
        assert_eq!(parse(b"x,y\n1,0\n", Some("sex")).expect_err("none").problem, "the header has no column 'sex'");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_column() {
        for (text, told_so) in [
            ("x,y\n1,0\n1,2\n", "3:3: '2' is no answer to 'y': give 0, 1 or nothing"),
            ("x,y\n1,NA\n", "2:3: 'NA' is no answer to 'y': give 0, 1 or nothing"),
            ("person,x\n\"a\nb\",1\n한국,x\n", "4:4: 'x' is no answer to 'x': give 0, 1 or nothing"),
            ("x,y\n1\n", "2:1: the row has 1 cells where the header has 2"),
            ("x,y\n1,0,1\n", "2:5: one cell too many: the header has 2"),
            ("x,x\n", "1:3: a second column 'x': give each item a name of its own"),
            ("x,,y\n1,1,1", "1:3: a column without a name: the first line names the items"),
            ("x;y\n1;0\n", "1:1: a semicolon or a tab in a name: separate columns by commas"),
            ("person\nme\n", "1:1: the header names no item"),
            ("x,y\n\n", "2:1: there is no person: give a row of 0, 1 or nothing for each"),
            ("x,y\n\"1,0\n", "2:1: the quote that opens here is never closed"),
            ("x,y\n\"1\"1,0\n", "2:1: there is text after the closing quote of this cell"),
        ] {
            assert_eq!(told(text.as_bytes()), told_so, "{text}");
        }
        assert_eq!(told(b"x,\xff\n1,0\n"), "1:3: this cell is not UTF-8");
        assert!(told(b"").starts_with("1:1: "));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in prop::collection::vec(prop::sample::select(b"01,x\"\n\r \xff\xec".to_vec()), 0..80)) {
            let _ = parse(&text, None);
        }

        #[test]
        fn what_was_written_is_read(rows in prop::collection::vec(prop::collection::vec(prop::option::of(any::<bool>()), 9), 1..20)) {
            let cell = |answer: &Option<bool>| answer.map_or("", |right| if right { "1" } else { "0" });
            let header = (0..9).map(|item| format!("i{item}")).collect::<Vec<_>>().join(",");
            let lines = rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(","));
            let text = std::iter::once(header).chain(lines).collect::<Vec<_>>().join("\n");
            let read = parse(text.as_bytes(), None).expect("right").responses;
            for (person, row) in rows.iter().enumerate() {
                let back: Vec<_> = (0..9).map(|item| read.answer(person, item)).collect();
                prop_assert_eq!(&back, row);
            }
        }
    }
}
