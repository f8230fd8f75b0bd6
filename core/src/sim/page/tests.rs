use alloc::vec::Vec;
use std::format;

use quickcheck::quickcheck;

use super::super::story::Limits;
use super::*;

fn at(us: u64) -> Instant {
    Instant::from_micros(us)
}

/// The text between two others, the first time.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).expect(from);
    rest.split_once(to).expect(to).0
}

fn data(page: &str) -> &str {
    between(page, "<script type=\"application/json\" id=\"story\">", "</script>")
}

/// A JSON value, as far as the tests look into it.
#[derive(PartialEq, Debug)]
enum Json {
    Null,
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Json {
    fn get(&self, name: &str) -> &Self {
        let Self::Map(map) = self else { panic!("no map: {self:?}") };
        &map.iter().find(|(n, _)| n == name).expect(name).1
    }

    fn list(&self) -> &[Self] {
        let Self::List(list) = self else { panic!("no list: {self:?}") };
        list
    }

    fn text(&self) -> &str {
        let Self::Text(text) = self else { panic!("no text: {self:?}") };
        text
    }
}

/// Reads what RFC 8259 allows and `json` may write; anything else is a panic with its place.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn whole(text: &str) -> Json {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value();
        parser.space();
        assert_eq!(parser.at, text.len(), "something behind the value");
        value
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\n', '\r', '\t']).len();
    }

    fn takes(&mut self, what: &str) -> bool {
        self.space();
        let there = self.text[self.at..].starts_with(what);
        self.at += if there { what.len() } else { 0 };
        there
    }

    fn wants(&mut self, what: &str) {
        assert!(self.takes(what), "no {what} at {}: {:.40}", self.at, &self.text[self.at..]);
    }

    fn value(&mut self) -> Json {
        if self.takes("null") {
            return Json::Null;
        }
        if self.takes("[") {
            let mut list = Vec::new();
            while !self.takes("]") {
                if !list.is_empty() {
                    self.wants(",");
                }
                list.push(self.value());
            }
            return Json::List(list);
        }
        if self.takes("{") {
            let mut map = Vec::new();
            while !self.takes("}") {
                if !map.is_empty() {
                    self.wants(",");
                }
                let name = self.string();
                self.wants(":");
                map.push((name, self.value()));
            }
            return Json::Map(map);
        }
        if self.text[self.at..].starts_with('"') {
            return Json::Text(self.string());
        }
        let rest = &self.text[self.at..];
        let number = &rest[..rest.find([',', ']', '}', '\n']).unwrap_or(rest.len())];
        assert!(number.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()), "{number}");
        self.at += number.len();
        Json::Number(number.parse().expect(number))
    }

    fn string(&mut self) -> String {
        self.wants("\"");
        let mut out = String::new();
        loop {
            let c = self.text[self.at..].chars().next().expect("the string ends");
            self.at += c.len_utf8();
            match c {
                '"' => return out,
                '\\' if self.text[self.at..].starts_with('u') => {
                    let code = u32::from_str_radix(&self.text[self.at + 1..self.at + 5], 16).expect("four digits");
                    out.push(char::from_u32(code).expect("a character"));
                    self.at += 5;
                }
                '\\' => {
                    let c = self.text[self.at..].chars().next().expect("an escape");
                    assert!(c == '"' || c == '\\', "escape {c}");
                    out.push(c);
                    self.at += 1;
                }
                c => {
                    assert!(c >= ' ', "a bare control character");
                    out.push(c);
                }
            }
        }
    }
}

/// A story in which everything says `text`.
fn saying(text: &str) -> Story {
    let mut s = Story::new(text, text, Limits::default());
    s.fact(text, text);
    let (a, b) = (s.lane(text, LaneKind::Node), s.lane(text, LaneKind::Client));
    s.band(a, BandKind::Role, text, at(1));
    s.mark(Mark::new(at(2), MarkKind::Fault, text).on(a).and(b).lasting());
    s.mark(Mark::new(at(2), MarkKind::Log, text).level(Level::Warning));
    let m = s.sent(a, b, u64::MAX, at(3), text.as_bytes());
    s.arrived(m, at(4));
    s
}

#[test]
fn one_page_and_nothing_from_elsewhere() {
    let page = render(&saying("a run"));
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert!(!page.contains("<!--"), "every slot is filled");
    assert_eq!(between(&page, "<title>", "</title>"), "a run");
    assert!(page.contains("default-src 'none'"), "the policy that forbids requests");
    for word in ["http://", "https://", "//cdn", "@import", "url(", "fetch(", "XMLHttpRequest", "eval(", "import("] {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    assert_eq!(page.matches("</style").count(), 1);
}

#[test]
fn the_parts_fit_into_a_page() {
    for part in SCRIPT.iter().chain(&[STYLE]) {
        for word in ["</script", "<script", "</style", "<!--", "-->"] {
            assert!(!part.contains(word), "{word} would end the element around it");
        }
    }
}

#[test]
fn nothing_that_is_said_breaks_out() {
    let nasty = [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "<!--story-->",
        "-->]]>",
        "\u{2028}\u{2029}\u{feff}\u{0}\u{1b}[31m\r\n\t\u{7f}\u{85}",
        "\"],\"x\":[\\",
        "\\u003c/script>",
        "&lt;/script&gt; ' \" `",
        "\u{202e}\u{1F600}\u{10FFFF}\u{FFFF}",
    ];
    let plain = render(&saying("plain"));
    for text in nasty {
        let page = render(&saying(text));
        for tag in ["<script", "</script", "<title", "</title", "<!--", "<style"] {
            assert_eq!(page.matches(tag).count(), plain.matches(tag).count(), "{tag} in {text:?}");
        }
        let data = data(&page);
        assert!(data.chars().all(|c| !"<>&'\u{2028}\u{2029}\u{feff}\u{85}\u{7f}".contains(c)), "{text:?}");
        assert!(data.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        let json = Parser::whole(data);
        for said in [json.get("title"), json.get("command"), &json.get("facts").list()[0].list()[1]] {
            assert_eq!(said.text(), text);
        }
        assert_eq!(json.get("lanes").list()[1].list()[0].text(), text);
        assert_eq!(json.get("bands").list()[0].list()[4].text(), text);
        assert_eq!(json.get("marks").list()[1].list()[6].text(), text);
    }
}

#[test]
fn every_part_of_a_story_is_in_it() {
    let mut s = Story::new("t", "c", Limits { messages: 3, lines: 1, message_bytes: 4, ..Limits::default() });
    let (a, b) = (s.lane("a", LaneKind::Sentinel), s.lane("b", LaneKind::Peer));
    s.sent(a, b, 900, at(1), b"gone");
    let lost = s.sent(a, b, 900, at(2), b"+OK\r\n");
    let came = s.sent(b, a, 7, at(3), b"");
    s.sent(a, b, 900, at(5), b"\xff\x00");
    s.lost(lost, at(8));
    s.arrived(came, at(1));
    s.band(b, BandKind::Process, "down", at(4));
    s.band(b, BandKind::Link, "up", at(4));
    s.end_band(b, BandKind::Process, at(6));
    s.mark(Mark::new(at(5), MarkKind::Violation, "v").on(b));
    s.mark(Mark::new(at(6), MarkKind::Note, "n").until(at(7)));
    s.mark(Mark::new(at(6), MarkKind::Fault, "f").lasting());
    s.mark(Mark::new(at(6), MarkKind::Log, "old"));
    s.mark(Mark::new(at(6), MarkKind::Input, "call"));
    s.finish(Instant::MAX);
    let page = render(&s);
    let (json, end) = (Parser::whole(data(&page)), (1u64 << 53) - 1);
    assert_eq!(json.get("end"), &Json::Number(end as f64), "a number that a script holds exactly");
    assert_eq!(json.get("first"), &Json::Number(1.0));
    let want = |text: &str| Parser::whole(text);
    let messages = format!(r#"[[0,1,1,2,2,8,5,"K09LDQ=="],[1,0,2,3,1,3,0,""],[0,1,1,5,0,{end},2,"/wA="]]"#);
    assert_eq!(json.get("messages"), &want(&messages));
    assert_eq!(json.get("lanes"), &want(r#"[["a","sentinel"],["b","peer"]]"#));
    assert_eq!(json.get("bands"), &want(r#"[[1,"process",4,6,"down"],[1,"link",4,null,"up"]]"#));
    let marks = r#"[["violation",3,5,null,1,-1,"v"],["note",2,6,7,-1,-1,"n"],["fault",2,6,-1,-1,-1,"f"],
        ["input",2,6,null,-1,-1,"call"]]"#;
    assert_eq!(json.get("marks"), &want(marks));
    assert_eq!(json.get("left"), &want(r#"{"messages":1,"bytes":1,"bands":0,"marks":0,"lines":1}"#));
}

#[test]
fn an_empty_story_is_a_page_too() {
    let page = render(&Story::new("", "", Limits::default()));
    let json = Parser::whole(data(&page));
    assert_eq!((json.get("messages"), json.get("lanes")), (&Json::List(Vec::new()), &Json::List(Vec::new())));
}

#[test]
fn base64_is_rfc_4648s() {
    for (plain, coded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        let mut out = String::new();
        base64(&mut out, plain.as_bytes());
        assert_eq!(out, coded);
    }
}

quickcheck! {
    fn any_text_comes_back(text: String) -> bool {
        let mut out = String::new();
        string(&mut out, &text);
        let inert = !out.contains(['<', '>', '&', '\n', '\u{2028}', '\u{2029}']);
        inert && Parser::whole(&out) == Json::Text(text)
    }

    fn any_bytes_come_back(bytes: Vec<u8>) -> bool {
        let mut out = String::new();
        base64(&mut out, &bytes);
        let digit = |c: u8| match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => 0,
        };
        let mut back = Vec::new();
        for four in out.as_bytes().chunks(4) {
            let word = four.iter().fold(0u32, |word, c| word << 6 | u32::from(digit(*c)));
            let kept = four.iter().position(|c| *c == b'=').unwrap_or(4) - 1;
            back.extend_from_slice(&word.to_be_bytes()[1..=kept]);
        }
        back == bytes
    }
}
