//! Downloads against the fake Hub of `tests/fake_hub`: what comes, what is kept, what is said.

use super::fake_hub::{sha256, FakeHub, COMMIT};
use super::places::{Places, Secret};
use super::*;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TOKEN: &str = "hf_not_a_real_one";

/// Weights that no two bytes of look alike, and a model around them.
fn weights() -> Vec<u8> {
    let values: Vec<u8> = (0..40_000u32).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![40_000], &values).unwrap();
    safetensors::serialize([("w", view)], None).unwrap()
}

fn hub() -> FakeHub {
    FakeHub::with(&[
        ("models/org/small/config.json", b"{}"),
        ("models/org/small/tokenizer.json", b"{\"a\": 1}"),
        ("models/org/small/model.safetensors", &weights()),
        ("models/org/small/README.md", b"no need"),
    ])
}

fn places(hub: &FakeHub) -> (TempDir, Places) {
    let home = tempfile::tempdir().unwrap();
    let places = Places {
        home: None,
        cache: home.path().join("cache"),
        endpoint: hub.endpoint.clone(),
        token: Some(Secret::from(TOKEN)),
        offline: false,
        answer: Duration::from_millis(2_500),
        stall: Duration::from_secs(2),
        pauses: vec![Duration::from_millis(5); 3],
    };
    (home, places)
}

fn store_requests(hub: &FakeHub) -> Vec<super::fake_hub::Seen> {
    hub.seen().into_iter().filter(|seen| hub.store.ends_with(&seen.host)).collect()
}

#[test]
fn the_cache_is_laid_out_as_pythons() {
    let hub = hub();
    let (_home, places) = places(&hub);
    let folder = find("org/small", &places).unwrap();
    let repo = places.cache.join("models--org--small");
    assert_eq!(folder, repo.join("snapshots").join(COMMIT));
    assert_eq!(std::fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
    let link = std::fs::read_link(folder.join("model.safetensors")).unwrap();
    assert_eq!(link.to_str().unwrap(), format!("../../blobs/{}", sha256(&weights())));
    assert_eq!(std::fs::read(folder.join("model.safetensors")).unwrap(), weights());
    let mut blobs: Vec<_> = std::fs::read_dir(repo.join("blobs")).unwrap().flatten().map(|e| e.file_name()).collect();
    blobs.sort();
    let mut etags = [&sha256(b"{}")[..40], &sha256(b"{\"a\": 1}")[..40], &sha256(&weights())];
    etags.sort();
    assert_eq!(blobs, etags, "nothing else, and nothing incomplete");
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let hub = hub();
    let (_home, places) = places(&hub);
    find("org/small", &places).unwrap();
    let bearer = format!("bearer {TOKEN}");
    let (mut with, mut without) = (0, 0);
    for seen in hub.seen() {
        match hub.store.ends_with(&seen.host) {
            true => {
                assert!(!seen.headers.iter().any(|line| line.contains(TOKEN)), "{seen:?}");
                without += 1;
            }
            false => {
                assert_eq!(seen.header("authorization"), Some(bearer.as_str()), "{seen:?}");
                with += 1;
            }
        }
    }
    assert!(with == 4 && without == 1, "listing, three files; the weights from the store: {with}, {without}");
    assert!(!format!("{places:?}").contains(TOKEN));
}

#[test]
fn a_download_that_breaks_goes_on_where_it_was() {
    let hub = hub();
    let (_home, mut places) = places(&hub);
    hub.state().breaks = 2;
    let folder = find("org/small", &places).unwrap();
    assert_eq!(std::fs::read(folder.join("model.safetensors")).unwrap(), weights());
    let (half, total) = (weights().len() / 2, weights().len());
    let ranges: Vec<_> = store_requests(&hub).iter().map(|seen| seen.header("range").map(String::from)).collect();
    let second = half + (total - half) / 2;
    assert_eq!(ranges, [None, Some(format!("bytes={half}-")), Some(format!("bytes={second}-"))]);

    // It breaks more often than we try: the error says so, what came is kept, and the next call goes on from there.
    let (_home, fresh) = self::places(&hub);
    places.cache = fresh.cache.clone();
    places.pauses = Vec::new();
    hub.state().breaks = 1;
    let error = find("org/small", &places).unwrap_err();
    assert!(error.kind() == ErrorKind::System && error.to_string().contains("model.safetensors"), "{error}");
    assert!(!error.to_string().contains("s3cret"), "a signed address is nobody's business: {error}");
    hub.state().seen.clear();
    find("org/small", &places).unwrap();
    assert_eq!(store_requests(&hub)[0].header("range"), Some(format!("bytes={half}-").as_str()));
}

#[test]
fn a_store_without_ranges_begins_again() {
    let hub = hub();
    let (_home, places) = places(&hub);
    (hub.state().breaks, hub.state().no_ranges) = (1, true);
    let folder = find("org/small", &places).unwrap();
    assert_eq!(std::fs::read(folder.join("model.safetensors")).unwrap(), weights());
}

#[test]
fn what_came_damaged_is_told_and_deleted() {
    let hub = hub();
    let (_home, places) = places(&hub);
    hub.state().lies = 1;
    let error = find("org/small", &places).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadData);
    assert!(error.to_string().contains("SHA-256") && error.to_string().contains(&sha256(&weights())), "{error}");
    let blobs = places.cache.join("models--org--small/blobs");
    let left = std::fs::read_dir(blobs).unwrap().flatten().filter(|e| e.file_name().len() >= 64).count();
    assert_eq!(left, 0, "nothing of it stays");
    // A half that was damaged before is not held against the next try.
    (hub.state().lies, hub.state().breaks) = (1, 1);
    assert!(find("org/small", &places).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_download_stopped_by_the_disk_says_how_much_and_where() {
    let hub = hub();
    let (_home, places) = places(&hub);
    let blobs = places.cache.join("models--org--small/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    // The device that is always full.
    std::os::unix::fs::symlink("/dev/full", blobs.join(format!("{}.incomplete", sha256(&weights())))).unwrap();
    let error = find("org/small", &places).unwrap_err();
    assert!(error.to_string().contains("HF_HUB_CACHE") && error.to_string().contains("1 MB"), "{error}");
}

#[test]
fn a_pointer_in_the_place_of_a_file_is_recognised() {
    let hub = hub();
    let (_home, places) = places(&hub);
    hub.state().plain = true;
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    hub.put("models/org/small/model.safetensors", pointer);
    let error = find("org/small", &places).unwrap_err();
    assert!(error.to_string().contains("Git LFS"), "{error}");
}

#[test]
fn each_refusal_has_its_own_words() {
    let hub = hub();
    let (_home, mut places) = places(&hub);
    hub.state().found = serde_json::json!([{"id": "org/small"}, {"id": "other/smaller"}]);
    let no = |name: &str, status, headers| hub.state().refused.insert(name.into(), (status, headers));
    no("org/gated", "403 Forbidden", "x-error-code: GatedRepo\r\n");
    no("org/busy", "429 Too Many Requests", "retry-after: 37\r\n");
    no("org/down", "503 Service Unavailable", "");
    no("org/mine", "401 Unauthorized", "x-error-code: RepoNotFound\r\n");
    let told = |name: &str, places: &Places| {
        let text = find(name, places).unwrap_err().to_string();
        assert!(!text.contains(TOKEN), "{text}");
        text
    };
    let page = format!("{}/org/gated", hub.endpoint);
    assert!(told("org/gated", &places).contains(&page));
    assert!(told("org/busy", &places).contains("37 s"));
    assert!(told("org/down", &places).contains("503"));
    let nothing = told("org/smal", &places);
    assert!(nothing.contains("org/small, other/smaller"), "{nothing}");
    assert!(told("org/small@v9", &places).contains("v9"));
    places.token = None;
    let gated = told("org/gated", &places);
    assert!(gated.contains(&page) && gated.contains("settings/tokens") && gated.contains(".env"), "{gated}");
    assert!(told("org/mine", &places).contains("HF_TOKEN"));
}

#[test]
fn a_revision_is_a_download_of_its_own() {
    let hub = hub();
    let (_home, mut places) = places(&hub);
    find("org/small@v1", &places).unwrap();
    let refs = places.cache.join("models--org--small/refs");
    assert!(refs.join("v1").is_file() && !refs.join("main").exists());
    places.offline = true;
    find("org/small@v1", &places).unwrap();
    find(&format!("org/small@{COMMIT}"), &places).unwrap();
    find("https://huggingface.co/org/small/tree/v1", &places).unwrap();
    assert!(find("org/small", &places).unwrap_err().to_string().contains("HF_HUB_OFFLINE"));
    assert!(find("org/small@../../x", &places).is_err());
}

#[test]
fn another_download_of_the_same_file_is_waited_for() {
    let hub = hub();
    let (_home, places) = places(&hub);
    hub.state().slow = Duration::from_millis(2);
    let both: Vec<_> = (0..2)
        .map(|_| {
            let places = places.clone();
            std::thread::spawn(move || find("org/small", &places))
        })
        .collect();
    both.into_iter().for_each(|one| drop(one.join().unwrap().unwrap()));
    assert_eq!(store_requests(&hub).len(), 1, "the second found it there");
}

#[test]
fn a_silence_in_the_middle_ends_too() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hub = hub();
    let (_home, mut places) = places(&hub);
    places.endpoint = format!("http://{}", listener.local_addr().unwrap());
    let started = Instant::now();
    let error = find("org/small", &places).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(error.to_string().contains("2.5 s"), "{error}");
}

#[test]
fn the_file_env_is_read_with_quotes_and_comments_or_without() {
    let text = "# A comment\nHF_TOKEN=one # mine\nexport B = 'two # not'\n#C=three\n\nnonsense\n";
    let line = |name: &str, value: &str| (name.to_string(), value.to_string());
    assert_eq!(super::places::env_file(text), [line("HF_TOKEN", "one"), line("B", "two # not")]);
}
