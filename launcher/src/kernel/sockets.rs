//! The sockets on both sides of the relay: ROUTER, PUB and REP for the front end, DEALER and SUB towards evcxr.
//!
//! Nothing is lost silently. What a peer does not read yet waits in its outbox; the publisher says when there is room,
//! and whoever makes output waits for that. A peer that takes nothing for minutes is let go.

use super::outbox::{lock, Outbox};
use super::zmtp::{self, Frames, Reader};
use std::collections::HashMap;
use std::future::Future;
use std::io::{ErrorKind, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, Notify};
use tokio::task::JoinHandle;

/// Output may be made while no subscriber has more than this waiting, in bytes.
const ROOM: usize = 4 << 20;

/// A subscriber that takes nothing for so long, with output waiting, is let go.
const STALLED: Duration = Duration::from_secs(120);

/// A handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Which socket a message came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Requests to run, complete, inspect.
    Shell,
    /// Requests that do not wait: interrupt, shut down.
    Control,
    /// Input that a cell asks for.
    Stdin,
    /// Output.
    Iopub,
}

/// A message as it came in.
pub struct Incoming {
    /// The socket.
    pub channel: Channel,
    /// Its frames; on a ROUTER the peer's identity is the first.
    pub frames: Frames,
    /// When its last byte had been read.
    pub at: Instant,
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Greets, says what this socket is, and reads who is there.
async fn shake(
    stream: TcpStream,
    kind: &str,
    identity: &[u8],
) -> Result<(Reader<OwnedReadHalf>, OwnedWriteHalf, Vec<u8>)> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut reader = Reader::new(read);
    let talk = async {
        use tokio::io::AsyncWriteExt;
        write.write_all(&zmtp::greeting()).await?;
        write.write_all(&zmtp::ready(kind, identity)).await?;
        reader.handshake().await
    };
    let (_, peer) = tokio::time::timeout(HANDSHAKE, talk).await.map_err(|_| ErrorKind::TimedOut)??;
    Ok((reader, write, peer))
}

/// Accepts connections and serves each in a task of its own.
fn accept<F, S>(listener: TcpListener, serve: F) -> Task
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    Task(tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream))),
                // Out of descriptors: wait for better times instead of spinning.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }))
}

static NEXT: AtomicU64 = AtomicU64::new(1);

fn number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

type Peers = Arc<Mutex<HashMap<Vec<u8>, (u64, Outbox)>>>;

/// A ROUTER socket: knows each peer by its identity.
pub struct Router {
    peers: Peers,
    _task: Task,
}

impl Router {
    /// Serves connections; messages go to `inbox`, the peer's identity before their frames.
    pub fn new(listener: TcpListener, channel: Channel, inbox: mpsc::Sender<Incoming>) -> Router {
        let peers = Peers::default();
        let known = peers.clone();
        let serve = move |stream| {
            let (peers, inbox) = (known.clone(), inbox.clone());
            async move {
                let Ok((mut reader, writer, mut identity)) = shake(stream, "ROUTER", b"").await else { return };
                let own = number();
                if identity.is_empty() {
                    identity = [&[0][..], &own.to_be_bytes()].concat();
                }
                let outbox = Outbox::default();
                tokio::spawn(outbox.clone().carry(writer));
                // A front end that comes back with its old identity takes its place.
                if let Some((_, old)) = lock(&peers).insert(identity.clone(), (own, outbox.clone())) {
                    old.close();
                }
                while let Ok(mut frames) = reader.message().await {
                    frames.insert(0, identity.clone());
                    if inbox.send(Incoming { channel, frames, at: Instant::now() }).await.is_err() {
                        break;
                    }
                }
                outbox.close();
                let mut peers = lock(&peers);
                if peers.get(&identity).is_some_and(|(number, _)| *number == own) {
                    peers.remove(&identity);
                }
            }
        };
        Router { peers, _task: accept(listener, serve) }
    }

    /// Sends to the peer that the first frame names; nobody of that name: the message is dropped, as ROUTER does.
    pub fn send(&self, frames: &[Vec<u8>]) {
        let Some((identity, rest)) = frames.split_first() else { return };
        if let Some((_, outbox)) = lock(&self.peers).get(identity) {
            outbox.push(Arc::new(zmtp::encode(rest)));
        }
    }

    /// Whether everything sent has left.
    pub fn is_flushed(&self) -> bool {
        lock(&self.peers).values().all(|(_, outbox)| outbox.bytes() == 0)
    }
}

/// A REP socket that sends back what it gets: Jupyter's heartbeat.
pub struct Echo {
    _task: Task,
}

impl Echo {
    /// Serves connections.
    pub fn new(listener: TcpListener) -> Echo {
        let serve = |stream| async {
            let Ok((mut reader, writer, _)) = shake(stream, "REP", b"").await else { return };
            let outbox = Outbox::default();
            tokio::spawn(outbox.clone().carry(writer));
            while let Ok(frames) = reader.message().await {
                outbox.push(Arc::new(zmtp::encode(&frames)));
            }
            outbox.close();
        };
        Echo { _task: accept(listener, serve) }
    }
}

struct Subscriber {
    number: u64,
    topics: Vec<Vec<u8>>,
    outbox: Outbox,
}

/// A PUB socket that waits for its subscribers instead of dropping what they have not read.
pub struct Publisher {
    subscribers: Arc<Mutex<Vec<Subscriber>>>,
    drained: Arc<Notify>,
    _task: Task,
}

impl Publisher {
    /// Serves connections; a subscriber is greeted with what `welcome` makes of its topic.
    pub fn new(listener: TcpListener, welcome: impl Fn(&[u8]) -> Frames + Send + Sync + 'static) -> Publisher {
        let subscribers: Arc<Mutex<Vec<Subscriber>>> = Arc::default();
        let drained: Arc<Notify> = Arc::default();
        let (all, told, welcome) = (subscribers.clone(), drained.clone(), Arc::new(welcome));
        let serve = move |stream| {
            let (all, told, welcome) = (all.clone(), told.clone(), welcome.clone());
            async move {
                let Ok((mut reader, writer, _)) = shake(stream, "PUB", b"").await else { return };
                let own = number();
                let outbox = Outbox::telling(told);
                tokio::spawn(outbox.clone().carry(writer));
                lock(&all).push(Subscriber { number: own, topics: Vec::new(), outbox: outbox.clone() });
                while let Ok(frames) = reader.message().await {
                    let mut all = lock(&all);
                    let Some(one) = all.iter_mut().find(|one| one.number == own) else { break };
                    match frames.first().and_then(|frame| frame.split_first()) {
                        Some((1, topic)) => {
                            one.topics.push(topic.to_vec());
                            outbox.push(Arc::new(zmtp::encode(&welcome(topic))));
                        }
                        Some((0, topic)) => {
                            if let Some(at) = one.topics.iter().position(|known| known == topic) {
                                one.topics.remove(at);
                            }
                        }
                        _ => {}
                    }
                }
                outbox.close();
                lock(&all).retain(|one| one.number != own);
            }
        };
        Publisher { subscribers, drained, _task: accept(listener, serve) }
    }

    /// Sends to everybody whose topic the first frame begins with.
    pub fn send(&self, frames: &[Vec<u8>]) {
        let topic = frames.first().map(Vec::as_slice).unwrap_or_default();
        let all = lock(&self.subscribers);
        let mut wanted = all.iter().filter(|one| one.topics.iter().any(|known| topic.starts_with(known))).peekable();
        if wanted.peek().is_some() {
            let bytes = Arc::new(zmtp::encode(frames));
            wanted.for_each(|one| one.outbox.push(bytes.clone()));
        }
    }

    /// Whether more output may be made.
    pub fn has_room(&self) -> bool {
        lock(&self.subscribers).iter().all(|one| one.outbox.bytes() < ROOM)
    }

    /// Waits until there is room.
    pub async fn room(&self) {
        loop {
            let drained = self.drained.notified();
            if self.has_room() {
                return;
            }
            drained.await;
        }
    }

    /// Whether everything sent has left.
    pub fn is_flushed(&self) -> bool {
        lock(&self.subscribers).iter().all(|one| one.outbox.bytes() == 0)
    }

    /// Lets go of subscribers that read nothing any more.
    pub fn drop_stalled(&self) {
        for one in lock(&self.subscribers).iter() {
            if one.outbox.is_stalled(STALLED) {
                one.outbox.close();
            }
        }
    }
}

/// A DEALER or SUB socket that connects, as often as it takes until the other side listens.
pub struct Dialer {
    outbox: Outbox,
    _task: Task,
}

impl Dialer {
    /// Connects to a port of this machine; messages go to `inbox`. `kind` is `DEALER` or `SUB`; a SUB hears all topics.
    pub fn new(
        port: u16,
        kind: &'static str,
        identity: &'static [u8],
        channel: Channel,
        inbox: mpsc::Sender<Incoming>,
    ) -> Dialer {
        let outbox = Outbox::default();
        if kind == "SUB" {
            outbox.push(Arc::new(zmtp::encode(&[vec![1]])));
        }
        let own = outbox.clone();
        let task = tokio::spawn(async move {
            let stream = loop {
                match TcpStream::connect(("127.0.0.1", port)).await {
                    Ok(stream) => break stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            };
            let Ok((mut reader, writer, _)) = shake(stream, kind, identity).await else { return };
            let carry = Task(tokio::spawn(own.clone().carry(writer)));
            while let Ok(frames) = reader.message().await {
                if inbox.send(Incoming { channel, frames, at: Instant::now() }).await.is_err() {
                    break;
                }
            }
            drop(carry);
            own.close();
        });
        Dialer { outbox, _task: Task(task) }
    }

    /// Sends, now or once connected.
    pub fn send(&self, frames: &[Vec<u8>]) {
        self.outbox.push(Arc::new(zmtp::encode(frames)));
    }
}
