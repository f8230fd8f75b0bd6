//! Deliberate faults, for tests alone: an invariant that nobody saw fire proves nothing.
//!
//! A test switches one on for its thread. In every other build [`on`] is the constant `false` and nothing is left of it.

/// One way in which a node or a sentinel is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) enum Mutation {
    /// A replica leaves out a command of the stream, and counts its bytes.
    SkipsCommand,
    /// A replica changes a byte of the stream on its way into its log.
    AltersByte,
    /// A master that restarts from its file goes on under the id that it had.
    KeepsId,
    /// The second id is valid for ever. (One byte too far shows nothing: offsets move by whole commands.)
    SecondIdEndless,
    /// `WAIT` counts one replica more than there are.
    WaitCountsOneMore,
    /// The log is never trimmed.
    NeverTrims,
    /// A replica acknowledges what it has read, applied or not.
    AcknowledgesRead,
    /// A replica that was let go never connects again.
    NeverReconnects,
    /// GET answers with the value of another key.
    ReadsOtherKey,
    /// A master takes writes while it hands over.
    WritesWhileHandingOver,
    /// A sentinel gives its vote to whoever asks last in an epoch.
    VotesAgain,
    /// A sentinel leads a failover with its own vote alone.
    LeadsAlone,
    /// A sentinel that gave its vote away tries beside it.
    TriesBesideVote,
    /// A sentinel that restarts has the configurations of its first start.
    ForgetsConfigurations,
    /// A sentinel has less patience than it was told.
    Impatient,
    /// Nobody tells an old master to follow.
    LeavesOldMaster,
    /// Of the replicas that can be promoted the worst one is.
    PromotesWorst,
}

#[cfg(test)]
std::thread_local! {
    static ACTIVE: core::cell::Cell<Option<Mutation>> = const { core::cell::Cell::new(None) };
}

/// Whether the code is to be wrong in this way.
#[cfg(not(test))]
#[inline(always)]
#[allow(clippy::inline_always, reason = "outside of tests nothing of it may be left, in debug builds too")]
pub(crate) const fn on(_: Mutation) -> bool {
    false
}

/// Whether the code is to be wrong in this way.
#[cfg(test)]
pub(crate) fn on(mutation: Mutation) -> bool {
    ACTIVE.get() == Some(mutation)
}

/// Does `what` with the code wrong in this way, on this thread.
#[cfg(test)]
pub(crate) fn with<T>(mutation: Mutation, what: impl FnOnce() -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            ACTIVE.set(None);
        }
    }
    let _reset = Reset;
    ACTIVE.set(Some(mutation));
    what()
}
