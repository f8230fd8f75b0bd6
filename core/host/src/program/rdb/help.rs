//! What `primacy rdb` says of itself; PROGRAM stands for the program's name.

pub(super) const HELP: &str = "\
Look into a dump of Redis (1.2 to 8.10), Valkey (7.2 to 9.2) or Primacy: verify it, sum it up, print it as JSON, or turn
it into commands. Memory does not grow with the dump, nor with its values.

Usage:
  PROGRAM rdb FILE|- [--format summary|jsonl|resp] [--db N] [--match GLOB] [--type TYPE]
  PROGRAM rdb FILE|- --check

  FILE              a dump such as dump.rdb; `-` reads it from standard input
  --format summary  keys and bytes by database and type, the biggest keys, expiries, encodings (the default)
  --format jsonl    one JSON object a line for each key, in the order of the file
  --format resp     the commands that rebuild the data in an empty server, for `redis-cli --pipe`
  --db N            only keys of this database
  --match GLOB      only keys that match, as in KEYS; may be given more than once, and one has to match
  --type TYPE       only keys of this type: string, list, set, zset, hash, stream, array, module; more than once, too
  --check           verify only: checksum, every compressed string, every blob. Prints one line

Examples:
  PROGRAM rdb dump.rdb
  PROGRAM rdb dump.rdb --check
  PROGRAM rdb dump.rdb --format jsonl --match 'user:*' --type hash | jq -r .key
  PROGRAM rdb dump.rdb --format resp | redis-cli --pipe
  ssh host cat /var/lib/redis/dump.rdb | PROGRAM rdb - --format summary

jsonl: {\"db\":0,\"key\":S,\"type\":TYPE,\"expire_at_ms\":N|null,\"value\":V}. S, a string, is a JSON string if it is valid UTF-8 of
at most 1 MB, else {\"b64\":\"base64\"}. V of a string is S, of a list and a set [S,...], of a sorted set
[[S,\"score\",\"16 hex digits\"],...] (the digits are the IEEE-754 double), of a hash [[S field,S value,expiry in ms|null],...], of
a stream an object with its entries, groups, consumers and pending entries, of an array and a module's value an object.
Members of sets are sorted by their bytes, fields of hashes too, sorted sets by score and member, if all elements of the
value fit into 8 MB; those of a bigger value come in the order of the file. A stream's group with more than 200,000
pending entries names no owners in \"pel\"; its consumers have \"owns\" instead.

resp: functions and scripts are loaded too, unless only some keys are asked for. Idle times and access frequencies are
left out. What no command can express (values of modules, ids of idempotent producers, released entries, pending entries
that were deleted from their stream) is named on standard error, and the exit code is 1. In a stream of more than 65,536
entries, pending ones that were deleted behind those go unnoticed.

The exit code is 0 if the dump is sound, 1 if it is defective (the message names the offset, the record and the key; what
stood before is printed), 2 for wrong arguments or a dump that cannot be read. Values that nobody asked for are not looked
into, but the checksum counts them. Expired keys are shown as others are; what follows the end of the dump is left alone.
";
