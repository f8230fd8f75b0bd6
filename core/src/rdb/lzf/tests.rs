use super::*;
use alloc::vec;
use quickcheck::quickcheck;

fn whole(packed: &[u8], len: usize) -> Result<Vec<u8>, LzfError> {
    let mut out = Vec::new();
    unpack(packed, len, &mut out).map(|()| out)
}

fn in_parts(packed: &[u8], len: usize, part: usize, step: usize) -> Result<Vec<u8>, LzfError> {
    check(packed.len() as u64, len as u64)?;
    let mut unpack = Unpack::new(packed.len() as u64, len as u64, part);
    let mut all = Vec::new();
    for mut input in packed.chunks(step.max(1)) {
        loop {
            if unpack.feed(&mut input)? {
                assert!(!unpack.part().is_empty());
                all.extend_from_slice(unpack.part());
            }
            if unpack.is_done() {
                return Ok(all);
            }
            if input.is_empty() {
                break;
            }
        }
    }
    Ok(all)
}

/// Bytes with repetitions at all distances, steered by `seed`.
fn patchy(seed: &[(u8, u16)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(b, n) in seed {
        let n = usize::from(n) % 700;
        if b % 3 == 0 {
            bytes.extend((0..n).map(|i| (i * usize::from(b) + n) as u8));
        } else if !bytes.is_empty() {
            let from = usize::from(b) * 37 % bytes.len();
            for i in from..from + n {
                let copied = bytes[i];
                bytes.push(copied);
            }
        } else {
            bytes.push(b);
        }
    }
    bytes
}

fn packs_and_unpacks(bytes: &[u8], packer: &mut Packer, part: u8, step: u16) -> bool {
    let Some(packed) = packer.pack(bytes) else { return true };
    packed.len() + 4 <= bytes.len()
        && whole(packed, bytes.len()).as_deref() == Ok(bytes)
        && in_parts(packed, bytes.len(), usize::from(part) * 50 + 300, usize::from(step)).as_deref() == Ok(bytes)
}

quickcheck! {
    fn what_is_packed_comes_back(a: Vec<(u8, u16)>, b: Vec<(u8, u16)>, part: u8, step: u16) -> bool {
        let mut packer = Packer::default();
        [a, b].iter().all(|seed| packs_and_unpacks(&patchy(seed), &mut packer, part, step))
    }

    fn any_bytes_give_the_same_whole_and_in_parts(packed: Vec<u8>, len: u16, step: u8) -> bool {
        let len = usize::from(len) % 600;
        whole(&packed, len).ok() == in_parts(&packed, len, 100, usize::from(step)).ok()
    }
}

#[test]
fn every_distance_repeats() {
    for distance in 1..=40usize {
        for n in [3, 4, 15, 16, 17, 31, 33, 100, 264] {
            let seed: Vec<u8> = (0..distance as u8).collect();
            let mut packed = Vec::new();
            for piece in seed.chunks(LITERALS) {
                packed.push(piece.len() as u8 - 1);
                packed.extend_from_slice(piece);
            }
            match n {
                3..9 => packed.extend([(n as u8 - 2) << 5, distance as u8 - 1]),
                _ => packed.extend([0xe0, (n - 9) as u8, distance as u8 - 1]),
            }
            let expected: Vec<u8> = seed.iter().copied().cycle().take(distance + n).collect();
            assert_eq!(whole(&packed, expected.len()).as_deref(), Ok(&expected[..]), "{n} bytes from {distance} back");
        }
    }
}

#[test]
fn a_run_packs_small() {
    let mut packer = Packer::default();
    let run = vec![b'a'; 100];
    let packed = packer.pack(&run).map(<[u8]>::len);
    assert!(packed.is_some_and(|n| n <= 10), "{packed:?}");
    assert_eq!(whole(&[1, 97, 97, 0xe0, 0x57, 0, 1, 97, 97], 100), Ok(run), "as Redis wrote it");
}

#[test]
fn a_packer_outlives_its_positions() {
    let mut packer = Packer::default();
    let bytes: Vec<u8> = (0..4000u32).map(|i| (i % 50) as u8).collect();
    assert!(packs_and_unpacks(&bytes, &mut packer, 9, 7));
    packer.wear_out();
    assert!(packs_and_unpacks(&bytes, &mut packer, 9, 7));
    assert!(packer.base() < 10_000, "positions begin anew");
}

#[test]
fn noise_stays_as_it_is() {
    let mut x = 1u64;
    let noise: Vec<u8> = (0..5000)
        .map(|_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 56) as u8
        })
        .collect();
    assert_eq!(Packer::default().pack(&noise), None);
    assert_eq!(Packer::default().pack(b"aaaaaaaaaaaaaaaaaaaa"), None, "20 bytes are not tried");
}

#[test]
fn lies_are_named() {
    assert_eq!(whole(&[0x20, 0], 3), Err(LzfError::Reach { distance: 1, at: 0 }));
    assert_eq!(whole(&[0, 97, 0x20], 4), Err(LzfError::Cut));
    assert_eq!(whole(&[3, 97, 97], 4), Err(LzfError::Cut));
    assert_eq!(whole(&[1, 97, 97], 3), Err(LzfError::Short { out: 2, len: 3 }));
    assert_eq!(whole(&[0, 97, 0x20, 0], 2), Err(LzfError::Long(2)));
    assert_eq!(check(1, 89), Err(LzfError::Lengths { packed: 1, len: 89 }));
    assert_eq!(check(3, 264), Ok(()));
    assert_eq!(check(u64::MAX, 1), Err(LzfError::Lengths { packed: u64::MAX, len: 1 }));
}

#[test]
fn memory_of_parts_is_bounded() {
    let bytes = vec![7u8; 10 << 20];
    let mut packer = Packer::default();
    let packed = packer.pack(&bytes).map(<[u8]>::to_vec).unwrap_or_default();
    let mut unpack = Unpack::new(packed.len() as u64, bytes.len() as u64, 4096);
    let (mut input, mut n) = (&packed[..], 0);
    while !unpack.is_done() {
        assert_eq!(unpack.feed(&mut input), Ok(true));
        n += unpack.part().len();
    }
    assert_eq!(n, bytes.len());
    assert!(unpack.memory() <= REACH + 4096 + ROOM, "{}", unpack.memory());
}
