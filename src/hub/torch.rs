//! `pytorch_model.bin`, the file of weights that PyTorch wrote before safetensors: many models of the Hub have no other.
//!
//! It is a pickle, which in Python may run code; here its names and numbers are read and nothing else is done.

use candle_core::pickle::{read_all, Object, Stack, TensorInfo};
use candle_core::{DType, Device, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::io_error;

/// The file's name.
pub(super) const BIN: &str = "pytorch_model.bin";

/// How a file of PyTorch before 1.6 begins: a pickled number, and another that is its version.
const OLD: &[u8] = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";

/// Reads the tensors of the file at `path` into `tensors`; decimals of any width become f32.
pub(super) fn read(path: &Path, tensors: &mut BTreeMap<String, Tensor>) -> Result<()> {
    let unreadable = |error: std::io::Error| io_error(path, "leer", "read", &error);
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(OLD.len() as u64).read_to_end(&mut start).map_err(unreadable)?;
    let found = match start == OLD {
        true => read_old(&std::fs::read(path).map_err(unreadable)?[OLD.len()..]),
        false => read_all(path),
    };
    let found = found.map_err(|error| damaged(path).why(error))?;
    if found.is_empty() {
        return Err(damaged(path));
    }
    for (name, tensor) in found {
        let tensor = if tensor.dtype().is_float() { tensor.to_dtype(DType::F32)? } else { tensor };
        tensors.insert(name, tensor.contiguous()?);
    }
    Ok(())
}

fn damaged(path: &Path) -> Error {
    let shown = path.display();
    Error::new(
        ErrorKind::BadModel,
        tr!(
            "«{shown}» está dañado, o no son pesos de PyTorch.",
            "\"{shown}\" is damaged, or holds no weights of PyTorch."
        ),
    )
    .next(tr!("Bórralo y descarga el modelo otra vez.", "Delete it and download the model again."))
}

/// The old form: what the machine was like, where each tensor lies in which storage, the order of the storages, and those
/// one after the other, each with its length (`torch/serialization.py`, `_legacy_load`).
fn read_old(mut rest: &[u8]) -> candle_core::Result<Vec<(String, Tensor)>> {
    let mut next = || -> candle_core::Result<Object> {
        let mut stack = Stack::empty();
        stack.read_loop(&mut rest)?;
        stack.finalize()
    };
    let (_machine, state, order) = (next()?, next()?, next()?);
    let (Object::Dict(state), Object::List(order)) = (state, order) else { candle_core::bail!("no tensors") };
    let nowhere = Path::new("");
    let mut infos: Vec<TensorInfo> = Vec::new();
    for (name, value) in state {
        infos.extend(value.into_tensor_info(name, nowhere)?);
    }
    // A tensor knows its storage as "/KEY".
    let sizes: HashMap<&str, usize> = infos.iter().map(|info| (&info.path[1..], info.dtype.size_in_bytes())).collect();
    let mut storages: HashMap<String, &[u8]> = HashMap::new();
    for key in order {
        let Ok(key) = key.unicode() else { candle_core::bail!("a storage without a name") };
        let Some((length, after)) = rest.split_first_chunk::<8>() else { candle_core::bail!("cut short") };
        let size = sizes.get(key.as_str()).copied().unwrap_or(4);
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX).saturating_mul(size);
        let Some((data, after)) = after.split_at_checked(length) else { candle_core::bail!("cut short") };
        storages.insert(key, data);
        rest = after;
    }
    infos.into_iter().map(|info| Ok((info.name.clone(), tensor(&info, &storages)?))).collect()
}

/// A tensor that lies in one of the storages, row after row.
fn tensor(info: &TensorInfo, storages: &HashMap<String, &[u8]>) -> candle_core::Result<Tensor> {
    let (name, layout) = (&info.name, &info.layout);
    let start = layout.start_offset(); // in bytes, as candle counts here
    let end = start.saturating_add(layout.shape().elem_count().saturating_mul(info.dtype.size_in_bytes()));
    let data = storages.get(&info.path[1..]).and_then(|data| data.get(start..end));
    match data {
        Some(data) if layout.is_contiguous() => {
            Tensor::from_raw_buffer(data, info.dtype, layout.shape().dims(), &Device::Cpu)
        }
        Some(_) => candle_core::bail!("{name} does not lie row after row"),
        None => candle_core::bail!("{name} is cut short"),
    }
}
