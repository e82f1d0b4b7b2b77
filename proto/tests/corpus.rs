//! Replays the committed seeds of the fuzz targets: what once went wrong, or nearly, stays looked at.
#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

#[path = "../fuzz/borders.rs"]
mod borders;

fn replay(target: &str, border: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        border(&std::fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 3, "{} has only {seeds} seeds", folder.display());
}

#[test]
fn control_frames() {
    replay("control_frame", borders::control_frame);
}

#[test]
fn manifests() {
    replay("manifest", borders::manifest);
}

#[test]
fn tickets() {
    replay("ticket", borders::ticket);
}
