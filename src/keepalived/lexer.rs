//! Splits a line into words and braces.

use winnow::combinator::{alt, cut_err, delimited, repeat, terminated};
use winnow::error::{StrContext, StrContextValue};
use winnow::stream::LocatingSlice;
use winnow::token::take_while;
use winnow::{ModalResult, Parser};

use super::line::{SourceLine, is_blank};
use super::place::{Complaint, Spot};

/// A word, without the quotation marks around it.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// What it says.
    pub(super) text: String,
    /// Where it begins.
    pub(super) place: Spot,
}

/// What a line is made of.
#[derive(Debug)]
pub(super) enum Token {
    /// A word.
    Word(Word),
    /// `{`
    Open(Spot),
    /// `}`
    Close(Spot),
}

/// Splits a line. A brace needs no blanks around it. Text between quotation marks is one word; `\"`
/// does not end it.
pub(super) fn tokens(line: &SourceLine) -> Result<Vec<Token>, Complaint> {
    let spans = all.parse(LocatingSlice::new(line.text())).map_err(|error| {
        let place = line.place(line.text()[..error.offset()].rfind('"').unwrap_or(error.offset()));
        Complaint::new(&place, format!("unclosed text: {}", error.inner()).replace('\n', ", "))
    })?;
    let mut tokens = Vec::new();
    for (span, start) in spans {
        let place = line.place(start);
        let (before, behind) = line.text().split_at(start);
        if behind.starts_with('{') && before.ends_with('$') {
            let problem = "expected a value: this variable is not defined";
            return Err(Complaint::new(&line.place(start - 1), problem));
        }
        if behind.starts_with("{{") || behind.starts_with("{%") {
            let problem = "expected a value: this is a template that was not filled in";
            return Err(Complaint::new(&place, problem));
        }
        tokens.push(match span {
            Span::Open => Token::Open(place),
            Span::Close => Token::Close(place),
            Span::Word(text) => Token::Word(Word { text: text.to_owned(), place }),
        });
    }
    Ok(tokens)
}

/// A token without its place.
#[derive(Clone)]
enum Span<'a> {
    Word(&'a str),
    Open,
    Close,
}

type LineInput<'a> = LocatingSlice<&'a str>;

fn all<'a>(input: &mut LineInput<'a>) -> ModalResult<Vec<(Span<'a>, usize)>> {
    let one = terminated(span.with_span(), blanks);
    let located = one.map(|(span, range)| (span, range.start));
    delimited(blanks, repeat(0.., located), winnow::combinator::eof).parse_next(input)
}

fn span<'a>(input: &mut LineInput<'a>) -> ModalResult<Span<'a>> {
    alt(('{'.value(Span::Open), '}'.value(Span::Close), quoted, bare)).parse_next(input)
}

fn quoted<'a>(input: &mut LineInput<'a>) -> ModalResult<Span<'a>> {
    let plain = take_while(1.., |c| c != '"' && c != '\\').void();
    let escaped = ('\\', winnow::token::any).void();
    let inside = repeat::<_, _, (), _, _>(0.., alt((plain, escaped))).take();
    let end = cut_err('"').context(StrContext::Expected(StrContextValue::CharLiteral('"')));
    delimited('"', inside, end).map(Span::Word).parse_next(input)
}

fn bare<'a>(input: &mut LineInput<'a>) -> ModalResult<Span<'a>> {
    take_while(1.., |c| !is_blank(c) && !matches!(c, '"' | '{' | '}'))
        .map(Span::Word)
        .parse_next(input)
}

fn blanks(input: &mut LineInput<'_>) -> ModalResult<()> {
    take_while(0.., is_blank).void().parse_next(input)
}
