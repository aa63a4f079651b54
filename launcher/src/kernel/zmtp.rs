//! The wire under Jupyter's sockets: ZMTP 3.0 without security, as <https://rfc.zeromq.org/spec/23/> tells it.
//!
//! Greeting, handshake, frames. A peer may lie about lengths: a body is read as it comes, never reserved ahead, and a
//! message that is too large or has too many frames ends its connection and nothing else.

use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};

/// Largest message, all frames together: far above any notebook's output, far below the machine's memory.
pub const MAX_MESSAGE: u64 = 256 << 20;

const MAX_FRAMES: usize = 1024;
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// The frames of one message.
pub type Frames = Vec<Vec<u8>>;

/// What each side sends first: signature, version 3.0, mechanism, filler.
pub fn greeting() -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[0] = 0xff;
    bytes[9] = 0x7f;
    bytes[10] = 3;
    bytes[12..16].copy_from_slice(b"NULL");
    bytes
}

/// The command that ends the handshake: what kind of socket this is, and its identity.
pub fn ready(kind: &str, identity: &[u8]) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    for (name, value) in [("Socket-Type", kind.as_bytes()), ("Identity", identity)] {
        if name == "Identity" && value.is_empty() {
            continue;
        }
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value);
    }
    let mut out = Vec::new();
    frame(&mut out, COMMAND, &body);
    out
}

/// A message as it travels.
pub fn encode(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 9).sum());
    for (at, body) in frames.iter().enumerate() {
        frame(&mut out, if at + 1 < frames.len() { MORE } else { 0 }, body);
    }
    out
}

fn frame(out: &mut Vec<u8>, flags: u8, body: &[u8]) {
    match u8::try_from(body.len()) {
        Ok(length) => out.extend_from_slice(&[flags, length]),
        Err(_) => {
            out.push(flags | LONG);
            out.extend_from_slice(&(body.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(body);
}

/// The reading side of a connection.
pub struct Reader<R> {
    inner: BufReader<R>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Wraps a stream.
    pub fn new(inner: R) -> Reader<R> {
        Reader { inner: BufReader::with_capacity(64 << 10, inner) }
    }

    /// Reads the greeting and READY; gives the peer's kind and its identity.
    pub async fn handshake(&mut self) -> Result<(String, Vec<u8>)> {
        let mut greeting = [0; 64];
        self.inner.read_exact(&mut greeting).await?;
        if greeting[0] != 0xff || greeting[9] & 1 == 0 || greeting[10] < 3 || &greeting[12..17] != b"NULL\0" {
            return Err(broken("not a ZMTP 3 peer without security"));
        }
        match self.next_frame(MAX_MESSAGE).await? {
            (flags, body) if flags & COMMAND != 0 => parse_ready(&body),
            _ => Err(broken("READY expected")),
        }
    }

    /// Reads one message; commands in between are passed over.
    pub async fn message(&mut self) -> Result<Frames> {
        let mut frames = Vec::new();
        let mut left = MAX_MESSAGE;
        loop {
            let (flags, body) = self.next_frame(left).await?;
            if flags & COMMAND != 0 {
                continue;
            }
            left -= body.len() as u64;
            frames.push(body);
            if flags & MORE == 0 {
                return Ok(frames);
            }
            if frames.len() == MAX_FRAMES {
                return Err(broken("too many frames"));
            }
        }
    }

    async fn next_frame(&mut self, most: u64) -> Result<(u8, Vec<u8>)> {
        let flags = self.inner.read_u8().await?;
        if flags > MORE | LONG | COMMAND {
            return Err(broken("unknown flags"));
        }
        let length =
            if flags & LONG == 0 { u64::from(self.inner.read_u8().await?) } else { self.inner.read_u64().await? };
        if length > most {
            return Err(broken("oversized frame"));
        }
        let mut body = Vec::new();
        (&mut self.inner).take(length).read_to_end(&mut body).await?;
        if (body.len() as u64) < length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok((flags, body))
    }
}

fn parse_ready(body: &[u8]) -> Result<(String, Vec<u8>)> {
    let mut rest = body.strip_prefix(b"\x05READY").ok_or_else(|| broken("READY expected"))?;
    let (mut kind, mut identity) = (String::new(), Vec::new());
    while let Some((&length, after)) = rest.split_first() {
        let cut = |bytes: &[u8], at: usize| bytes.len() >= at;
        let length = usize::from(length);
        if !cut(after, length + 4) {
            return Err(broken("READY is cut short"));
        }
        let (name, after) = after.split_at(length);
        let (size, after) = after.split_at(4);
        let size = size.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
        if !cut(after, size) {
            return Err(broken("READY is cut short"));
        }
        let (value, after) = after.split_at(size);
        match name.to_ascii_lowercase().as_slice() {
            b"socket-type" => kind = String::from_utf8_lossy(value).into_owned(),
            b"identity" if value.len() <= 255 => identity = value.to_vec(),
            _ => {}
        }
        rest = after;
    }
    Ok((kind, identity))
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Frames> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Reader::new(bytes).message())
    }

    #[test]
    fn what_is_encoded_is_read_again_short_long_and_empty() {
        let frames = vec![b"a".to_vec(), vec![], vec![7; 255], vec![8; 256], vec![9; 70_000]];
        assert_eq!(read(&encode(&frames)).unwrap(), frames);
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        assert_eq!(encode(&[b"ab".to_vec(), b"c".to_vec()]), b"\x01\x02ab\x00\x01c");
        assert_eq!(ready("SUB", b""), b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB");
    }

    #[test]
    fn a_truncated_message_is_an_error() {
        let whole = encode(&[vec![1; 300], vec![2; 3]]);
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn an_oversized_frame_and_endless_frames_are_errors_and_take_no_memory() {
        let mut huge = vec![LONG];
        huge.extend_from_slice(&u64::MAX.to_be_bytes());
        assert!(read(&huge).unwrap_err().to_string().contains("oversized"));
        assert!(read(&[MORE, 0].repeat(3_000_000)).unwrap_err().to_string().contains("too many"));
    }

    #[test]
    fn ready_is_read_with_its_identity_and_rubbish_is_refused() {
        let command = ready("DEALER", b"me");
        assert_eq!(parse_ready(&command[2..]).unwrap(), ("DEALER".to_owned(), b"me".to_vec()));
        assert!(parse_ready(b"\x05READY\x0bSocket-Type\xff\xff\xff\xffX").is_err());
        assert!(parse_ready(b"\x05ERROR").is_err());
    }
}
