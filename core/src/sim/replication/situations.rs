//! What occurred, by name: a campaign in which one of these never happened proved nothing there.

use crate::machine::Action;
use crate::node::What;
use crate::replication::follower::{self, LinkError};
use crate::replication::source::{self, Dropped, Limit, Refusal};

use super::actor::Event;
use super::track::Track;
use crate::sim::campaign::situations;

situations! {
    FullAsked = "a replica without a history asked for a full resync",
    RefusedId = "partial resync refused: another replication id",
    RefusedSecondId = "partial resync refused: beyond the second id's end",
    RefusedBacklog = "partial resync refused: the backlog does not reach so far",
    PartialFirst = "partial resync under the same id",
    PartialSecond = "partial resync under the second id",
    SocketTransfer = "a snapshot went over the sockets",
    FileTransfer = "a snapshot went through a file",
    OverTwo = "a replica was told to take a snapshot by a connection of its own",
    LostOfTwo = "a resync over two connections lost one of them",
    SnapshotJoined = "a replica joined a snapshot under way",
    LoadedFromSocket = "a snapshot was loaded straight from the socket",
    LoadedBeside = "a snapshot was loaded beside the old dataset",
    LoadedFromFile = "a snapshot was loaded from a file",
    TransferBroken = "a full resync was interrupted",
    SnapshotFault = "a snapshot could not be used",
    PromotedInTransfer = "a promotion in the middle of a full resync",
    DemotedWithReplicas = "a master with replicas was demoted",
    DroppedHard = "a replica was dropped at the hard output limit",
    DroppedSoft = "a replica was dropped at the soft output limit",
    DroppedNewId = "replicas were let go to learn a new id",
    DroppedNewData = "replicas were let go since the data were replaced",
    ReplicaTimedOut = "a master dropped a silent replica",
    MasterTimedOut = "a replica gave up a silent master",
    TransferTimedOut = "a replica gave up a full resync that stood still",
    ConnectTimedOut = "a replica gave up to connect",
    NoMasterLink = "a chained replica was put off: its master has no link",
    IdShifted = "a history went on under a new id",
    BacklogFreed = "a master without replicas freed its history",
    Saved = "a snapshot reached the disk",
    SaveFailed = "a snapshot failed at the disk",
    SaveAbandoned = "a snapshot was given up since the data were replaced",
    CrashInSave = "a crash while a snapshot was written",
    CrashInLoad = "a crash while a dataset was loaded",
    TornFile = "a power cut took bytes of a file",
    RestoredMaster = "a master restarted from its file",
    RestoredReplica = "a replica restarted from its file",
    ResumedFromFile = "a replica went on from its file by a partial resync",
    WaitKept = "WAIT was kept",
    WaitTimedOut = "WAIT timed out",
    WaitUnblocked = "WAIT was ended by a change of role",
    StaleRead = "a read showed an older state",
    RefusedReadOnly = "a write was refused by a replica",
    RefusedLoading = "a command was refused while loading",
    RefusedMasterDown = "a read was refused while the link was down",
    RefusedNoReplicas = "a write was refused for want of good replicas",
    RefusedMisconf = "a write was refused since saving failed",
    AcknowledgedLost = "an acknowledged write was lost by a promotion or a restart",
}

impl Situations {
    /// An error that a client got.
    pub fn refusal(&mut self, text: &[u8]) {
        let word = text.split(|b| *b == b' ').next().unwrap_or_default();
        self.count(match word {
            b"READONLY" => Situation::RefusedReadOnly,
            b"LOADING" => Situation::RefusedLoading,
            b"MASTERDOWN" => Situation::RefusedMasterDown,
            b"NOREPLICAS" => Situation::RefusedNoReplicas,
            b"MISCONF" => Situation::RefusedMisconf,
            b"UNBLOCKED" => Situation::WaitUnblocked,
            _ => return,
        });
    }

    /// What a node told in a step, before which it was as `track` says; it has `replicas` now.
    pub fn node(&mut self, actions: &[Action<Event>], track: &mut Track, replicas: usize) {
        let second = self.of(Situation::PartialSecond);
        let mut continued = false;
        for action in actions {
            let Action::Event(Event::Node(event)) = action else { continue };
            self.event(&event.what, track, replicas);
            if let What::Replication(crate::replication::Event::Follower(event)) = &event.what {
                continued |= *event == follower::Event::Continued;
                match event {
                    follower::Event::FullResync { .. } => track.restored = false,
                    follower::Event::Continued if core::mem::take(&mut track.restored) => {
                        self.count(Situation::ResumedFromFile);
                    }
                    _ => {}
                }
            }
        }
        if continued && self.of(Situation::PartialSecond) == second {
            self.count(Situation::PartialFirst);
        }
    }

    fn event(&mut self, what: &What, track: &mut Track, replicas: usize) {
        use crate::replication::Event::{Follower, Source};
        let situation = match what {
            What::Replication(Source(event)) => self.source(event),
            What::Replication(Follower(event)) => Self::follower(event, track),
            What::LoadingSnapshot { how } => Some(match *how {
                "straight from the socket" => Situation::LoadedFromSocket,
                "from a file" => Situation::LoadedFromFile,
                _ => Situation::LoadedBeside,
            }),
            What::SnapshotFault { .. } => Some(Situation::SnapshotFault),
            What::MasterMode { .. } if track.syncing => Some(Situation::PromotedInTransfer),
            What::ReplicaOf { .. } if track.last.is_some_and(|l| l.master) && replicas > 0 => {
                Some(Situation::DemotedWithReplicas)
            }
            What::Loaded { .. } if track.last.is_some_and(|l| l.master) => Some(Situation::RestoredMaster),
            What::Loaded { .. } => {
                track.restored = true;
                Some(Situation::RestoredReplica)
            }
            What::Saved => Some(Situation::Saved),
            What::SaveFailed { .. } => Some(Situation::SaveFailed),
            What::SaveAbandoned { .. } => Some(Situation::SaveAbandoned),
            _ => None,
        };
        if let Some(situation) = situation {
            self.count(situation);
        }
    }

    fn source(&mut self, event: &source::Event) -> Option<Situation> {
        use source::Event as E;
        Some(match event {
            E::FullRequested(_) => Situation::FullAsked,
            E::PartialRefused { why: Refusal::OtherId { .. }, .. } => Situation::RefusedId,
            E::PartialRefused { why: Refusal::BeyondSecondId { .. }, .. } => Situation::RefusedSecondId,
            E::PartialRefused { why: Refusal::NotHeld { .. }, .. } => Situation::RefusedBacklog,
            E::TransferStarted { .. } => Situation::SocketTransfer,
            E::FileStarted => Situation::FileTransfer,
            E::OverTwo(_) => Situation::OverTwo,
            E::Dropped {
                why: Dropped::ChannelLost | Dropped::MainLost | Dropped::NoMain | Dropped::NoChannel, ..
            } => Situation::LostOfTwo,
            E::SnapshotJoined => Situation::SnapshotJoined,
            E::TimedOut { .. } => Situation::ReplicaTimedOut,
            E::OutputLimit { limit: Limit::Hard, .. } => Situation::DroppedHard,
            E::OutputLimit { limit: Limit::Soft, .. } => Situation::DroppedSoft,
            E::Dropped { why: Dropped::NewId, .. } => Situation::DroppedNewId,
            E::Dropped { why: Dropped::NewData, .. } => Situation::DroppedNewData,
            E::IdShifted { .. } => Situation::IdShifted,
            E::BacklogFreed { .. } => Situation::BacklogFreed,
            _ => return None,
        })
    }

    fn follower(event: &follower::Event, track: &Track) -> Option<Situation> {
        use follower::Event as E;
        Some(match event {
            E::IdChanged(_) => Situation::PartialSecond,
            E::Lost(LinkError::StreamTimeout) => Situation::MasterTimedOut,
            E::Lost(LinkError::TransferTimeout) => Situation::TransferTimedOut,
            E::Lost(LinkError::ConnectTimeout) => Situation::ConnectTimedOut,
            E::Lost(LinkError::NotNow(_)) => Situation::NoMasterLink,
            E::Lost(LinkError::Transfer(_)) => Situation::TransferBroken,
            E::Lost(_) if track.syncing => Situation::TransferBroken,
            _ => return None,
        })
    }
}
