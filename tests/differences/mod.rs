//! What the tests of ops share: gradients against central differences, and against the same formula in candle's basic ops.

#![allow(dead_code)] // each test file uses its part

use aula::rng::Rng;
use candle_core::{DType, Device, Result, Tensor, Var};

/// One way to compute something.
pub type Form<'a> = &'a dyn Fn() -> Result<Tensor>;

/// [`check`] or [`alike`].
pub type Compare = fn(&str, &[&Var], Form, Form);

pub fn random(shape: &[usize], seed: u64) -> Var {
    let count = shape.iter().product();
    let values = Rng::new(seed).normals(count, 0.8);
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

pub fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// A scalar that weighs every number of `y` differently, so that no error hides in a sum.
pub fn weigh(y: &Tensor) -> Result<Tensor> {
    let weights = random(y.dims(), 99);
    (y * weights.as_tensor())?.sum_all()
}

/// Gradients of `weigh(f())` for each variable.
pub fn gradients(vars: &[&Var], f: Form) -> Vec<Vec<f64>> {
    let store = weigh(&f().unwrap()).unwrap().backward().unwrap();
    vars.iter().map(|var| numbers(store.get(var).expect("a gradient"))).collect()
}

pub fn close(name: &str, mine: &[f64], theirs: &[f64], tolerance: f64) {
    let scale = theirs.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
    for (i, (a, b)) in mine.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() < tolerance * scale, "{name}[{i}]: {a} against {b}");
    }
    assert_eq!(mine.len(), theirs.len(), "{name}");
}

/// Checks value and gradients of `fused` against `composite`, and the gradients against central differences.
pub fn check(name: &str, vars: &[&Var], fused: Form, composite: Form) {
    alike(name, vars, fused, composite);
    for (var, mine) in vars.iter().zip(gradients(vars, fused)) {
        close(&format!("{name}: against finite differences"), &mine, &differences(var, fused), 2e-2);
    }
}

/// As [`check`], without the differences, which take two runs a number.
pub fn alike(name: &str, vars: &[&Var], fused: Form, composite: Form) {
    close(name, &numbers(&fused().unwrap()), &numbers(&composite().unwrap()), 1e-5);
    for (i, (mine, theirs)) in gradients(vars, fused).iter().zip(gradients(vars, composite)).enumerate() {
        close(&format!("{name}: gradient {i} against the composite form"), mine, &theirs, 1e-4);
    }
}

/// Central differences, one number at a time.
pub fn differences(var: &Var, f: Form) -> Vec<f64> {
    let step = 1e-2f64;
    let original = numbers(var);
    let at = |i: usize, delta: f64| {
        let mut values: Vec<f32> = original.iter().map(|x| *x as f32).collect();
        values[i] += delta as f32;
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
        numbers(&weigh(&f().unwrap()).unwrap())[0]
    };
    let all = (0..original.len()).map(|i| (at(i, step) - at(i, -step)) / (2.0 * step)).collect();
    at(0, 0.0);
    all
}
