//! Columns of text.

/// Rows under a head. Columns that hold numbers only are aligned at their right end.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    head: [String; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(head: &[&str; N]) -> Self {
        Self { head: head.map(String::from), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// All of it, a line each.
    pub(super) fn text(&self) -> String {
        let mut text = self.line(&self.head);
        text += &self.body();
        text
    }

    /// The rows alone.
    pub(super) fn body(&self) -> String {
        self.rows.iter().map(|row| self.line(row)).collect()
    }

    fn line(&self, cells: &[String; N]) -> String {
        let mut line = String::new();
        for (n, cell) in cells.iter().enumerate() {
            let column = || self.rows.iter().map(|row| row[n].as_str());
            let widest = column().chain([self.head[n].as_str()]).map(|cell| cell.chars().count()).max();
            let fill = " ".repeat(widest.unwrap_or_default() - cell.chars().count());
            let number = |cell: &str| cell.is_empty() || cell.starts_with(|c: char| c.is_ascii_digit());
            let (before, behind) = if column().all(number) { (fill, String::new()) } else { (String::new(), fill) };
            line.extend(["  ", &before, cell, &behind]);
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::rdb::units::count;

    #[test]
    fn numbers_stand_under_each_other() {
        let mut table = Table::new(&["db", "type", "keys"]);
        table.row(["0".into(), "string".into(), count(1_234_567)]);
        table.row(["12".into(), "set".into(), count(5)]);
        assert_eq!(table.text(), "  db  type         keys\n   0  string  1,234,567\n  12  set             5\n");
    }
}
