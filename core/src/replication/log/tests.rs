use alloc::vec::Vec;

use quickcheck::quickcheck;

use super::*;

fn read(log: &mut Log, at: u64, budget: usize) -> Vec<u8> {
    let mut out = Chunks::new();
    log.read(at, budget, &mut out);
    out.iter().flat_map(|c| c.iter().copied()).collect()
}

/// The log as a plain vector of all bytes ever appended, with three marks.
struct Model {
    bytes: Vec<u8>,
    base: u64,
    start: u64,
    visible: u64,
}

impl Model {
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }
    fn truncate(&mut self) {
        self.bytes.truncate((self.visible - self.base) as usize);
    }
    fn slice(&self, at: u64, budget: u64) -> &[u8] {
        if at < self.start || at > self.visible {
            return &[];
        }
        let to = self.visible.min(at + budget);
        &self.bytes[(at - self.base) as usize..(to - self.base) as usize]
    }
}

fn filler(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|k| (k * 7 + seed) as u8).collect()
}

/// Any run of operations acts on the log as on the model, and readers never see what was not shown.
fn law(ops: &[(u8, u16)]) -> bool {
    let base = 1000;
    let mut log = Log::starting_at(base);
    let mut m = Model { bytes: Vec::new(), base, start: base, visible: base };
    let mut cursors = [base; 3];
    for (i, &(op, n)) in ops.iter().enumerate() {
        let n = usize::from(n);
        match op % 8 {
            0 => {
                m.truncate();
                log.append(&filler(i, n % 3000));
                m.bytes.extend(filler(i, n % 3000));
                m.visible = m.end();
            }
            1 => {
                m.truncate();
                log.append_shared(Bytes::from(filler(i, n % 500)));
                m.bytes.extend(filler(i, n % 500));
                m.visible = m.end();
            }
            2 | 3 => {
                log.append_upstream(&filler(i, n % 3000));
                m.bytes.extend(filler(i, n % 3000));
            }
            4 => {
                let to = m.visible + n as u64;
                log.show(to);
                m.visible = to.min(m.end());
            }
            5 => {
                log.cut();
                m.truncate();
            }
            6 => {
                let slowest = *cursors.iter().min().unwrap_or(&base);
                log.trim(n as u64, slowest);
                m.start = m.start.max(m.visible.saturating_sub(n as u64).min(slowest));
            }
            _ => {
                let c = &mut cursors[n % 3];
                let got = read(&mut log, *c, n);
                if got != m.slice(*c, n as u64) {
                    return false;
                }
                *c += got.len() as u64;
            }
        }
        let marks = (log.start(), log.visible(), log.end());
        if marks != (m.start, m.visible, m.end()) || cursors.iter().any(|&c| !log.holds(c)) {
            return false;
        }
    }
    read(&mut log, m.start, usize::MAX) == m.slice(m.start, u64::from(u32::MAX))
}

quickcheck! {
    fn acts_as_a_vector(ops: Vec<(u8, u16)>) -> bool {
        law(&ops)
    }
}

#[test]
fn a_tail_is_seen_when_shown_and_gone_when_cut() {
    let mut log = Log::starting_at(10);
    log.append(b"abc");
    log.append_upstream(b"defg");
    assert_eq!(read(&mut log, 10, 99), b"abc");
    log.show(15);
    assert_eq!(read(&mut log, 12, 99), b"cde");
    log.cut();
    assert_eq!((log.visible(), log.end()), (15, 15));
    log.append(b"X");
    assert_eq!(read(&mut log, 14, 99), b"eX");
    log.show(3);
    assert_eq!(log.visible(), 16, "what was seen stays seen");
}

#[test]
fn the_slowest_reader_keeps_its_bytes() {
    let mut log = Log::starting_at(0);
    log.append(&[7; 100]);
    log.trim(10, 40);
    assert_eq!((log.start(), log.history()), (40, 60));
    log.trim(10, 100);
    assert_eq!((log.start(), log.history()), (90, 10));
    assert!(read(&mut log, 89, 5).is_empty());
}
