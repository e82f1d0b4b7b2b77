#![no_main]

#[path = "../borders.rs"]
mod borders;

libfuzzer_sys::fuzz_target!(|data: &[u8]| borders::rest_bodies(data));
