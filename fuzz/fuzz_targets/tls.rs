#![no_main]

primacy_fuzz::target!("tls");
