//! Runs on all processors; what comes of them is handed on in the order of seeds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use primacy_core::sim::campaign::{Report, Summary};

use super::{Amount, Wish};

/// Threads, at most.
const THREADS_MAX: usize = 64;

/// Runs seed after seed until there were enough; `each` hears of every run in the order of seeds.
pub(super) fn all(wish: &Wish, mut each: impl FnMut(&Report, &Summary)) -> Summary {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    let enough = |n: u64| match wish.amount {
        Amount::Runs(runs) => n >= runs,
        Amount::For(time) => began.elapsed() >= time,
    };
    let mut summary = Summary::default();
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel::<(u64, Report)>(threads * 4);
        for _ in 0..threads {
            let send = send.clone();
            let (next, stop, enough) = (&next, &stop, &enough);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) || enough(n) {
                        return;
                    }
                    let plan = wish.scenario.draw(wish.seed.wrapping_add(n), wish.nodes);
                    if send.send((n, plan.run(None, None, None).0)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (n, report) in receive {
            early.insert(n, report);
            while let Some(report) = early.remove(&due) {
                due += 1;
                summary.add(report.clone());
                each(&report, &summary);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    summary
}
