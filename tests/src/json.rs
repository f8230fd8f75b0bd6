//! Objects of one level, read strictly: enough for lines of a log, and for nothing else.

use crate::Result;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// The members of the object that the whole of `line` is: texts as texts, numbers as they stand there.
pub fn object(line: &str) -> Result<BTreeMap<String, String>> {
    let mut at = line.chars().peekable();
    let mut members = BTreeMap::new();
    expect(&mut at, '{')?;
    loop {
        let name = text(&mut at)?;
        expect(&mut at, ':')?;
        let value = if at.peek() == Some(&'"') { text(&mut at)? } else { number(&mut at)? };
        if members.insert(name.clone(), value).is_some() {
            return Err(format!("{name} is there twice in {line}").into());
        }
        match at.next() {
            Some(',') => {}
            Some('}') if at.next().is_none() => return Ok(members),
            other => return Err(format!("{other:?} behind {name} in {line}").into()),
        }
    }
}

fn expect(at: &mut Peekable<Chars<'_>>, wanted: char) -> Result<()> {
    match at.next() {
        Some(c) if c == wanted => Ok(()),
        other => Err(format!("{wanted} was expected, {other:?} came").into()),
    }
}

fn number(at: &mut Peekable<Chars<'_>>) -> Result<String> {
    let mut digits = String::new();
    while let Some(c) = at.next_if(char::is_ascii_digit) {
        digits.push(c);
    }
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return Err(format!("no number: {digits:?}, then {:?}", at.peek()).into());
    }
    Ok(digits)
}

fn text(at: &mut Peekable<Chars<'_>>) -> Result<String> {
    expect(at, '"')?;
    let mut text = String::new();
    loop {
        match at.next() {
            Some('"') => return Ok(text),
            Some('\\') => text.push(escaped(at)?),
            Some(c) if c >= ' ' => text.push(c),
            other => return Err(format!("{other:?} in the text {text:?}").into()),
        }
    }
}

fn escaped(at: &mut Peekable<Chars<'_>>) -> Result<char> {
    match at.next() {
        Some(c @ ('"' | '\\' | '/')) => Ok(c),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('u') => {
            let digits: String = at.take(4).collect();
            let code = u32::from_str_radix(&digits, 16)?;
            char::from_u32(code).ok_or_else(|| format!("\\u{digits} is no character").into())
        }
        other => Err(format!("\\{other:?} is no escape").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_is_json_and_nothing_else() {
        let members = object(r#"{"a":"b\n\u001b\"","pid":12}"#).unwrap();
        assert_eq!(members["a"], "b\n\u{1b}\"");
        assert_eq!(members["pid"], "12");
        for wrong in [
            "",
            "{}x",
            r#"{"a":}"#,
            r#"{"a":01}"#,
            r#"{"a":"b"} "#,
            "{\"a\":\"\n\"}",
            r#"{"a":"\x"}"#,
            r#"{"a":1,"a":2}"#,
        ] {
            assert!(object(wrong).is_err(), "{wrong}");
        }
    }
}
