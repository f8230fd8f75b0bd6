//! The tree against a vector, its sums against a count, its shape against its own rules.

use super::node::{INNER_MAX, LEAF_MAX, Sum};
use super::*;
use alloc::sync::Arc;
use alloc::vec::Vec;
use quickcheck::{QuickCheck, quickcheck};

/// An entry that weighs and holds something, in order by `id`; ids may repeat.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Item {
    id: u32,
    weight: usize,
}

impl Entry for Item {
    type Mark = u32;

    // Many ids share a mark, so that marks alone do not decide.
    fn mark(&self) -> u32 {
        self.id / 8
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn heap(&self) -> usize {
        self.weight * 3
    }
}

fn item(id: u32) -> Item {
    Item { id, weight: id as usize % 5 }
}

struct ById(u32);

impl Seek<Item> for ById {
    fn entry(&self, entry: &Item) -> Ordering {
        entry.id.cmp(&self.0)
    }

    fn mark(&self, mark: &u32) -> Ordering {
        mark.cmp(&(self.0 / 8))
    }
}

impl<E: Entry<Mark: PartialOrd>> Tree<E> {
    /// Panics unless all sums and marks are right and all nodes are as full as they promise. Returns the height.
    pub(crate) fn check(&self) -> usize {
        check(&self.root, Edges::BOTH, true).0
    }
}

fn check<E: Entry<Mark: PartialOrd>>(link: &Link<E>, edges: Edges, root: bool) -> (usize, Sum) {
    let mut sum = Sum { bytes: link.node.own_bytes(), ..Sum::default() };
    let height = match &*link.node {
        Node::Leaf(entries) => {
            assert!(entries.len() <= LEAF_MAX && (root || !entries.is_empty()));
            entries.iter().for_each(|e| sum = sum.plus(Sum::of(e)));
            0
        }
        Node::Inner(links) => {
            assert!(links.len() <= INNER_MAX && links.len() > usize::from(root), "{} links", links.len());
            let mut height = None;
            for (i, child) in links.iter().enumerate() {
                let (below, counted) = check(child, edges.of_child(i, links.len()), false);
                assert_eq!(*height.get_or_insert(below), below, "leaves lie equally deep");
                sum = sum.plus(counted);
            }
            for pair in links.windows(2) {
                let last = pair[0].get(pair[0].sum.count - 1).map(E::mark);
                assert!(
                    last <= Some(pair[1].mark.clone()) && Some(pair[1].mark.clone()) <= pair[1].first().map(E::mark)
                );
            }
            height.unwrap_or(0) + 1
        }
    };
    assert_eq!(sum, link.sum);
    assert!(root || edges.left || edges.right || !link.node.is_thin(), "a thin node inside");
    (height, sum)
}

fn check_against(tree: &Tree<Item>, model: &[Item]) {
    tree.check();
    assert_eq!((tree.len(), tree.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(tree.weight(), model.iter().map(|e| e.weight).sum::<usize>());
    assert!(tree.iter().eq(model), "{:?}\n{model:?}", tree.iter().collect::<Vec<_>>());
    assert_eq!((tree.first(), tree.last()), (model.first(), model.last()));
}

/// What is true of each place of a sorted tree.
fn check_searches(tree: &Tree<Item>, model: &[Item], id: u32) {
    let bound = model.partition_point(|e| e.id < id);
    let want = model.get(bound).filter(|e| e.id == id).map(|e| (bound, e)).ok_or(bound);
    assert_eq!(tree.lower_bound(&ById(id)), bound);
    assert_eq!(tree.find(&ById(id)), want);
    assert_eq!(tree.find(&|e: &Item| e.id.cmp(&id)), want, "without marks");
    assert_eq!(tree.get_by(&ById(id)), want.ok().map(|(_, e)| e));
    assert_eq!(tree.get(bound), model.get(bound));
    assert!(tree.iter_from(bound).take(100).eq(model[bound..].iter().take(100)));
    let mut cursor = tree.cursor(bound);
    assert!(core::iter::from_fn(|| cursor.back()).take(100).eq(model[..bound].iter().rev().take(100)));
    assert!(bound < 100 || cursor.forward() == model.get(bound - 100));
    let before: usize = model[..bound].iter().map(|e| e.weight).sum();
    assert_eq!(tree.weight_before(bound), before);
    let heavy = (bound..model.len()).find(|&i| model[i].weight > 0);
    assert_eq!(tree.at_weight(before), heavy.map(|i| (i, 0, &model[i])));
    let last = heavy.map(|i| (i, model[i].weight - 1, &model[i]));
    assert_eq!(tree.at_weight(before + last.map_or(0, |(_, inside, _)| inside)), last);
    assert_eq!(tree.at_weight(tree.weight()), None);
}

/// One step to a sorted tree and to its model.
fn step(tree: &mut Tree<Item>, model: &mut Vec<Item>, (op, id, n): (u8, u32, u16)) {
    let (id, n) = (id % 4096, usize::from(n));
    let at = model.partition_point(|e| e.id < id);
    match op % 12 {
        0..=3 => {
            for id in id..id + n as u32 % 300 {
                let at = model.partition_point(|e| e.id < id);
                tree.insert(tree.lower_bound(&ById(id)), item(id));
                model.insert(at, item(id));
            }
        }
        4 => {
            for id in (id.saturating_sub(n as u32 % 300)..id).rev() {
                let at = model.partition_point(|e| e.id < id);
                tree.insert(tree.lower_bound(&ById(id)), item(id));
                model.insert(at, item(id));
            }
        }
        5 => {
            let from = model.last().map_or(0, |e| e.id);
            for id in from..from + n as u32 % 2000 {
                tree.push(item(id));
                model.push(item(id));
            }
        }
        6..=7 => {
            for _ in 0..n % 300 {
                let want = (at < model.len()).then(|| model.remove(at));
                assert_eq!(tree.remove(at), want);
            }
        }
        8..=9 => {
            let to = at + n % 3000;
            assert_eq!(tree.remove_range(at..to), to.min(model.len()) - at);
            model.drain(at..to.min(model.len()));
        }
        10 => {
            let change = |e: &mut Item| core::mem::replace(&mut e.weight, n % 7);
            assert_eq!(tree.update(at, change), model.get_mut(at).map(change));
        }
        _ => {
            // Spread over the whole: thins it out.
            for i in (0..model.len()).rev().step_by(2 + n % 3) {
                assert_eq!(tree.remove(i), Some(model.remove(i)));
            }
        }
    }
}

quickcheck! {
    fn behaves_as_a_sorted_vector(ops: Vec<(u8, u32, u16)>) -> bool {
        let (mut tree, mut model) = (Tree::new(), Vec::new());
        let mut held: Vec<(Tree<Item>, Vec<Item>)> = Vec::new();
        for op in ops {
            step(&mut tree, &mut model, op);
            check_against(&tree, &model);
            for id in [0, op.1 % 4096, op.1 % 4096 + 1, 9999] {
                check_searches(&tree, &model, id);
            }
            match op.2 % 4 {
                0 => held.push((tree.clone(), model.clone())),
                1 => drop(held.pop()),
                _ => {}
            }
        }
        held.iter().for_each(|(tree, model)| check_against(tree, model));
        true
    }

    fn is_built_at_once_and_grows_on(n: u16, more: Vec<u32>) -> bool {
        let mut model: Vec<Item> = (0..u32::from(n) % 4096).map(item).collect();
        let mut tree: Tree<Item> = model.iter().cloned().collect();
        check_against(&tree, &model);
        for id in more.into_iter().map(|id| id % 4096) {
            model.insert(model.partition_point(|e| e.id < id), item(id));
            tree.insert(tree.lower_bound(&ById(id)), item(id));
            check_searches(&tree, &model, id);
        }
        check_against(&tree, &model);
        true
    }

    fn dismantles_to_nothing(n: u16, slice: u8, shared: bool) -> bool {
        let n = usize::from(n) % 4000;
        let mut tree: Tree<Item> = (0..n as u32).map(item).collect();
        let held = shared.then(|| tree.clone());
        if shared {
            tree.update(n / 2, |e| e.weight = 9);
        }
        let slice = usize::from(slice);
        loop {
            let before = tree.len();
            let more = tree.dismantle(slice);
            tree.check();
            assert_eq!(more, !tree.is_empty());
            assert!(before - tree.len() < slice.max(1) + LEAF_MAX || shared);
            assert!(tree.iter().map(|e| e.id).eq(0..tree.len() as u32));
            if !more {
                break;
            }
        }
        held.is_none_or(|held| held.check() < 9 && held.iter().map(|e| e.id).eq(0..n as u32))
    }
}

#[test]
fn large_trees() {
    QuickCheck::new().tests(12).quickcheck(ranges_of_a_large_tree as fn(Vec<(u16, u16)>, bool) -> bool);
}

fn ranges_of_a_large_tree(cuts: Vec<(u16, u16)>, random: bool) -> bool {
    let n = 40_000;
    let id = |i: u32| if random { i.wrapping_mul(2_654_435_761) } else { i };
    let (mut tree, mut model) = (Tree::new(), Vec::new());
    for item in (0..n).map(|i| item(id(i))) {
        tree.insert(tree.lower_bound(&ById(item.id)), item.clone());
        model.push(item);
    }
    model.sort_by_key(|e| e.id);
    for (at, len) in cuts.into_iter().take(9) {
        let (at, len) = (usize::from(at) % (model.len() + 1), usize::from(len) % 9000);
        let to = model.len().min(at + len);
        // A few after the cut go to the new seam, where marks are of entries long gone.
        let back: Vec<Item> = model.drain(at..to).take(3).collect();
        tree.remove_range(at..to);
        tree.check();
        for item in back {
            let at = tree.lower_bound(&ById(item.id));
            assert_eq!(at, model.partition_point(|e| e.id < item.id));
            tree.insert(at, item.clone());
            model.insert(at, item);
        }
        check_against(&tree, &model);
    }
    true
}

#[test]
fn what_a_range_leaves_over_joins() {
    const INNER: usize = LEAF_MAX * INNER_MAX;
    let whole: Tree<Item> = (0..40 * INNER as u32).map(item).collect();
    let edges = [0, 1, 5, LEAF_MAX, LEAF_MAX + 5, 12 * LEAF_MAX, INNER - LEAF_MAX, INNER - 5, INNER - 1];
    for (left, right) in edges.iter().flat_map(|left| edges.iter().map(move |right| (left, right))) {
        for last in [2, 3, 33] {
            let (from, to) = (2 * INNER + left, last * INNER + right);
            let mut tree = whole.clone();
            assert_eq!(tree.remove_range(from..to), to.saturating_sub(from));
            tree.check();
            assert_eq!(tree.get(from).map(|e| e.id as usize), Some(from.max(to)));
        }
    }
    whole.check();
}

#[test]
fn a_write_copies_its_own_path_only() {
    let mut tree: Tree<Item> = (0..50_000).map(item).collect();
    let held = tree.clone();
    assert_eq!(held.memory(), tree.memory());
    tree.remove(25_000);
    let (mut shared, mut own) = (0, 0);
    compare(&held.root, &tree.root, &mut shared, &mut own);
    assert_eq!(own, 1 + held.check(), "one node on each level");
    assert!(shared > 30, "{shared}");

    fn compare(a: &Link<Item>, b: &Link<Item>, shared: &mut usize, own: &mut usize) {
        if Arc::ptr_eq(&a.node, &b.node) {
            *shared += 1;
            return;
        }
        *own += 1;
        if let (Node::Inner(a), Node::Inner(b)) = (&*a.node, &*b.node) {
            a.iter().zip(b).for_each(|(a, b)| compare(a, b, shared, own));
        }
    }
}

#[test]
fn growth_at_either_end_fills_nodes_to_the_brim() {
    let built: Tree<Item> = (0..48_000).map(item).collect();
    let (mut up, mut down) = (Tree::new(), Tree::new());
    up.extend((0..48_000).map(item));
    (0..48_000).rev().for_each(|id| down.insert(0, item(id)));
    for tree in [built, up, down] {
        tree.check();
        let mut leaves = 0;
        count(&tree.root, &mut leaves);
        assert_eq!(leaves, 48_000 / LEAF_MAX);
    }

    fn count(link: &Link<Item>, leaves: &mut usize) {
        match &*link.node {
            Node::Leaf(_) => *leaves += 1,
            Node::Inner(links) => links.iter().for_each(|link| count(link, leaves)),
        }
    }
}

#[test]
fn memory_is_what_nodes_and_entries_take() {
    let mut tree = Tree::new();
    let empty = tree.memory();
    (0..10_000).for_each(|id| tree.insert(tree.lower_bound(&ById(id * 7 % 4096)), item(id * 7 % 4096)));
    let entries = 10_000 * size_of::<Item>() + tree.weight() * 3;
    let slack = tree.memory() as f64 / entries as f64;
    assert!((1.0..1.9).contains(&slack), "{slack}");
    while tree.remove(tree.len() / 2).is_some() {}
    tree.check();
    assert!(tree.memory() <= empty + 2 * LEAF_MAX * size_of::<Item>(), "{}", tree.memory());
}

#[test]
fn a_wrong_index_changes_nothing() {
    let mut tree: Tree<Item> = (0..100).map(item).collect();
    assert_eq!((tree.remove(100), tree.update(100, |_| ()), tree.get(100)), (None, None, None));
    assert_eq!(tree.remove_range(100..200) + tree.remove_range(50..50), 0);
    tree.insert(9999, item(100));
    assert!(tree.iter().map(|e| e.id).eq(0..101));
    assert_eq!(tree.remove_range(0..usize::MAX), 101);
    assert_eq!((tree.check(), tree.dismantle(1), tree.at_weight(0)), (0, false, None));
}
