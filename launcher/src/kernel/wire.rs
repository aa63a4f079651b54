//! Jupyter's messages: parts, signature, parents (<https://jupyter-client.readthedocs.io/en/stable/messaging.html>).

use super::zmtp::Frames;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{json, Value};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// Set between the routing identities and the signature.
const DELIMITER: &[u8] = b"<IDS|MSG>";

/// The version of the protocol that is spoken.
pub const PROTOCOL: &str = "5.3";

/// What signs and checks messages; without a key nothing is signed.
#[derive(Clone)]
pub struct Key(Option<Hmac<Sha256>>);

impl Key {
    /// The key of a connection file.
    pub fn new(text: &str) -> Key {
        let made = (!text.is_empty()).then(|| Hmac::new_from_slice(text.as_bytes()).ok());
        Key(made.flatten())
    }

    fn mac(&self, parts: &[Vec<u8>]) -> Option<Hmac<Sha256>> {
        let mut mac = self.0.clone()?;
        // Buffers after the four parts are not signed.
        parts.iter().take(4).for_each(|part| mac.update(part));
        Some(mac)
    }

    fn sign(&self, parts: &[Vec<u8>]) -> Vec<u8> {
        let bytes = self.mac(parts).map(|mac| mac.finalize().into_bytes());
        bytes.map(|bytes| hex(&bytes).into_bytes()).unwrap_or_default()
    }

    fn agrees(&self, signature: &[u8], parts: &[Vec<u8>]) -> bool {
        match self.mac(parts) {
            Some(mac) => unhex(signature).is_some_and(|bytes| mac.verify_slice(&bytes).is_ok()),
            None => true,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    pairs.collect()
}

/// Random bytes as hexadecimal text.
pub fn random(bytes: usize) -> String {
    use std::io::Read;
    let mut buffer = vec![0; bytes];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut buffer));
    if read.is_err() {
        let seed = format!("{:?} {}", SystemTime::now(), std::process::id());
        use sha2::Digest;
        buffer = Sha256::digest(seed).iter().copied().cycle().take(bytes).collect();
    }
    hex(&buffer)
}

/// Why a message is not one.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// No delimiter, or parts are missing.
    Incomplete,
    /// Signed with another key, or changed on the way.
    Signature,
    /// A part is not JSON.
    Json,
}

/// One message.
#[derive(Clone)]
pub struct Message {
    /// Routing identities, the topic on iopub.
    pub identities: Vec<Vec<u8>>,
    signature: Vec<u8>,
    /// Header, parent's header, metadata, content, buffers: as they travelled.
    parts: Vec<Vec<u8>>,
    header: Value,
    parent: Value,
    /// The content, read.
    pub content: Value,
}

impl Message {
    /// Takes frames apart and checks them.
    pub fn parse(frames: Frames, key: &Key) -> Result<Message, Fault> {
        let at = frames.iter().position(|frame| frame == DELIMITER).ok_or(Fault::Incomplete)?;
        let mut identities = frames;
        let mut parts = identities.split_off(at);
        if parts.len() < 6 {
            return Err(Fault::Incomplete);
        }
        let signature = std::mem::take(&mut parts[1]);
        parts.drain(..2);
        if !key.agrees(&signature, &parts) {
            return Err(Fault::Signature);
        }
        let read = |part: &Vec<u8>| serde_json::from_slice::<Value>(part).map_err(|_| Fault::Json);
        let (header, parent, content) = (read(&parts[0])?, read(&parts[1])?, read(&parts[3])?);
        read(&parts[2])?;
        Ok(Message { identities, signature, header, parent, content, parts })
    }

    /// A message of the relay's own.
    pub fn new(kind: &str, session: &str, parent: Option<&Message>, content: Value, key: &Key) -> Message {
        let header = json!({
            "msg_id": random(16), "session": session, "username": "kernel", "date": now(),
            "msg_type": kind, "version": PROTOCOL,
        });
        let above = parent.map_or_else(|| b"{}".to_vec(), |message| message.parts[0].clone());
        let parts = vec![header.to_string().into_bytes(), above, b"{}".to_vec(), content.to_string().into_bytes()];
        let parent = parent.map_or_else(|| json!({}), |message| message.header.clone());
        Message { identities: Vec::new(), signature: key.sign(&parts), parts, header, parent, content }
    }

    /// The same message with another content, signed anew.
    pub fn with_content(mut self, content: Value, key: &Key) -> Message {
        self.parts[3] = content.to_string().into_bytes();
        self.content = content;
        self.signature = key.sign(&self.parts);
        self
    }

    /// The same message, to be routed by these identities.
    pub fn to(mut self, identities: Vec<Vec<u8>>) -> Message {
        self.identities = identities;
        self
    }

    /// The frames, unchanged where the message came from elsewhere.
    pub fn frames(&self) -> Frames {
        let mut frames = self.identities.clone();
        frames.extend([DELIMITER.to_vec(), self.signature.clone()]);
        frames.extend_from_slice(&self.parts);
        frames
    }

    /// The frames without buffers, which evcxr counts into the signature and would end its socket over.
    pub fn frames_for_evcxr(&self) -> Frames {
        let mut frames = self.frames();
        frames.truncate(self.identities.len() + 6);
        frames
    }

    /// `msg_type`.
    pub fn kind(&self) -> &str {
        self.header["msg_type"].as_str().unwrap_or_default()
    }

    /// `msg_id`.
    pub fn id(&self) -> &str {
        self.header["msg_id"].as_str().unwrap_or_default()
    }

    /// The parent's `session`.
    pub fn parent_session(&self) -> &str {
        self.parent["session"].as_str().unwrap_or_default()
    }

    /// The parent's `msg_id`.
    pub fn parent_id(&self) -> &str {
        self.parent["msg_id"].as_str().unwrap_or_default()
    }
}

/// The time, as ISO 8601 in UTC.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs(), since.subsec_micros())
}

/// Days to a date after Howard Hinnant's `civil_from_days` (years that begin in March).
fn date(seconds: u64, micros: u32) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(key: &Key) -> Message {
        Message::new("execute_request", "s", None, json!({ "code": "1 + 1" }), key).to(vec![b"who".to_vec()])
    }

    #[test]
    fn a_message_survives_the_way_frame_by_frame() {
        let key = Key::new("secret");
        let frames = sent(&key).frames();
        let read = Message::parse(frames.clone(), &key).unwrap();
        assert_eq!(read.frames(), frames);
        assert_eq!((read.kind(), read.content["code"].as_str()), ("execute_request", Some("1 + 1")));
    }

    #[test]
    fn the_signature_is_the_hmac_that_others_compute() {
        // printf 'abcd' | openssl dgst -sha256 -hmac k
        let parts = [b"a", b"b", b"c", b"d"].map(|part| part.to_vec());
        let expected = b"756d7c2af4fae2338eb66fcb2eea2a6a4bf5b8ec75a0561b967ce1c215ba740f";
        assert_eq!(Key::new("k").sign(&parts), expected);
        assert!(Key::new("k").agrees(expected, &parts));
        assert!(!Key::new("l").agrees(expected, &parts));
    }

    #[test]
    fn another_key_a_changed_part_and_a_missing_part_are_refused() {
        let key = Key::new("secret");
        let frames = sent(&key).frames();
        let fault = |frames: Frames, key: &Key| Message::parse(frames, key).err();
        assert_eq!(fault(frames.clone(), &Key::new("other")), Some(Fault::Signature));
        let mut changed = frames.clone();
        changed[6] = b"{\"code\":\"2\"}".to_vec();
        assert_eq!(fault(changed, &key), Some(Fault::Signature));
        let mut unsigned = frames.clone();
        unsigned[2].clear();
        assert_eq!(fault(unsigned, &key), Some(Fault::Signature));
        assert_eq!(fault(frames[..6].to_vec(), &key), Some(Fault::Incomplete));
        assert_eq!(fault(vec![b"x".to_vec()], &key), Some(Fault::Incomplete));
    }

    #[test]
    fn without_a_key_nothing_is_checked() {
        let open = Key::new("");
        assert_eq!(sent(&open).frames()[2], b"");
        assert!(Message::parse(sent(&open).frames(), &open).is_ok());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let key = Key::new("");
        let mut frames = sent(&key).frames();
        frames[6] = b"{".to_vec();
        assert_eq!(Message::parse(frames, &key).err(), Some(Fault::Json));
    }

    #[test]
    fn buffers_travel_to_the_front_end_and_not_to_evcxr() {
        let key = Key::new("secret");
        let mut frames = sent(&key).frames();
        frames.push(vec![1, 2, 3]);
        let read = Message::parse(frames.clone(), &key).unwrap();
        assert_eq!(read.frames(), frames);
        assert_eq!(read.frames_for_evcxr(), frames[..7]);
    }

    #[test]
    fn dates_are_right_at_leap_days_and_ends_of_years() {
        // date -u -d @951782400 and so on
        assert_eq!(date(951_782_400, 5), "2000-02-29T00:00:00.000005Z");
        assert_eq!(date(1_735_689_599, 0), "2024-12-31T23:59:59.000000Z");
        assert_eq!(date(0, 0), "1970-01-01T00:00:00.000000Z");
    }
}
