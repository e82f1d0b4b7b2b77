#![no_main]

#[path = "../borders.rs"]
#[allow(dead_code)]
mod borders;

libfuzzer_sys::fuzz_target!(|data: &[u8]| borders::ticket(data));
