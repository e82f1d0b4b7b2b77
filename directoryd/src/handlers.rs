//! The use cases: who may, what is asked of the store, what is answered. Plain arguments in; a body of `proto::directory` or
//! an [`ApiError`](crate::error::ApiError) out. Neither HTTP nor SQL is known here.

pub(crate) mod caller;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod paging;
pub(crate) mod peers;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod users;
