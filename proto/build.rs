//! Generates the gRPC interface without protoc.

use protox::prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/peer.proto");
    let files = protox::compile(["proto/peer.proto"], ["proto"])?;
    // For tools that ask a peer what it can be asked.
    let descriptors = std::path::Path::new(&std::env::var("OUT_DIR")?).join("peer.bin");
    std::fs::write(descriptors, files.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    Ok(())
}
