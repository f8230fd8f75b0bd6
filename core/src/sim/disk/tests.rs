use std::format;

use super::*;

fn bytes(text: &str) -> Vec<Bytes> {
    [Bytes::copy_from_slice(text.as_bytes())].into()
}

/// The contents that power cuts leave of a file over many seeds.
fn after_cuts(make: impl Fn(&mut Disk), file: &str) -> Vec<Option<alloc::string::String>> {
    let mut seen = Vec::new();
    for seed in 0..200 {
        let mut disk = Disk::default();
        make(&mut disk);
        disk.power_cut(&mut Choices::seeded(seed));
        let left = disk.get(file).map(|d| alloc::string::String::from_utf8_lossy(d).into_owned());
        if !seen.contains(&left) {
            seen.push(left);
        }
    }
    seen.sort();
    seen
}

fn list(of: &[Option<&str>]) -> Vec<Option<alloc::string::String>> {
    of.iter().map(|o| o.map(Into::into)).collect()
}

#[test]
fn what_was_synced_stays_and_of_the_rest_any_suffix_goes() {
    let f: Path = "d/f".into();
    let left = after_cuts(
        |d| {
            d.append(&f, 0, &bytes("ab"), true).unwrap();
            d.append(&f, 2, &bytes("cd"), false).unwrap();
        },
        "d/f",
    );
    assert_eq!(left, list(&[Some("ab"), Some("abc"), Some("abcd")]));
}

#[test]
fn a_name_whose_folder_was_not_synced_may_be_gone() {
    let (f, g): (Path, Path) = ("d/f".into(), "d/g".into());
    let make = |d: &mut Disk| d.append(&f, 0, &bytes("a"), false).unwrap();
    assert_eq!(after_cuts(make, "d/f"), list(&[None, Some(""), Some("a")]));
    // Another file's commit syncs the folder, though not this file's bytes.
    let both = |d: &mut Disk| {
        make(d);
        d.replace(&g, &Bytes::from_static(b"x"));
    };
    assert_eq!(after_cuts(both, "d/f"), list(&[Some(""), Some("a")]));
    assert_eq!(after_cuts(both, "d/g"), list(&[Some("x")]));
}

#[test]
fn a_rename_that_is_done_stays_done() {
    let (tmp, f): (Path, Path) = ("d/tmp".into(), "d/f".into());
    let before = |d: &mut Disk| {
        d.put("d/f", b"old".to_vec());
        d.append(&tmp, 0, &bytes("new"), false).unwrap();
    };
    assert_eq!(after_cuts(before, "d/f"), list(&[Some("old")]));
    let whole = |d: &mut Disk| {
        before(d);
        d.commit(&tmp, &f).unwrap();
    };
    assert_eq!(after_cuts(whole, "d/f"), list(&[Some("new")]));
    assert_eq!(after_cuts(whole, "d/tmp"), list(&[None]));
    assert_eq!(after_cuts(|d| d.replace(&f, &Bytes::from_static(b"r")), "d/f"), list(&[Some("r")]));
}

#[test]
fn emptying_a_file_is_no_more_durable_than_writing_it() {
    let f: Path = "f".into();
    let left = after_cuts(
        |d| {
            d.put("f", b"old".to_vec());
            d.append(&f, 0, &bytes("n"), false).unwrap();
        },
        "f",
    );
    assert_eq!(left, list(&[Some(""), Some("n"), Some("old")]));
}

#[test]
fn a_removal_may_be_undone_until_the_folder_is_synced() {
    let f: Path = "f".into();
    let remove = |d: &mut Disk| {
        d.put("f", b"x".to_vec());
        d.remove(&f);
    };
    assert_eq!(after_cuts(remove, "f"), list(&[None, Some("x")]));
    let mut disk = Disk::default();
    remove(&mut disk);
    assert_eq!((disk.get("f"), disk.stat("f")), (None, None));
    disk.replace(&"g".into(), &Bytes::new());
    assert_eq!(disk.files.len(), 1, "nobody can come back to the removed file");
}

#[test]
fn nothing_is_lost_by_the_usual_choice() {
    let f: Path = "f".into();
    let mut disk = Disk::default();
    disk.append(&f, 0, &bytes("abc"), false).unwrap();
    assert_eq!(disk.durable_len("f"), 0);
    disk.power_cut(&mut Choices::bytes(Vec::new()));
    assert_eq!((disk.get("f"), disk.lost_bytes(), disk.durable_len("f")), (Some(&b"abc"[..]), 0, 3));
    assert_eq!(disk.names().collect::<Vec<_>>(), ["f"]);
    assert!(disk.damage("f", |d| d[1] = b'X') && disk.get("f") == Some(b"aXc"));
}

#[test]
fn jobs_that_name_no_file_or_the_wrong_place_fail_in_words() {
    let (f, none): (Path, Path) = ("f".into(), "none".into());
    let mut disk = Disk::default();
    disk.append(&f, 0, &bytes("abc"), true).unwrap();
    assert_eq!(&disk.read(&f, 1, 9).unwrap()[..], b"bc");
    assert_eq!(&disk.read(&f, 99, 9).unwrap()[..], b"");
    let e = disk.append(&f, 2, &bytes("x"), false).unwrap_err();
    assert_eq!(format!("{e}"), "cannot append to f at offset 2: the file is 3 bytes long");
    assert_eq!(disk.append(&none, 2, &bytes("x"), false).unwrap_err().kind, JobErrorKind::NotFound);
    assert_eq!(disk.read(&none, 0, 1).unwrap_err().kind, JobErrorKind::NotFound);
    assert_eq!(disk.commit(&none, &f).unwrap_err().kind, JobErrorKind::NotFound);
}
