//! What the fuzz target does with its input. The normal tests replay the committed corpus through the same function, and
//! send it to a directory.

use proto::directory::{
    Heartbeat, LoginRequest, NewPassword, NewUser, PatchFiles, PatchUser, RegisterPeer, registration_message,
};
use proto::ids::PeerId;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A body of any request: understood or refused; what is understood can be said again, and means the same.
pub(crate) fn rest_bodies(data: &[u8]) {
    read::<LoginRequest>(data);
    read::<NewUser>(data);
    read::<PatchUser>(data);
    read::<NewPassword>(data);
    read::<Heartbeat>(data);
    read::<PatchFiles>(data);
    if let Some(request) = read::<RegisterPeer>(data) {
        let id = PeerId::of(&request.key);
        registration_message(&request.nonce, &id, &request.instance, &request.name, &request.address);
    }
}

fn read<T: DeserializeOwned + Serialize>(data: &[u8]) -> Option<T> {
    let body: T = serde_json::from_slice(data).ok()?;
    let again = serde_json::to_vec(&body).expect("a body is JSON");
    let once_more: T = serde_json::from_slice(&again).expect("what was said can be read");
    assert_eq!(serde_json::to_vec(&once_more).expect("a body is JSON"), again);
    Some(body)
}
