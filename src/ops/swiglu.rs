//! SwiGLU, the gate of Llama's feed-forward layers (Shazeer, arXiv 2002.05202).

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::{exp, vectorized};
use super::{cpu_floats, floats, room};

const BLOCK: usize = 16 * 1024;

/// `y = gate * sigmoid(gate) * up`, element by element. Shapes: all three equal.
///
/// Written with basic ops it makes five temporaries; this makes one, and two in the backward.
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.contiguous()?.apply_op2(&up.contiguous()?, SwiGlu)
}

struct SwiGlu;

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (floats(s1, l1, "swiglu")?, floats(s2, l2, "swiglu")?);
        let mut y = room(gate.len());
        y.par_chunks_mut(BLOCK).zip(gate.par_chunks(BLOCK).zip(up.par_chunks(BLOCK))).for_each(|(y, (gate, up))| {
            vectorized!({
                for ((y, g), u) in y.iter_mut().zip(gate).zip(up) {
                    *y = g * sigmoid(*g) * u;
                }
            });
        });
        Ok((CpuStorage::F32(y), l1.shape().clone()))
    }

    fn bwd(&self, gate: &Tensor, up: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (gs, us, dys) = (gate.storage_and_layout(), up.storage_and_layout(), dy.storage_and_layout());
        let (g, u, dy_values) = (cpu_floats(&gs, "swiglu")?, cpu_floats(&us, "swiglu")?, cpu_floats(&dys, "swiglu")?);
        let (mut dgate, mut dup) = (room(g.len()), room(g.len()));
        let outputs = dgate.par_chunks_mut(BLOCK).zip(dup.par_chunks_mut(BLOCK));
        let inputs = g.par_chunks(BLOCK).zip(u.par_chunks(BLOCK).zip(dy_values.par_chunks(BLOCK)));
        outputs.zip(inputs).for_each(|((dgate, dup), (g, (u, dy)))| {
            vectorized!({
                for i in 0..g.len() {
                    let s = sigmoid(g[i]);
                    dup[i] = dy[i] * g[i] * s;
                    dgate[i] = dy[i] * u[i] * s * (1.0 + g[i] * (1.0 - s));
                }
            });
        });
        let tensor = |values| Tensor::from_vec(values, gate.shape(), gate.device());
        Ok((Some(tensor(dgate)?), Some(tensor(dup)?)))
    }
}
