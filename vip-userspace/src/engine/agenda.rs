//! What is due next, of many: each has one deadline at most, and neither changing
//! one nor finding the first depends on how many there are but by its logarithm.

use vip_common::time::MonoTime;

/// Deadlines of things that are known by number, in the order in which they end.
///
/// A binary heap that knows where each number stands in it. Grows only with
/// [`Agenda::make_room`].
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: Vec<(MonoTime, usize)>,
    /// Where each number stands in the heap, if it has a deadline.
    place: Vec<Option<usize>>,
}

impl Agenda {
    /// Numbers below `count` may be used from now on. Allocates.
    pub(super) fn make_room(&mut self, count: usize) {
        if self.place.len() < count {
            self.place.resize(count, None);
            self.heap.reserve(count - self.heap.len());
        }
    }

    /// The deadline of one, or that it has none.
    pub(super) fn set(&mut self, number: usize, due: Option<MonoTime>) {
        match (self.place.get(number).copied(), due) {
            (None, _) | (Some(None), None) => {}
            (Some(None), Some(due)) => {
                self.heap.push((due, number));
                self.settle(self.heap.len() - 1);
            }
            (Some(Some(at)), Some(due)) => {
                if self.heap[at].0 != due {
                    self.heap[at].0 = due;
                    self.settle(at);
                }
            }
            (Some(Some(at)), None) => {
                self.place[number] = None;
                self.heap.swap_remove(at);
                if at < self.heap.len() {
                    self.settle(at);
                }
            }
        }
    }

    /// The next deadline, and whose it is.
    pub(super) fn first(&self) -> Option<(MonoTime, usize)> {
        self.heap.first().copied()
    }

    /// Takes one whose deadline has come; it has none then.
    pub(super) fn take_due(&mut self, now: MonoTime) -> Option<usize> {
        let (due, number) = self.first()?;
        if due > now {
            return None;
        }
        self.set(number, None);
        Some(number)
    }

    /// Moves what stands at a place to where it belongs.
    fn settle(&mut self, mut at: usize) {
        while at > 0 && self.heap[at] < self.heap[(at - 1) / 2] {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
        loop {
            let mut least = at;
            for below in [2 * at + 1, 2 * at + 2] {
                if below < self.heap.len() && self.heap[below] < self.heap[least] {
                    least = below;
                }
            }
            if least == at {
                break;
            }
            self.swap(at, least);
            at = least;
        }
        let (_, number) = self.heap[at];
        self.place[number] = Some(at);
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        for at in [one, other] {
            let (_, number) = self.heap[at];
            self.place[number] = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(nanos: u64) -> MonoTime {
        MonoTime::from_nanos(nanos)
    }

    proptest! {
        /// The same as a table that is searched from end to end.
        #[test]
        fn the_first_is_the_first(
            steps in prop::collection::vec((0..40_usize, prop::option::of(0..60_u64)), 1..400),
        ) {
            let mut agenda = Agenda::default();
            agenda.make_room(40);
            let mut table = BTreeMap::new();
            for (number, due) in steps {
                agenda.set(number, due.map(at));
                match due {
                    Some(due) => table.insert(number, at(due)),
                    None => table.remove(&number),
                };
                let first = table.iter().map(|(number, due)| (*due, *number)).min();
                prop_assert_eq!(agenda.first(), first);
            }
            let mut taken = Vec::new();
            while let Some(number) = agenda.take_due(at(30)) {
                taken.push((table.remove(&number).unwrap(), number));
            }
            prop_assert!(taken.is_sorted(), "{:?}", taken);
            prop_assert!(taken.iter().all(|(due, _)| *due <= at(30)));
            prop_assert!(table.values().all(|due| *due > at(30)));
        }
    }

    #[test]
    fn a_number_without_room_has_no_deadline() {
        let mut agenda = Agenda::default();
        agenda.set(0, Some(at(1)));
        assert_eq!(agenda.first(), None);
        agenda.make_room(1);
        agenda.set(0, Some(at(1)));
        agenda.set(1, Some(at(0)));
        assert_eq!(agenda.first(), Some((at(1), 0)));
    }
}
