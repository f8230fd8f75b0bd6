//! The types of settings that are more than a number, a truth or a text.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use crate::tls::{AuthClients, CertificateUser};

/// A setting of one word, by the canonical spelling that [`Kind::check`](super::Kind::check) gives.
pub(super) trait Field {
    fn show(&self) -> String;
    /// False when the word has no place in the type.
    fn take(&mut self, canonical: &str) -> bool;
}

macro_rules! numbers {
    ($($t:ty),*) => {$(
        impl Field for $t {
            fn show(&self) -> String {
                self.to_string()
            }
            fn take(&mut self, canonical: &str) -> bool {
                canonical.parse().map(|n| *self = n).is_ok()
            }
        }
    )*};
}
numbers!(u16, u32, u64, i32, i64);

impl Field for bool {
    fn show(&self) -> String {
        (if *self { "yes" } else { "no" }).into()
    }
    fn take(&mut self, canonical: &str) -> bool {
        *self = canonical == "yes";
        true
    }
}

impl CertificateUser {
    pub(super) const WORDS: &'static [&'static str] = &["CN", "URI", "off"];
}

impl Field for CertificateUser {
    fn show(&self) -> String {
        (match self {
            Self::Off => "off",
            Self::CommonName => "CN",
            Self::Uri => "URI",
        })
        .into()
    }
    fn take(&mut self, canonical: &str) -> bool {
        *self = match canonical {
            "off" => Self::Off,
            "CN" => Self::CommonName,
            "URI" => Self::Uri,
            _ => return false,
        };
        true
    }
}

impl AuthClients {
    pub(super) const WORDS: &'static [&'static str] = &["no", "yes", "optional"];
}

impl Field for AuthClients {
    fn show(&self) -> String {
        (match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Optional => "optional",
        })
        .into()
    }
    fn take(&mut self, canonical: &str) -> bool {
        *self = match canonical {
            "no" => Self::No,
            "yes" => Self::Yes,
            "optional" => Self::Optional,
            _ => return false,
        };
        true
    }
}

impl Field for String {
    fn show(&self) -> String {
        self.clone()
    }
    fn take(&mut self, canonical: &str) -> bool {
        *self = canonical.into();
        true
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[$word_doc])* $word),*
        }
        impl $name {
            /// Its words in the order that Redis lists them.
            pub const WORDS: &'static [&'static str] = &[$($text),*];
            /// Its word in a configuration.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$word => $text),*
                }
            }
            /// What `word` means, in whatever case.
            pub fn named(word: &str) -> Option<Self> {
                $(if word.eq_ignore_ascii_case($text) {
                    return Some(Self::$word);
                })*
                None
            }
        }
        impl Field for $name {
            fn show(&self) -> String {
                self.word().into()
            }
            fn take(&mut self, canonical: &str) -> bool {
                *self = match canonical {
                    $($text => Self::$word,)*
                    _ => return false,
                };
                true
            }
        }
    };
}

words! {
    /// `loglevel`: the least severe lines that are logged.
    LogLevel {
        /// All.
        Debug = "debug",
        /// Much.
        Verbose = "verbose",
        /// What an operator wants to know.
        Notice = "notice",
        /// What an operator has to know.
        Warning = "warning",
        /// Nothing (Redis 8).
        Nothing = "nothing",
    }
}
words! {
    /// `log-format`: how a line of the log looks.
    LogFormat {
        /// As Redis writes it.
        Redis = "redis",
        /// The same, in the word of Valkey.
        Legacy = "legacy",
        /// One JSON object.
        Json = "json",
    }
}
words! {
    /// `acl-pubsub-default`: which channels a new user may use.
    PubSubDefault {
        /// Every one.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }
}

/// A `user` line: a name and rules.
#[derive(Clone, Debug, Default)]
pub struct UserLine {
    /// The name, then the rules; never empty.
    pub words: Vec<String>,
    /// The file and the line that it came from, for errors; empty for none.
    pub at: String,
}

impl PartialEq for UserLine {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

words! {
    /// `maxmemory-policy`: what gives way when `maxmemory` is reached.
    EvictionPolicy {
        /// Keys with an expiry time, the least recently used first.
        VolatileLru = "volatile-lru",
        /// Keys with an expiry time, the least frequently used first.
        VolatileLfu = "volatile-lfu",
        /// Any key with an expiry time.
        VolatileRandom = "volatile-random",
        /// Keys with an expiry time, the nearest first.
        VolatileTtl = "volatile-ttl",
        /// The least recently used key.
        AllkeysLru = "allkeys-lru",
        /// The least frequently used key.
        AllkeysLfu = "allkeys-lfu",
        /// Any key.
        AllkeysRandom = "allkeys-random",
        /// Nothing: writes are refused.
        NoEviction = "noeviction",
    }
}
words! {
    /// `repl-diskless-load`: whether a replica parses a snapshot as it comes in.
    DisklessLoad {
        /// It is stored in a file first.
        Disabled = "disabled",
        /// Only when the replica is empty.
        OnEmptyDb = "on-empty-db",
        /// Always, beside the old dataset, which is kept until the new one is whole.
        SwapDb = "swapdb",
        /// Always, after the old dataset is dropped, as Valkey calls it.
        FlushBeforeLoad = "flush-before-load",
        /// The same, as Redis 8 calls it.
        FlushDb = "flushdb",
    }
}

impl DisklessLoad {
    /// Whether the old dataset goes before the new one comes.
    pub fn flushes(self) -> bool {
        matches!(self, Self::FlushBeforeLoad | Self::FlushDb)
    }
}

words! {
    /// `rdb-version`: the format version of snapshots, unless the data need a higher one.
    RdbVersion {
        /// The lowest that will do, or the highest that all replicas which take it are known to read.
        Auto = "auto",
        /// Redis 5.0 and later read it, and every Valkey.
        V9 = "9",
        /// Redis 7.0 and later read it, and every Valkey.
        V10 = "10",
        /// Redis 7.2 and later read it, and every Valkey.
        V11 = "11",
        /// Redis 7.4 and later read it.
        V12 = "12",
    }
}

impl RdbVersion {
    /// The version, if one is fixed.
    pub fn number(self) -> Option<u16> {
        match self {
            Self::Auto => None,
            Self::V9 => Some(9),
            Self::V10 => Some(10),
            Self::V11 => Some(11),
            Self::V12 => Some(12),
        }
    }
}

words! {
    /// Who may use a dangerous command (`enable-debug-command`) or change a protected directive.
    Guard {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections from this machine.
        Local = "local",
    }
}
words! {
    /// `propagation-error-behavior`: what a replica does when its master's stream cannot be applied.
    PropagationError {
        /// Redis's default. A Primacy replica stops the link loudly all the same; it never skips.
        Ignore = "ignore",
        /// The process ends.
        Panic = "panic",
        /// The process ends if it is a replica.
        PanicOnReplicas = "panic-on-replicas",
    }
}

/// One address of `bind`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindAddress {
    /// An IP address, a host name, or `*` for all addresses of IPv4 (`::*` of IPv6).
    pub address: String,
    /// Written with a `-` before it: it is no error if the machine does not have it.
    pub optional: bool,
}

impl BindAddress {
    /// The address that `word` spells.
    pub fn new(word: &str) -> Self {
        match word.strip_prefix('-') {
            Some(address) => Self { address: address.into(), optional: true },
            None => Self { address: word.into(), optional: false },
        }
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.optional { "-" } else { "" }, self.address)
    }
}

/// One rule of `save`: a snapshot is taken after `seconds` if there were `changes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SaveRule {
    /// Seconds since the last snapshot, 1 or more.
    pub seconds: u64,
    /// Changes since the last snapshot, at least.
    pub changes: u64,
}

impl fmt::Display for SaveRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seconds, self.changes)
    }
}

/// The master of `replicaof`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterAddress {
    /// A name or an IP address, or the absolute path of a Unix socket.
    pub host: String,
    /// Its TCP port; 0 for a Unix socket.
    pub port: u16,
}

impl fmt::Display for MasterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.host, self.port)
    }
}

/// How much may wait to be sent to a client. 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputLimit {
    /// Bytes above which the connection is closed at once.
    pub hard: u64,
    /// Bytes above which it is closed when that lasts.
    pub soft: u64,
    /// Seconds that it may last.
    pub soft_seconds: u64,
}

impl fmt::Display for OutputLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.hard, self.soft, self.soft_seconds)
    }
}

/// `client-output-buffer-limit` by class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputLimits {
    /// Clients that are neither of the others.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Clients with a subscription.
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self {
            normal: OutputLimit { hard: 0, soft: 0, soft_seconds: 0 },
            replica: OutputLimit { hard: 256 << 20, soft: 64 << 20, soft_seconds: 60 },
            pubsub: OutputLimit { hard: 32 << 20, soft: 8 << 20, soft_seconds: 60 },
        }
    }
}

/// `notify-keyspace-events`: a set of event classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Notify(pub u32);

impl Notify {
    /// `K`: messages in `__keyspace@<db>__:` channels.
    pub const KEYSPACE: Self = Self(1);
    /// `E`: messages in `__keyevent@<db>__:` channels.
    pub const KEYEVENT: Self = Self(1 << 1);
    /// `g`: commands of no type (DEL, EXPIRE).
    pub const GENERIC: Self = Self(1 << 2);
    /// `$`.
    pub const STRING: Self = Self(1 << 3);
    /// `l`.
    pub const LIST: Self = Self(1 << 4);
    /// `s`.
    pub const SET: Self = Self(1 << 5);
    /// `h`.
    pub const HASH: Self = Self(1 << 6);
    /// `z`.
    pub const ZSET: Self = Self(1 << 7);
    /// `x`: a key expired.
    pub const EXPIRED: Self = Self(1 << 8);
    /// `e`: a key gave way to `maxmemory`.
    pub const EVICTED: Self = Self(1 << 9);
    /// `t`.
    pub const STREAM: Self = Self(1 << 10);
    /// `m`: a key that was asked for is not there.
    pub const KEY_MISS: Self = Self(1 << 11);
    /// `d`: types of modules.
    pub const MODULE: Self = Self(1 << 13);
    /// `n`: a key was made.
    pub const NEW: Self = Self(1 << 14);

    /// All that `A` stands for, in the order that Redis prints them.
    const TYPES: [(char, Self); 10] = [
        ('g', Self::GENERIC),
        ('$', Self::STRING),
        ('l', Self::LIST),
        ('s', Self::SET),
        ('h', Self::HASH),
        ('z', Self::ZSET),
        ('x', Self::EXPIRED),
        ('e', Self::EVICTED),
        ('t', Self::STREAM),
        ('d', Self::MODULE),
    ];
    const OTHERS: [(char, Self); 4] =
        [('n', Self::NEW), ('K', Self::KEYSPACE), ('E', Self::KEYEVENT), ('m', Self::KEY_MISS)];

    /// The classes that `text` names, if it names nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        text.chars().try_fold(Self::default(), |all, c| {
            if c == 'A' {
                return Some(Self::TYPES.iter().fold(all, |all, (_, class)| Self(all.0 | class.0)));
            }
            let (_, class) = Self::TYPES.iter().chain(&Self::OTHERS).find(|(name, _)| *name == c)?;
            Some(Self(all.0 | class.0))
        })
    }

    /// Whether `class` is in the set.
    pub fn has(self, class: Self) -> bool {
        self.0 & class.0 == class.0
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = |list: &[(char, Self)]| -> String {
            list.iter().filter(|(_, class)| self.has(*class)).map(|(name, _)| *name).collect()
        };
        let (types, [new, others @ ..]) = (chosen(&Self::TYPES), &Self::OTHERS);
        if types.len() < Self::TYPES.len() {
            return write!(f, "{types}{}", chosen(&Self::OTHERS));
        }
        // Redis shows no `n` beside an `A`, so that its own CONFIG REWRITE loses it.
        write!(f, "A{}{}", chosen(others), chosen(&[*new]))
    }
}

/// Elements with a space between them.
pub(super) fn spaced<T: ToString>(list: &[T]) -> String {
    list.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}
