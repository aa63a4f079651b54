//! Attention as candle takes an op: queries, keys and values in three tensors, or side by side in one.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};

use super::backward::{Gradients, Inputs};
use super::place::SharedRows;
use super::Attention;
use crate::ops::{cpu_floats, floats, room};

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (floats(s1, l1, "attention")?, floats(s2, l2, "attention")?, floats(s3, l3, "attention")?);
        Ok(self.forward(q, k, v))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let guards = [q, k, v, &dy].map(Tensor::storage_and_layout);
        let [q_values, k_values, v_values, dy_values] = [0, 1, 2, 3].map(|i| cpu_floats(&guards[i], "attention"));
        let inputs = Inputs { q: q_values?, k: k_values?, v: v_values?, dy: dy_values? };
        let mut dq = self.output(inputs.q.len());
        let (mut dk, mut dv) = (self.output(inputs.k.len()), self.output(inputs.k.len()));
        let (of_queries, of_biases) = dq.split_at_mut(self.query_numbers());
        let mut parts = room(self.texts() * of_biases.len());
        let gradients = Gradients {
            q: SharedRows::of(of_queries),
            k: SharedRows::of(&mut dk),
            v: SharedRows::of(&mut dv),
            bias: SharedRows::of(&mut parts),
        };
        self.backward(&inputs, &gradients);
        if self.biased {
            self.sum_over_texts(&parts, of_biases);
        }
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
        Ok((tensor(dq, q)?, tensor(dk, k)?, tensor(dv, v)?))
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention-fused"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let qkv = floats(storage, layout, "attention-fused")?;
        Ok(self.forward(qkv, qkv, qkv))
    }

    fn bwd(&self, qkv: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let (guard, dy_guard) = (qkv.storage_and_layout(), dy.storage_and_layout());
        let (all, dy) = (cpu_floats(&guard, "attention-fused")?, cpu_floats(&dy_guard, "attention-fused")?);
        let mut gradient = self.output(all.len());
        // Three views of one buffer: the rows of queries, keys and values do not overlap, and together they fill it.
        let [q, k, v] = SharedRows::three(&mut gradient);
        let bias = SharedRows::of(&mut []);
        self.backward(&Inputs { q: all, k: all, v: all, dy }, &Gradients { q, k, v, bias });
        Ok(Some(Tensor::from_vec(gradient, qkv.shape(), qkv.device())?))
    }
}
