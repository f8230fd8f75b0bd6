//! A [`Story`] as one self-contained HTML page: no network, no fonts from elsewhere, works from a file.

use alloc::string::String;

use super::story::Story;

/// The page.
pub fn render(story: &Story) -> String {
    String::from(story.title())
}
