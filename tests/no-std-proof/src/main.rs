//! The core in a program without std: its own panic handler, its own allocator, C's `main`.
//!
//! It ends with status 0 if a seeded generator, shared blocks and a set of timers do in here what they do elsewhere.
#![no_std]
#![no_main]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};
use primacy_core::blocks::Blocks;
use primacy_core::rng::Rng;
use primacy_core::timers::Timers;
use primacy_core::{Chunks, Instant};

// C's start-up code and `memcpy`; nothing else of the platform is used.
#[link(name = "c")]
unsafe extern "C" {}

/// Bytes that the allocator has.
const ROOM: usize = 16 << 20;

/// Gives out one region from front to back and takes nothing back: enough for a proof.
struct Bump {
    room: UnsafeCell<[u8; ROOM]>,
    used: AtomicUsize,
}

// SAFETY: the counter is atomic, and no byte is given out twice.
unsafe impl Sync for Bump {}

// SAFETY: every block lies inside the room, is aligned as asked, and overlaps no other.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.room.get() as usize;
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let start = (base + used).next_multiple_of(layout.align()) - base;
            let Some(end) = start.checked_add(layout.size()).filter(|&end| end <= ROOM) else {
                return core::ptr::null_mut();
            };
            match self.used.compare_exchange(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return self.room.get().cast::<u8>().wrapping_add(start),
                Err(now) => used = now,
            }
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump { room: UnsafeCell::new([0; ROOM]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// The ready-made `alloc` was built to unwind and names this; nothing here unwinds, so it is never called.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

/// Where C's start-up code goes.
#[unsafe(no_mangle)]
pub extern "C" fn main(_: c_int, _: *const *const u8) -> c_int {
    c_int::from(!works())
}

fn works() -> bool {
    let (mut one, mut two) = (Rng::new([7; 32]), Rng::new([7; 32]));
    let mut blocks = Blocks::new();
    for _ in 0..10_000 {
        blocks.append(&one.next_u64().to_le_bytes());
    }
    let mut chunks = Chunks::new();
    blocks.read(0, 80_000, &mut chunks);
    let mut read = chunks.iter().flat_map(|c| c.iter().copied());
    let equal = (0..10_000).all(|_| two.next_u64().to_le_bytes().iter().all(|&b| read.next() == Some(b)));
    let mut timers = Timers::new();
    timers.set(1_u8, Instant::ZERO);
    equal && read.next().is_none() && timers.pop_due(Instant::ZERO) == Some(1) && timers.next().is_none()
}
