//! Shows this peer's ticket with every request to another peer: always the newest, so that a long download outlives many. And
//! says which trace the request belongs to, where there is one.

use proto::peer::transfer_client::TransferClient;
use tokio::sync::watch;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::directory::View;

/// Calls to a peer, with the ticket.
pub type Peer = TransferClient<InterceptedService<Channel, Bearer>>;

/// Puts the ticket into each request.
#[derive(Debug, Clone)]
pub struct Bearer(watch::Receiver<View>);

impl Bearer {
    /// Takes tickets from this view.
    pub fn new(view: watch::Receiver<View>) -> Self {
        Self(view)
    }

    /// Calls over a channel, with the ticket.
    pub fn over(&self, channel: Channel) -> Peer {
        TransferClient::with_interceptor(channel, self.clone())
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value: Option<MetadataValue<Ascii>> =
            self.0.borrow().ticket.as_ref().and_then(|ticket| format!("Bearer {}", ticket.token.expose()).parse().ok());
        // Without one the other side says what is missing, which is better than to guess here.
        if let Some(value) = value {
            request.metadata_mut().insert("authorization", value);
        }
        if let Some(traceparent) = traces::traceparent().and_then(|text| text.parse().ok()) {
            request.metadata_mut().insert(traces::TRACEPARENT, traceparent);
        }
        Ok(request)
    }
}
