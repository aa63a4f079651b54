//! Requests to the Hub, which alone gets the reader's token.

use super::connect::{agent, Limit, Wait};
use super::places::{Places, Secret};
use crate::sys::stopped;
use std::cell::Cell;
use std::io::Read;
use std::time::{Duration, Instant};
use ureq::http::{Response, StatusCode, Uri};
use ureq::{Agent, Body};

/// How often one request may be sent on.
const HOPS: usize = 6;
/// Longest answer of the API that is read.
const LONGEST: u64 = 64 << 20;

/// Why a request brought nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The reader asked to stop.
    Stopped,
    /// Nothing came for so long.
    Silent(Duration),
    /// No connection, one that broke, or an answer that is none.
    Broken(String),
    /// The Hub's no.
    Refused(Refusal),
}

/// The Hub's no, in its own terms.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// HTTP's number.
    pub(super) status: u16,
    /// `GatedRepo`, `RepoNotFound`, `RevisionNotFound`, `EntryNotFound`, or nothing.
    pub(super) code: String,
    /// Seconds after which to try again.
    pub(super) wait: Option<u64>,
}

impl Refusal {
    pub(super) fn told(&self) -> String {
        let (status, code) = (self.status, &self.code);
        tr!("El Hub respondió {status} {code}", "The Hub answered {status} {code}").trim_end().to_string()
    }
}

/// A client for one call of the reader's.
pub(super) struct Net {
    agent: Agent,
    wait: Wait,
    /// Scheme, host and port of the Hub.
    home: (String, String),
    token: Option<Secret>,
    first: Duration,
    stall: Duration,
    /// The Hub has answered once: it is there, and what takes long is work.
    answered: Cell<bool>,
}

impl Net {
    pub(super) fn new(places: &Places) -> Self {
        let wait = Wait::new(Limit::Each(places.answer));
        let config = ureq::config::Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("aula/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: agent(config, &wait),
            wait,
            home: origin(&places.endpoint),
            token: places.token.clone(),
            first: places.answer,
            stall: places.stall,
            answered: Cell::new(false),
        }
    }

    /// One request, sent on to nobody. The token goes along to the Hub only.
    pub(super) fn get(&self, url: &str, headers: &[(&str, String)]) -> Result<Response<Body>, Trouble> {
        let patience = if self.answered.get() { self.stall } else { self.first };
        self.wait.set(Limit::Until(Instant::now() + patience));
        let mut request = self.agent.get(url).header("accept-encoding", "identity");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(token) = self.token.as_ref().filter(|_| self.is_home(url)) {
            request = request.header("authorization", format!("Bearer {}", token.reveal()));
        }
        let answer = request.call().map_err(|error| trouble(error, patience))?;
        self.answered.set(true);
        self.wait.set(Limit::Each(self.stall));
        Ok(answer)
    }

    /// As [`Self::get`], sent on as often as the other side wants it, within the Hub or `away` from it too. What comes
    /// is no refusal; without `away` it may be the address of another host.
    pub(super) fn follow(&self, url: &str, headers: &[(&str, String)], away: bool) -> Result<Answer, Trouble> {
        let mut url = url.to_string();
        for _ in 0..HOPS {
            let response = self.get(&url, headers)?;
            let status = response.status();
            if !is_redirect(status) {
                return match status.is_success() {
                    true => Ok(Answer { response, url }),
                    false => Err(Trouble::Refused(refusal(&response))),
                };
            }
            let next = header(&response, "location").and_then(|location| absolute(&url, &location));
            let Some(next) = next else {
                return Err(Trouble::Broken(tr!("La redirección no lleva a nada.", "The redirect leads nowhere.")));
            };
            if !away && origin(&next) != origin(&url) {
                return Ok(Answer { response, url: next });
            }
            url = next;
        }
        Err(Trouble::Broken(tr!("Demasiadas redirecciones.", "Too many redirects.")))
    }

    /// What the API says at `url`.
    pub(super) fn json(&self, url: &str) -> Result<serde_json::Value, Trouble> {
        let answer = self.follow(url, &[], true)?;
        let mut body = Vec::new();
        let mut reader = answer.response.into_body().into_with_config().limit(LONGEST).reader();
        reader.read_to_end(&mut body).map_err(|error| self.body_trouble(error))?;
        let nonsense = |error| Trouble::Broken(tr!("No es JSON: {error}.", "It is no JSON: {error}."));
        serde_json::from_slice(&body).map_err(nonsense)
    }

    /// The trouble behind an error while a body is read.
    pub(super) fn body_trouble(&self, error: std::io::Error) -> Trouble {
        trouble(ureq::Error::from(error), self.stall)
    }

    fn is_home(&self, url: &str) -> bool {
        !self.home.0.is_empty() && origin(url) == self.home
    }
}

/// What came, and from where, or where it is.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    pub(super) url: String,
}

fn trouble(error: ureq::Error, patience: Duration) -> Trouble {
    match error {
        _ if stopped() => Trouble::Stopped,
        ureq::Error::Timeout(_) => Trouble::Silent(patience),
        ureq::Error::HostNotFound => Trouble::Broken(tr!("No se encontró el servidor.", "The server was not found.")),
        ureq::Error::Io(error) => Trouble::Broken(error.to_string()),
        error => Trouble::Broken(error.to_string()),
    }
}

pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The text of a header.
pub(super) fn header(response: &Response<Body>, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(|value| value.trim().to_string())
}

fn refusal(response: &Response<Body>) -> Refusal {
    let wait = header(response, "retry-after").or_else(|| {
        // RateLimit: "api";r=0;t=55
        let limit = header(response, "ratelimit")?;
        limit.split(';').find_map(|part| part.trim().strip_prefix("t=").map(String::from))
    });
    Refusal {
        status: response.status().as_u16(),
        code: header(response, "x-error-code").unwrap_or_default(),
        wait: wait.and_then(|seconds| seconds.parse().ok()),
    }
}

/// Scheme, host and port, as the client itself will read them. What cannot be read is nobody's.
fn origin(url: &str) -> (String, String) {
    let Ok(uri) = url.parse::<Uri>() else { return Default::default() };
    let scheme = uri.scheme_str().unwrap_or_default().to_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    (scheme, format!("{}:{port}", uri.host().unwrap_or_default().to_lowercase()))
}

/// Where `location` leads from `url`.
fn absolute(url: &str, location: &str) -> Option<String> {
    if location.parse::<Uri>().ok()?.host().is_some() && location.contains("://") {
        return Some(location.to_string());
    }
    let (scheme, rest) = url.split_once("://")?;
    if location.starts_with("//") {
        return Some(format!("{scheme}:{location}"));
    }
    let host = rest.split('/').next()?;
    location.starts_with('/').then(|| format!("{scheme}://{host}{location}"))
}

/// A path as it stands in an address: what is not plain becomes `%XX`.
pub(super) fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
