//! Shows this peer's ticket with every call to another peer: always the newest, so that a long download outlives many. And
//! says which trace the request belongs to, where there is one.

use proto::directory::Ticket;
use proto::peer::transfer_client::TransferClient;
use tokio::sync::watch;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::directory::View;

/// A channel to a peer that shows the ticket.
pub type Calls = InterceptedService<Channel, Bearer>;

/// Calls to a peer.
pub type Peer = TransferClient<Calls>;

/// Puts the ticket into each request.
#[derive(Debug, Clone)]
pub struct Bearer(watch::Receiver<View>);

impl Bearer {
    /// Takes tickets from this view.
    pub fn new(view: watch::Receiver<View>) -> Self {
        Self(view)
    }

    /// The ticket that it shows.
    pub fn shown(&self) -> Option<Ticket> {
        self.0.borrow().ticket.clone()
    }

    /// Whether it would show another one than this by now. None at all is not newer.
    pub fn has_newer(&self, shown: Option<&Ticket>) -> bool {
        self.0.borrow().ticket.as_ref().is_some_and(|ticket| Some(ticket) != shown)
    }

    /// A channel, with the ticket.
    pub fn shown_over(&self, channel: Channel) -> Calls {
        InterceptedService::new(channel, self.clone())
    }

    /// Calls over a channel, with the ticket.
    pub fn over(&self, channel: Channel) -> Peer {
        Peer::new(self.shown_over(channel))
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
