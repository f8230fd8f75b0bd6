use super::*;

#[test]
fn replicas_are_known_by_their_commands() {
    for yes in ["*3\r\n$8\r\nREPLCONF\r\n$3\r\nack\r\n$1\r\n0\r\n", "*3\r\n$5\r\npsync\r\n", "*1\r\n$4\r\nSYNC\r\n"] {
        assert!(asks_for_replication(yes.as_bytes()), "{yes}");
    }
    for no in
        ["*1\r\n$4\r\nPING\r\n", "*3\r\n$3\r\nSET\r\n$5\r\nPSYNC\r\n$1\r\n1\r\n", "PSYNC ? -1\r\n", "", "*1\r\n$4"]
    {
        assert!(!asks_for_replication(no.as_bytes()), "{no}");
    }
}
