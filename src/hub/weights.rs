//! A model's folder: is it complete, and its weights as tensors.

use super::torch::{self, BIN};
use crate::error::{Error, ErrorKind, Result};
use crate::table::similar::listed;
use crate::table::{lfs_pointer, LFS_POINTER};
use crate::vocab::older_files;
use candle_core::{DType, Device, Tensor, Var};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Most names that a message lists.
const LISTED: usize = 6;

/// Checks that `folder` holds all that a model needs, without reading the weights.
pub(super) fn check(folder: &Path) -> Result<()> {
    let tokenizer = if folder.join("tokenizer.json").is_file() { None } else { older_files(folder) };
    let pictures = folder.join("preprocessor_config.json").is_file(); // such a model reads no text
    let tokenizer = tokenizer.unwrap_or(if pictures { &[] } else { &["tokenizer.json"] });
    let mut missing: Vec<String> = ["config.json"]
        .iter()
        .chain(tokenizer)
        .filter(|name| !folder.join(name).is_file())
        .map(|s| s.to_string())
        .collect();
    let files = weight_files(folder)?;
    missing.extend(files.iter().filter(|name| !folder.join(name).is_file()).cloned());
    if !missing.is_empty() {
        return Err(incomplete(folder, &missing));
    }
    for name in ["config.json"].into_iter().chain(files.iter().map(String::as_str)).chain(tokenizer.iter().copied()) {
        if is_pointer(&folder.join(name)) {
            return Err(lfs_pointer(&folder.join(name).to_string_lossy()));
        }
    }
    Ok(())
}

fn incomplete(folder: &Path, missing: &[String]) -> Error {
    let has = |name: &str| folder.join(name).is_file();
    let (path, missing) = (folder.display(), listed(missing, LISTED));
    let error = Error::new(
        ErrorKind::BadModel,
        tr!("A la carpeta «{path}» le falta: {missing}.", "The folder \"{path}\" lacks: {missing}."),
    );
    if has("adapter_config.json") {
        return error.next(tr!(
            "Es un adaptador (LoRA), no un modelo entero: carga antes su modelo base.",
            "It is an adapter (LoRA), not a whole model: load its base model first."
        ));
    }
    error.next(tr!(
        "Un modelo es una carpeta con config.json, tokenizer.json y model.safetensors.",
        "A model is a folder with config.json, tokenizer.json and model.safetensors."
    ))
}

fn is_pointer(file: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(file).and_then(|file| file.take(LFS_POINTER.len() as u64).read_to_end(&mut start));
    read.is_ok() && start == LFS_POINTER
}

/// The names of the files that hold the weights: one, or the shards that the index names, or else PyTorch's older one.
pub(super) fn weight_files(folder: &Path) -> Result<Vec<String>> {
    let has = |name: &str| folder.join(name).is_file();
    if has(SINGLE) || !has(INDEX) {
        let older = !has(SINGLE) && has(BIN);
        return Ok(vec![if older { BIN.into() } else { SINGLE.into() }]);
    }
    let names: BTreeSet<String> = index(folder)?.into_values().collect();
    Ok(names.into_iter().collect())
}

/// Which shard each tensor is in.
fn index(folder: &Path) -> Result<BTreeMap<String, String>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let path = folder.join(INDEX);
    let shown = path.display();
    let bad = || {
        Error::new(
            ErrorKind::BadModel,
            tr!(
                "El índice de los pesos «{shown}» no se entiende.",
                "The index of the weights \"{shown}\" makes no sense."
            ),
        )
        .next(tr!("Descarga o guarda el modelo otra vez.", "Download or save the model again."))
    };
    if is_pointer(&path) {
        return Err(lfs_pointer(&shown.to_string()));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| bad().why(error))?;
    let index: Index = serde_json::from_str(&text).map_err(|error| bad().why(error))?;
    // A shard lies beside its index: an index from elsewhere must not make us read other files.
    match index.weight_map.values().find(|name| name.contains(['/', '\\']) || name.starts_with('.')) {
        Some(name) => Err(bad().why(tr!("Nombra «{name}».", "It names \"{name}\"."))),
        None if index.weight_map.is_empty() => Err(bad().why(tr!("No nombra ningún tensor.", "It names no tensor."))),
        None => Ok(index.weight_map),
    }
}

/// All tensors of the model in `folder`, by name, on the CPU: `model.safetensors`, the shards of its index, or
/// `pytorch_model.bin`.
///
/// Decimals of any width (f16, bf16, f64) become f32; whole numbers stay as they are.
///
/// # Errors
/// When a shard is missing (all are listed), a file is cut, is a Git LFS pointer or is no safetensors file, or a tensor
/// is of a type that is not supported.
pub fn load_weights(folder: &Path) -> Result<BTreeMap<String, Tensor>> {
    let files = weight_files(folder)?;
    let missing: Vec<String> = files.iter().filter(|name| !folder.join(name).is_file()).cloned().collect();
    if !missing.is_empty() {
        return Err(incomplete(folder, &missing));
    }
    let mut tensors = BTreeMap::new();
    for name in &files {
        read_file(&folder.join(name), &mut tensors)?;
    }
    if files != [SINGLE] && files != [BIN] {
        let lost: Vec<String> = index(folder)?.into_keys().filter(|name| !tensors.contains_key(name)).collect();
        if !lost.is_empty() {
            let (path, lost) = (folder.display(), listed(&lost, LISTED));
            return Err(Error::new(
                ErrorKind::BadModel,
                tr!("Los pesos de «{path}» no traen: {lost}.", "The weights of \"{path}\" lack: {lost}."),
            )
            .next(tr!("Descarga el modelo otra vez.", "Download the model again.")));
        }
    }
    Ok(tensors)
}

fn read_file(path: &Path, tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
    let shown = path.display().to_string();
    if path.ends_with(BIN) && !is_pointer(path) {
        return torch::read(path, tensors);
    }
    if is_pointer(path) {
        return Err(lfs_pointer(&shown));
    }
    let unreadable = |error: std::io::Error| {
        Error::new(ErrorKind::System, tr!("«{shown}» no se pudo leer.", "\"{shown}\" could not be read."))
            .why(error)
            .next(tr!("Descarga o guarda el modelo otra vez.", "Download or save the model again."))
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let start = beginning(&mut file).map_err(unreadable)?;
    let metadata = contents(&start, size).map_err(|error| broken(&shown, &start, size).why(error))?;
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let dtype = info.dtype;
        let Some(kind) = supported(dtype) else {
            return Err(Error::new(
                ErrorKind::BadModel,
                tr!(
                    "El tensor «{name}» de «{shown}» es de un tipo que no se admite: {dtype:?}.",
                    "The tensor \"{name}\" of \"{shown}\" is of a type that is not supported: {dtype:?}."
                ),
            )
            .next(tr!(
                "Busca una versión del modelo en f32, f16 o bf16, sin cuantizar.",
                "Look for a version of the model in f32, f16 or bf16, not quantized."
            )));
        };
        let tensor = match kind.is_float() {
            true => {
                let values = decimals(&mut file, kind, info.shape.iter().product()).map_err(unreadable)?;
                // A variable, which a model takes as it is: of any other tensor it makes a copy.
                Var::from_vec(values, info.shape.as_slice(), &Device::Cpu)?.as_tensor().clone()
            }
            false => {
                let mut bytes = vec![0; info.data_offsets.1 - info.data_offsets.0];
                file.read_exact(&mut bytes).map_err(unreadable)?;
                Tensor::from_raw_buffer(&bytes, kind, &info.shape, &Device::Cpu)?
            }
        };
        tensors.insert(name, tensor);
    }
    Ok(())
}

/// How a safetensors file begins: the length of its header, 8 bytes, and the header, as far as there is one.
fn beginning(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(8).read_to_end(&mut start)?;
    file.take(header_length(&start).unwrap_or(0) as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// The length of the header, where it can be one.
fn header_length(start: &[u8]) -> Option<usize> {
    let length = u64::from_le_bytes(*start.first_chunk()?);
    (length < 100_000_000).then_some(length as usize)
}

/// What a file of `size` bytes holds, by its header: its tensors lie one after the other and fill it.
fn contents(start: &[u8], size: u64) -> std::result::Result<Metadata, SafeTensorError> {
    let header = start.get(8..).ok_or(SafeTensorError::HeaderTooSmall)?;
    let metadata: Metadata = serde_json::from_slice(header).map_err(SafeTensorError::InvalidHeaderDeserialization)?;
    match (start.len() + metadata.data_len()) as u64 == size {
        true => Ok(metadata),
        false => Err(SafeTensorError::MetadataIncompleteBuffer),
    }
}

/// Numbers that are read and widened at once, so that a tensor is never held in two widths.
const PIECE: usize = 1 << 16;

/// The next `count` decimals of a file, of this type there, as f32.
fn decimals(file: &mut File, kind: DType, count: usize) -> std::io::Result<Vec<f32>> {
    let mut values = vec![0f32; count];
    if kind == DType::F32 {
        file.read_exact(bytemuck::cast_slice_mut(&mut values))?;
        return Ok(values);
    }
    for piece in values.chunks_mut(PIECE) {
        if kind == DType::F64 {
            let mut wide = vec![0f64; piece.len()];
            file.read_exact(bytemuck::cast_slice_mut(&mut wide))?;
            piece.iter_mut().zip(wide).for_each(|(value, wide)| *value = wide as f32);
            continue;
        }
        let mut bits = vec![0u16; piece.len()];
        file.read_exact(bytemuck::cast_slice_mut(&mut bits))?;
        match kind {
            DType::BF16 => bits.reinterpret_cast::<bf16>().convert_to_f32_slice(piece),
            _ => bits.reinterpret_cast::<f16>().convert_to_f32_slice(piece),
        }
    }
    Ok(values)
}

fn supported(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        Dtype::F64 => Some(DType::F64),
        // Positions and masks that some checkpoints carry along.
        Dtype::I64 => Some(DType::I64),
        Dtype::I32 => Some(DType::I32),
        Dtype::I16 => Some(DType::I16),
        Dtype::U32 => Some(DType::U32),
        Dtype::U8 | Dtype::BOOL => Some(DType::U8),
        _ => None,
    }
}

/// What is wrong with a file of `has` bytes that is no good safetensors file: cut short, or something else altogether.
fn broken(path: &str, start: &[u8], has: u64) -> Error {
    let plausible = header_length(start).filter(|_| start.get(8).is_none_or(|&byte| byte == b'{'));
    let Some(header) = plausible else {
        return Error::new(
            ErrorKind::BadModel,
            tr!("«{path}» no es un archivo safetensors.", "\"{path}\" is not a safetensors file."),
        )
        .next(tr!("Descarga el modelo otra vez.", "Download the model again."));
    };
    let whole = (8 + header as u64).max(last_byte(start, header).unwrap_or(0));
    let error = match whole > has {
        true => tr!(
            "«{path}» está cortado: tiene {has} bytes de {whole} o más.",
            "\"{path}\" is cut short: it has {has} bytes of {whole} or more."
        ),
        false => tr!("«{path}» está dañado.", "\"{path}\" is damaged."),
    };
    Error::new(ErrorKind::BadModel, error)
        .next(tr!("Bórralo y descarga el modelo otra vez.", "Delete it and download the model again."))
}

/// Where the last tensor ends, as the header says.
fn last_byte(start: &[u8], header: usize) -> Option<u64> {
    let header_bytes = start.get(8..8 + header)?;
    let tensors: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header_bytes).ok()?;
    let ends = tensors.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    ends.max().map(|end| end.saturating_add(8 + header as u64))
}
