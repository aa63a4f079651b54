//! The one place that connects: counts each connection, ends each wait, and looks at the reader's wish to stop.
//!
//! It takes the place of ureq's own sockets, beneath its TLS and its HTTP.

use super::audit;
use crate::sys::stopped;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, RustlsConnector,
    SocksConnector, Transport,
};
use ureq::{Agent, Error, Timeout};

/// Pause between two looks at the reader's wish to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Most addresses of one host that are tried.
const ADDRESSES: usize = 4;

/// How long the other side may say nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// Until then: finding the host, connecting and its first answer, all together.
    Until(Instant),
    /// So long each time.
    Each(Duration),
}

/// The limit that holds now, which the requests of one agent share.
#[derive(Clone, Debug)]
pub(super) struct Wait(Arc<Mutex<Limit>>);

impl Wait {
    pub(super) fn new(limit: Limit) -> Self {
        Self(Arc::new(Mutex::new(limit)))
    }

    pub(super) fn set(&self, limit: Limit) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }

    fn until(&self) -> Instant {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Limit::Until(instant) => instant,
            Limit::Each(time) => Instant::now() + time,
        }
    }
}

/// A client whose connections go through here.
pub(super) fn agent(config: Config, wait: &Wait) -> Agent {
    let connector = ().chain(Socks::default()).chain(ConnectProxyConnector::default());
    let connector = connector.chain(Sockets(wait.clone())).chain(RustlsConnector::default());
    Agent::with_parts(config, connector, Names(wait.clone()))
}

fn too_late() -> Error {
    Error::Timeout(Timeout::RecvResponse)
}

fn left(until: Instant) -> Result<Duration, Error> {
    if stopped() {
        return Err(Error::Io(io::Error::other("stopped")));
    }
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(too_late());
    }
    Ok(left)
}

/// A host's name to its addresses.
#[derive(Debug)]
struct Names(Wait);

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = host_and_port(&uri.to_string());
        let until = self.0.until();
        let mut found = self.empty();
        let addresses: Vec<SocketAddr> = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => look_up(host, until)?,
        };
        addresses.into_iter().take(ADDRESSES).for_each(|address| found.push(address));
        if found.is_empty() {
            return Err(Error::HostNotFound);
        }
        Ok(found)
    }
}

/// In a thread of its own, because looking up a name has no time limit.
fn look_up(host: String, until: Instant) -> Result<Vec<SocketAddr>, Error> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(host.to_socket_addrs().map(Iterator::collect)));
    loop {
        match receiver.recv_timeout(left(until)?.min(LOOK)) {
            Ok(Ok(addresses)) => return Ok(addresses),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(Error::HostNotFound),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// `host:port` of an address; the port is the scheme's where none is written.
pub(super) fn host_and_port(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match (has_port, scheme) {
        (true, _) => host.to_string(),
        (false, "https") => format!("{host}:443"),
        (false, _) => format!("{host}:80"),
    }
}

/// Makes the sockets.
#[derive(Debug)]
struct Sockets(Wait);

impl<In: Transport> Connector<In> for Sockets {
    type Out = Either<In, Socket>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let host = host_and_port(&details.uri.to_string());
        let until = self.0.until();
        let mut last = Error::HostNotFound;
        for (tried, address) in details.addrs.iter().enumerate() {
            // The last address may take all the time that is left, those before it a half each.
            let left = left(until)?;
            let patience = if tried + 1 == details.addrs.len() { left } else { left / 2 };
            audit::connecting(&host);
            let stream = TcpStream::connect_timeout(address, patience).and_then(|stream| {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(LOOK))?;
                stream.set_write_timeout(Some(LOOK))?;
                Ok(stream)
            });
            match stream {
                Ok(stream) => {
                    let config = details.config;
                    let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
                    return Ok(Some(Either::B(Socket { stream, host, buffers, wait: self.0.clone() })));
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => last = too_late(),
                Err(error) => last = Error::Io(error),
            }
        }
        Err(last)
    }
}

/// A connection without TLS, or what lies beneath it.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    host: String,
    buffers: LazyBuffers,
    wait: Wait,
}

/// The system's word for "nothing yet".
fn not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        let until = self.wait.until();
        let mut rest = &self.buffers.output()[..amount];
        while !rest.is_empty() {
            left(until)?;
            match self.stream.write(rest) {
                Ok(0) => return Err(Error::Io(ErrorKind::WriteZero.into())),
                Ok(sent) => rest = &rest[sent..],
                Err(error) if not_yet(&error) => {}
                Err(error) => return Err(Error::Io(error)),
            }
        }
        audit::moved(&self.host, amount, 0);
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let until = self.wait.until();
        loop {
            left(until)?;
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(came) => {
                    self.buffers.input_appended(came);
                    audit::moved(&self.host, 0, came);
                    return Ok(came > 0);
                }
                Err(error) if not_yet(&error) => {}
                Err(error) => return Err(Error::Io(error)),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Nothing is to be read between two requests: an end, or something unasked, closes it.
        let quiet = |stream: &mut TcpStream| stream.read(&mut [0]).is_err_and(|error| not_yet(&error));
        self.stream.set_nonblocking(true).is_ok()
            && quiet(&mut self.stream)
            && self.stream.set_nonblocking(false).is_ok()
    }
}

/// A SOCKS proxy makes its connection by itself; here it is counted.
#[derive(Debug, Default)]
struct Socks(SocksConnector);

impl<In: Transport> Connector<In> for Socks {
    type Out = <SocksConnector as Connector<In>>::Out;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let proxy = details.config.proxy().filter(|proxy| !proxy.is_no_proxy(details.uri));
        if let Some(proxy) = proxy.filter(|proxy| proxy.uri().scheme_str().is_some_and(|s| s.starts_with("socks"))) {
            audit::connecting(&host_and_port(&proxy.uri().to_string()));
        }
        self.0.connect(details, chained)
    }
}
