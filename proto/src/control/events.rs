//! The directory's log of changes, as the daemon passes it on.

use serde::{Deserialize, Serialize};

/// Parameters of `events`. Notifications carry [`super::Progress::Event`], one for each; the answer comes after the last
/// one, and with `follow` when the daemon stops telling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchEvents {
    /// Everything behind this number; without one the latest, and with `follow` what happens from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// And then what happens, as it happens.
    #[serde(default)]
    pub follow: bool,
}
