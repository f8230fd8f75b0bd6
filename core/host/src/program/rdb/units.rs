//! Numbers as text.

/// A count with a mark between thousands.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as people read them.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            let digits = usize::from(unit != "B" && value < 99.95);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.0} PB")
}

/// A score as text to be read: the shortest that gives the same number again.
pub(super) fn score(score: f64) -> String {
    match score.abs() {
        f64::INFINITY if score > 0.0 => "inf".into(),
        f64::INFINITY => "-inf".into(),
        0.0 | 1e-5..1e17 => score.to_string(),
        _ => format!("{score:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (99_949, "99.9 kB"),
            (99_950, "100 kB"),
            (1_500_000_000, "1.5 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn scores_read_back() {
        for n in [0.0, -0.0, 1.5, -3.0, 1e300, 5e-324, 0.1, 1e17, 123_456_789.125, f64::INFINITY, f64::NEG_INFINITY] {
            let text = score(n);
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), n.to_bits(), "{text}");
            assert!(text.len() < 30, "{text}");
        }
    }
}
