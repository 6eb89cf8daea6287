//! The statements of a file, and the blocks that they are nested in.

use super::lexer::{Token, Word, tokens};
use super::place::{Complaint, Remark, Spot};
use super::reader::Reader;

/// A line of words, and the block behind it, if any.
#[derive(Debug)]
pub(super) struct Statement {
    /// Never empty.
    words: Vec<Word>,
    /// The block, with the place of its `{`.
    block: Option<Block>,
}

/// What stands between two braces.
#[derive(Debug)]
pub(super) struct Block {
    /// The place of `{`.
    pub(super) open: Spot,
    /// What stands in it.
    pub(super) statements: Vec<Statement>,
}

impl Statement {
    /// Returns the word that says what it is about.
    pub(super) fn head(&self) -> &Word {
        &self.words[0]
    }

    /// Returns the words behind the first.
    pub(super) fn rest(&self) -> &[Word] {
        &self.words[1..]
    }

    /// Returns all words.
    pub(super) fn words(&self) -> &[Word] {
        &self.words
    }

    /// Returns the block behind it.
    pub(super) fn block(&self) -> Option<&Block> {
        self.block.as_ref()
    }

    /// Returns where it begins.
    pub(super) fn place(&self) -> &Spot {
        &self.head().place
    }
}

/// Reads all statements. `roots` are the words that stand outside of every block: one of them in a
/// block that is never closed shows where a brace is missing.
pub(super) fn read(
    mut reader: Reader<'_>,
    roots: &[&str],
) -> Result<(Vec<Statement>, Vec<Remark>), Complaint> {
    let mut builder = Builder::default();
    while let Some(line) = reader.next()? {
        for token in tokens(&line)? {
            builder.add(token)?;
        }
        builder.end_line();
    }
    Ok((builder.finish(roots)?, reader.into_remarks()))
}

/// Puts statements together. Blocks that are open stand on a stack, so that no input is too deep
/// for it.
#[derive(Default)]
struct Builder {
    words: Vec<Word>,
    statements: Vec<Statement>,
    /// The statements around the open blocks, and the place of each `{`.
    around: Vec<(Vec<Statement>, Spot)>,
}

impl Builder {
    fn add(&mut self, token: Token) -> Result<(), Complaint> {
        match token {
            Token::Word(word) => self.words.push(word),
            Token::Open(place) => {
                self.end_line();
                self.open(place)?;
            }
            Token::Close(place) => {
                self.end_line();
                self.close(&place)?;
            }
        }
        Ok(())
    }

    fn end_line(&mut self) {
        if !self.words.is_empty() {
            let words = std::mem::take(&mut self.words);
            self.statements.push(Statement { words, block: None });
        }
    }

    fn open(&mut self, place: Spot) -> Result<(), Complaint> {
        if self.statements.last().is_none_or(|last| last.block.is_some()) {
            return Err(Complaint::new(&place, "expected a word before this {"));
        }
        if self.around.len() >= MAX_DEPTH {
            let problem = format!("blocks nested deeper than {MAX_DEPTH}");
            return Err(Complaint::new(&place, problem));
        }
        self.around.push((std::mem::take(&mut self.statements), place));
        Ok(())
    }

    fn close(&mut self, place: &Spot) -> Result<(), Complaint> {
        let Some((around, open)) = self.around.pop() else {
            return Err(Complaint::new(place, "expected no }: no block is open"));
        };
        let statements = std::mem::replace(&mut self.statements, around);
        if let Some(owner) = self.statements.last_mut() {
            owner.block = Some(Block { open, statements });
        }
        Ok(())
    }

    fn finish(mut self, roots: &[&str]) -> Result<Vec<Statement>, Complaint> {
        let Some((_, open)) = self.around.first() else { return Ok(self.statements) };
        let mut problem = "this { is never closed: expected a }".to_owned();
        self.around.push((self.statements, open.clone()));
        let inside = self.around.iter().skip(1).flat_map(|(statements, _)| statements);
        let mut misplaced = inside.filter(|it| roots.contains(&it.head().text.as_str()));
        if let Some(first) = misplaced.next() {
            let word = &first.head().text;
            problem = format!("{problem} before {word} in line {}", first.place().line);
        }
        Err(Complaint::new(&self.around[0].1, problem))
    }
}

const MAX_DEPTH: usize = 16;
