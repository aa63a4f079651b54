//! The functions between two linear layers, each with its derivative.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::{exp, vectorized};
use super::{cpu_floats, floats, room};

const BLOCK: usize = 16 * 1024;

/// A function of one number, as `config.json` names them in `hidden_act` or `activation_function`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`, Φ the normal distribution (Hendrycks and Gimpel, arXiv 1606.08415): `gelu`.
    Gelu,
    /// The same with `Φ(x) ≈ (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`: `gelu_new`, `gelu_pytorch_tanh`.
    GeluTanh,
    /// `max(x, 0)`: `relu`.
    Relu,
    /// `x σ(x)`: `silu`, `swish`.
    Silu,
    /// `tanh(x)`: `tanh`.
    Tanh,
}

/// Every name that [`Activation::named`] knows.
pub const ACTIVATIONS: &[&str] =
    &["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "silu", "swish", "tanh"];

impl Activation {
    /// The function of that name in transformers, if we know it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            "silu" | "swish" => Some(Self::Silu),
            "tanh" => Some(Self::Tanh),
            _ => None,
        }
    }

    /// Value and derivative at `x`.
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        match self {
            Self::Gelu => {
                let (share, density) = normal(x);
                (x * share, share + x * density)
            }
            Self::GeluTanh => {
                // (1 + tanh u) / 2 is the sigmoid of 2u.
                const DOUBLE: f32 = 2.0 * 0.797_884_6;
                let s = sigmoid(DOUBLE * (x + 0.044_715 * x * x * x));
                (x * s, s + x * s * (1.0 - s) * DOUBLE * (1.0 + 3.0 * 0.044_715 * x * x))
            }
            Self::Relu => (x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 }),
            Self::Silu => {
                let s = sigmoid(x);
                (x * s, s * (1.0 + x * (1.0 - s)))
            }
            Self::Tanh => {
                let t = 2.0 * sigmoid(2.0 * x) - 1.0;
                (t, 1.0 - t * t)
            }
        }
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Φ(x) to 1e-7 and its density: both need `e^(-x²/2)` (Abramowitz and Stegun, formula 7.1.26).
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let bell = exp(-z * z);
    let tail =
        0.5 * bell * t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_8 + t * (-1.453_152 + t * 1.061_405_4))));
    (if x < 0.0 { tail } else { 1.0 - tail }, bell * 0.398_942_3)
}

/// `f(x)`, number by number; y as x. One pass over memory forward and one back, where basic ops make many.
pub fn activate(x: &Tensor, function: Activation) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Activate(function))
}

pub(super) struct Activate(pub(super) Activation);

/// Runs some code with the function as a constant of its loop, so that each loop vectorizes by itself: an `fn` that is compiled
/// in place, which a closure called twice is not.
macro_rules! with_function {
    ($function:expr, |$f:ident| $work:expr, $($name:ident),+) => {
        match $function {
            $(Activation::$name => {
                #[inline(always)]
                fn $f(x: f32) -> (f32, f32) {
                    Activation::$name.at(x)
                }
                $work
            })+
        }
    };
    ($function:expr, |$f:ident| $work:expr) => {
        with_function!($function, |$f| $work, Gelu, GeluTanh, Relu, Silu, Tanh)
    };
}

#[inline(always)]
fn values(f: impl Fn(f32) -> (f32, f32) + Copy, x: &[f32], y: &mut [f32]) {
    vectorized!(for (y, x) in y.iter_mut().zip(x) {
        *y = f(*x).0;
    });
}

#[inline(always)]
fn slopes(f: impl Fn(f32) -> (f32, f32) + Copy, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    vectorized!(for (dx, (x, dy)) in dx.iter_mut().zip(x.iter().zip(dy)) {
        *dx = dy * f(*x).1;
    });
}

impl Activation {
    /// `f(x)`, number by number.
    pub(super) fn of(self, x: &[f32]) -> Vec<f32> {
        let mut y = room(x.len());
        let blocks = y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
        blocks.for_each(|(y, x)| with_function!(self, |f| values(f, x, y)));
        y
    }

    /// `dy f'(x)`, number by number.
    pub(super) fn back(self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let dy = dy.contiguous()?;
        let (xs, dys) = (x.storage_and_layout(), dy.storage_and_layout());
        let (x_values, dy_values) = (cpu_floats(&xs, "activation")?, cpu_floats(&dys, "activation")?);
        let mut dx = room(x_values.len());
        let inputs = x_values.par_chunks(BLOCK).zip(dy_values.par_chunks(BLOCK));
        let blocks = dx.par_chunks_mut(BLOCK).zip(inputs);
        blocks.for_each(|(dx, (x, dy))| with_function!(self, |f| slopes(f, x, dy, dx)));
        Tensor::from_vec(dx, x.shape(), x.device())
    }
}

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = self.0.of(floats(storage, layout, "activation")?);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        self.0.back(x, dy).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_right_to_1e_7() {
        // Φ(1) and Φ(-2) from a table; the integral of the density from -8 by the trapezoid rule for the rest.
        assert!((normal(1.0).0 - 0.841_344_8).abs() < 2e-7 && (normal(-2.0).0 - 0.022_750_1).abs() < 2e-7);
        let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let (mut sum, step) = (0.0, 1e-3);
        for i in -8000..8000 {
            let x = f64::from(i) * step;
            sum += 0.5 * step * (density(x) + density(x + step));
            if i % 97 == 0 {
                let mine = normal((x + step) as f32);
                assert!((f64::from(mine.0) - sum).abs() < 3e-7, "Φ({x}) is {} against {sum}", mine.0);
                assert!((f64::from(mine.1) - density(x + step)).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn every_listed_name_is_known() {
        assert!(ACTIVATIONS.iter().all(|name| Activation::named(name).is_some()));
        assert_eq!(Activation::named("mish"), None);
    }
}
