//! The links that may have something to receive, so that the others need not be polled.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::proto::LinkId;

/// The links that are to be polled, each at most once, in the order of their turns.
///
/// A link that is not in the list has left a waker with its socket, which puts it there.
#[derive(Debug)]
pub(super) struct ReadyList {
    list: Arc<List>,
    /// The waker of each link.
    wakers: Vec<Waker>,
}

#[derive(Debug, Default)]
struct List(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    queue: VecDeque<LinkId>,
    is_queued: Vec<bool>,
    /// The task that waits for the list to have an entry.
    waiting: Option<Waker>,
}

/// Puts one link into the list.
#[derive(Debug)]
struct LinkWaker {
    link: LinkId,
    list: Arc<List>,
}

impl ReadyList {
    /// Creates an empty list for so many links.
    pub(super) fn new(links: usize) -> Self {
        let list = Arc::new(List::default());
        list.turns().is_queued = vec![false; links];
        let waker = |link| LinkWaker { link: LinkId(link), list: Arc::clone(&list) };
        let wakers = (0..links).map(|link| Waker::from(Arc::new(waker(link)))).collect();
        Self { list, wakers }
    }

    /// Adds a link: its socket is new. The waiting task has to poll again.
    pub(super) fn add(&self, link: LinkId) {
        self.list.turns().add(link);
    }

    /// Returns the links in the list.
    pub(super) fn pending(&self) -> Vec<LinkId> {
        self.list.turns().queue.iter().copied().collect()
    }

    /// Waits for a link that is ready, and returns it.
    ///
    /// `is_ready` polls one link, and leaves the waker it is given with a socket that is not
    /// ready. A link that is ready goes to the end of the list: a flood on one does not delay the
    /// others.
    pub(super) fn poll_next(
        &self,
        cx: &mut Context<'_>,
        is_ready: impl Fn(LinkId, &mut Context<'_>) -> bool,
    ) -> Poll<LinkId> {
        let turns = self.list.wait(cx.waker());
        // No more than that: a link may be put into the list again while it is looked at.
        for _ in 0..turns {
            let Some(link) = self.list.next() else { break };
            if is_ready(link, &mut Context::from_waker(&self.wakers[link.0])) {
                // Nobody waits now, and there is nobody to wake.
                self.add(link);
                return Poll::Ready(link);
            }
        }
        Poll::Pending
    }
}

impl List {
    /// Adds a link, and wakes the task that waits.
    fn wake(&self, link: LinkId) {
        let mut turns = self.turns();
        turns.add(link);
        let waiting = turns.waiting.take();
        drop(turns);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn next(&self) -> Option<LinkId> {
        let mut turns = self.turns();
        let link = turns.queue.pop_front()?;
        turns.is_queued[link.0] = false;
        Some(link)
    }

    /// Keeps the waker of the task that waits, and returns how many links there are to poll.
    fn wait(&self, waker: &Waker) -> usize {
        let mut turns = self.turns();
        turns.waiting = Some(waker.clone());
        turns.queue.len()
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn add(&mut self, link: LinkId) {
        if !std::mem::replace(&mut self.is_queued[link.0], true) {
            self.queue.push_back(link);
        }
    }
}

impl Wake for LinkWaker {
    fn wake(self: Arc<Self>) {
        self.list.wake(self.link);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.list.wake(self.link);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn only_links_that_were_woken_are_looked_at() {
        let (list, sockets) = (ReadyList::new(1000), Sockets::default());
        (0..1000).for_each(|link| list.add(LinkId(link)));
        assert_eq!(sockets.next(&list), None);
        sockets.looks.set(0);

        sockets.receive(LinkId(700), 1);

        assert_eq!(sockets.next(&list), Some(LinkId(700)));
        assert_eq!((sockets.next(&list), sockets.looks.get()), (None, 2));
    }

    #[test]
    fn a_flood_on_one_link_leaves_the_others_their_turns() {
        let (list, sockets) = (ReadyList::new(3), Sockets::default());
        (0..3).for_each(|link| list.add(LinkId(link)));
        assert_eq!(sockets.next(&list), None);

        sockets.receive(LinkId(1), 1_000_000);
        sockets.receive(LinkId(0), 2);
        sockets.receive(LinkId(2), 1);

        let turns: Vec<_> = (0..7).filter_map(|_| sockets.next(&list)).collect();
        assert_eq!(turns, [1, 0, 2, 1, 0, 1, 1].map(LinkId));
    }

    #[test]
    fn the_task_that_waits_is_woken_once_by_however_many_links() {
        let (list, sockets) = (ReadyList::new(2), Sockets::default());
        (0..2).for_each(|link| list.add(LinkId(link)));
        assert_eq!(sockets.next(&list), None);

        sockets.receive(LinkId(1), 1);
        sockets.receive(LinkId(0), 1);

        assert_eq!(sockets.task.0.load(Relaxed), 1);
        assert_eq!(list.pending(), [LinkId(1), LinkId(0)]);
    }

    #[test]
    fn a_link_that_is_ready_does_not_wake_the_task_that_reads_it() {
        let (list, sockets) = (ReadyList::new(1), Sockets::default());
        list.add(LinkId(0));
        assert_eq!(sockets.next(&list), None);
        sockets.receive(LinkId(0), 2);

        assert_eq!([(); 3].map(|()| sockets.next(&list)), [Some(LinkId(0)), Some(LinkId(0)), None]);

        assert_eq!(sockets.task.0.load(Relaxed), 1);
    }

    /// As a socket does that has no time at present: it wants to be looked at again at once.
    #[test]
    fn a_link_that_wakes_itself_is_looked_at_once() {
        let list = ReadyList::new(1);
        list.add(LinkId(0));
        let looks = Cell::new(0);

        let poll = list.poll_next(&mut Context::from_waker(Waker::noop()), |_, cx| {
            looks.set(looks.get() + 1);
            cx.waker().wake_by_ref();
            false
        });

        assert_eq!((poll, looks.get()), (Poll::Pending, 1));
        assert_eq!(list.pending(), [LinkId(0)]);
    }

    /// What waits in the socket of each link, and the wakers that were left there.
    #[derive(Default)]
    struct Sockets {
        datagrams: RefCell<BTreeMap<LinkId, u32>>,
        wakers: RefCell<BTreeMap<LinkId, Waker>>,
        looks: Cell<u32>,
        task: Arc<Task>,
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Task(AtomicU32);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    impl Sockets {
        fn receive(&self, link: LinkId, datagrams: u32) {
            self.datagrams.borrow_mut().insert(link, datagrams);
            self.wakers.borrow_mut().remove(&link).expect("it was looked at").wake();
        }

        /// Returns the next link that is ready, and reads one of its datagrams.
        fn next(&self, list: &ReadyList) -> Option<LinkId> {
            let task = Waker::from(Arc::clone(&self.task));
            let poll = list.poll_next(&mut Context::from_waker(&task), |link, cx| {
                self.looks.set(self.looks.get() + 1);
                let mut datagrams = self.datagrams.borrow_mut();
                let waiting = datagrams.get_mut(&link).filter(|waiting| **waiting > 0);
                if waiting.is_none() {
                    self.wakers.borrow_mut().insert(link, cx.waker().clone());
                }
                waiting.map(|waiting| *waiting -= 1).is_some()
            });
            match poll {
                Poll::Ready(link) => Some(link),
                Poll::Pending => None,
            }
        }
    }
}
