//! Every op of `src/ops` against finite differences and against the same formula written with candle's basic ops.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use aula::ops::{self, Activation, Affine, Dropout, Of, RopeTable, Seen, Wanted, IGNORE};
use aula::rng::Rng;
use candle_core::{DType, Device, Result, Tensor, Var, D};

fn random(shape: &[usize], seed: u64) -> Var {
    let count = shape.iter().product();
    let values = Rng::new(seed).normals(count, 0.8);
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// A scalar that weighs every number of `y` differently, so that no error hides in a sum.
fn weigh(y: &Tensor) -> Result<Tensor> {
    let weights = random(y.dims(), 99);
    (y * weights.as_tensor())?.sum_all()
}

/// Gradients of `weigh(f())` for each variable.
fn gradients(vars: &[&Var], f: &dyn Fn() -> Result<Tensor>) -> Vec<Vec<f64>> {
    let store = weigh(&f().unwrap()).unwrap().backward().unwrap();
    vars.iter().map(|var| numbers(store.get(var).expect("a gradient"))).collect()
}

fn close(name: &str, mine: &[f64], theirs: &[f64], tolerance: f64) {
    let scale = theirs.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
    for (i, (a, b)) in mine.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() < tolerance * scale, "{name}[{i}]: {a} against {b}");
    }
    assert_eq!(mine.len(), theirs.len(), "{name}");
}

/// Checks value and gradients of `fused` against `composite`, and the gradients against central differences.
fn check(name: &str, vars: &[&Var], fused: &dyn Fn() -> Result<Tensor>, composite: &dyn Fn() -> Result<Tensor>) {
    close(name, &numbers(&fused().unwrap()), &numbers(&composite().unwrap()), 1e-5);
    let mine = gradients(vars, fused);
    for (i, (mine, theirs)) in mine.iter().zip(gradients(vars, composite)).enumerate() {
        close(&format!("{name}: gradient {i} against the composite form"), mine, &theirs, 1e-4);
    }
    for (var, mine) in vars.iter().zip(&mine) {
        close(&format!("{name}: against finite differences"), mine, &differences(var, fused), 2e-2);
    }
}

/// Central differences, one number at a time.
fn differences(var: &Var, f: &dyn Fn() -> Result<Tensor>) -> Vec<f64> {
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

#[test]
fn linear_is_x_times_w_transposed() {
    let (x, w) = (random(&[2, 3, 5], 1), random(&[4, 5], 2));
    let composite = || x.flatten(0, 1)?.matmul(&w.t()?)?.reshape((2, 3, 4));
    check("linear", &[&x, &w], &|| ops::linear(&x, &w, true), &composite);
}

#[test]
fn linear_add_adds_to_its_residual() {
    let (x, w, r) = (random(&[3, 5], 1), random(&[4, 5], 2), random(&[3, 4], 3));
    let composite = || x.matmul(&w.t()?)? + r.as_tensor();
    check("linear_add", &[&x, &w, &r], &|| ops::linear_add(&x, &w, &r, true), &composite);
}

#[test]
fn linear_is_right_on_a_strided_input() {
    // candle's own Linear is wrong here on the CPU.
    let (x, w) = (random(&[2, 5, 3], 1), random(&[4, 5], 2));
    let fused = || ops::linear(&x.transpose(1, 2)?, &w, true);
    let composite = || x.transpose(1, 2)?.contiguous()?.flatten(0, 1)?.matmul(&w.t()?)?.reshape((2, 3, 4));
    check("strided linear", &[&x, &w], &fused, &composite);
}

#[test]
fn a_frozen_linear_gives_no_gradient_for_its_weight() {
    let (x, w) = (random(&[3, 5], 1), random(&[4, 5], 2));
    let store = ops::linear(&x, &w, false).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(store.get(&w).is_none());
    let full = ops::linear(&x, &w, true).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(numbers(store.get(&x).unwrap()), numbers(full.get(&x).unwrap()));
}

#[test]
fn a_bias_is_added_to_every_row_and_conv1d_reads_its_weight_the_other_way_round() {
    let (x, b) = (random(&[2, 70, 5], 1), random(&[4], 3));
    for fan_in_fan_out in [false, true] {
        let w = random(if fan_in_fan_out { &[5, 4] } else { &[4, 5] }, 2);
        let how = Affine { train_weight: true, fan_in_fan_out };
        let fused = || how.run(&x, &w, Some(&b), (140, 4));
        let composite = || {
            let w = if fan_in_fan_out { w.as_tensor().clone() } else { w.t()? };
            x.flatten(0, 1)?.matmul(&w)?.broadcast_add(&b)
        };
        check("affine", &[&x, &w, &b], &fused, &composite);
    }
    let w = random(&[4, 5], 2);
    let how = Affine { train_weight: false, fan_in_fan_out: false };
    let store = how.run(&x, &w, Some(&b.as_detached_tensor()), (140, 4)).unwrap().sum_all().unwrap();
    let store = store.backward().unwrap();
    assert!(store.get(&w).is_none() && store.get(&b).is_none() && store.get(&x).is_some());
    assert!(how.run(&x, &w, Some(&random(&[5], 1)), (140, 4)).is_err(), "a bias of another length");
}

#[test]
fn a_few_rows_come_out_as_among_many() {
    // Weights that both cores read, and a small one.
    for (input, out) in [(300, 500), (7, 9)] {
        let (x, bias) = (random(&[12, input], 1), random(&[out], 2));
        for fan_in_fan_out in [false, true] {
            let weight = random(&if fan_in_fan_out { [input, out] } else { [out, input] }, 3);
            let affine = Affine { train_weight: false, fan_in_fan_out };
            let many = affine.run(&x, &weight, Some(&bias), (12, out)).unwrap();
            for rows in [1, 3, 8] {
                let few = x.narrow(0, 2, rows).unwrap();
                let (theirs, sum) = (many.narrow(0, 2, rows).unwrap(), random(&[rows, out], 4));
                let mine = affine.run(&few, &weight, Some(&bias), (rows, out)).unwrap();
                close("with a bias", &numbers(&mine), &numbers(&theirs), 1e-5);
                let added = affine.run(&few, &weight, Some(&sum), (rows, out)).unwrap();
                let theirs = (theirs.broadcast_sub(&bias).unwrap() + sum.as_tensor()).unwrap();
                close("added", &numbers(&added), &numbers(&theirs), 1e-5);
            }
        }
    }
}

#[test]
fn layer_norm_divides_by_the_deviation_from_the_mean() {
    let (x, w, b) = (random(&[70, 20], 1), random(&[20], 2), random(&[20], 3));
    let composite = || {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        centred.broadcast_div(&(variance + 1e-5)?.sqrt()?)?.broadcast_mul(&w)?.broadcast_add(&b)
    };
    check("layer_norm", &[&x, &w, &b], &|| ops::layer_norm(&x, &w, &b, 1e-5), &composite);
}

#[test]
fn activations_equal_candles() {
    let x = random(&[3, 37], 1);
    let by = |function| move |x: &Tensor| ops::activate(x, function);
    check("gelu", &[&x], &|| by(Activation::Gelu)(&x), &|| x.gelu_erf());
    check("gelu_new", &[&x], &|| by(Activation::GeluTanh)(&x), &|| x.gelu());
    check("silu", &[&x], &|| by(Activation::Silu)(&x), &|| x.silu());
    check("tanh", &[&x], &|| by(Activation::Tanh)(&x), &|| x.tanh());
    let relu = || by(Activation::Relu)(&x);
    close("relu", &numbers(&relu().unwrap()), &numbers(&x.relu().unwrap()), 1e-6);
    close("relu", &gradients(&[&x], &relu)[0], &gradients(&[&x], &|| x.relu())[0], 1e-6);
}

#[test]
fn embedding_takes_rows_and_adds_up_the_gradients_of_each() {
    let table = random(&[6, 5], 1);
    let ids = [3, 0, 3, 5, 3, 0];
    let composite = || table.index_select(&Tensor::new(&ids, &Device::Cpu)?, 0)?.reshape((2, 3, 5));
    check("embedding", &[&table], &|| ops::embedding(&table, &ids, &[2, 3]), &composite);
    let error = ops::embedding(&table, &[1, 6], &[2]).unwrap_err().to_string();
    assert!(error.contains("id 6") && error.contains("6 rows"), "{error}");
}

#[test]
fn the_rows_of_a_batch_stand_for_the_whole_table() {
    let (table, ids) = (random(&[6, 5], 1), [3, 0, 3, 5, 3, 0]);
    let (rows, places) = ops::distinct(&ids);
    assert_eq!((rows.as_slice(), places.as_slice()), (&[0, 3, 5][..], &[1, 0, 1, 2, 1, 0][..]));
    let few = Var::from_tensor(&ops::embedding(&table, &rows, &[3]).unwrap().detach()).unwrap();
    let small = weigh(&ops::embedding(&few, &places, &[2, 3]).unwrap()).unwrap().backward().unwrap();
    let sum = Tensor::zeros((6, 5), DType::F32, &Device::Cpu).unwrap();
    ops::add_rows(&sum, &rows, small.get(&few).unwrap()).unwrap();
    close("rows", &numbers(&sum), &gradients(&[&table], &|| ops::embedding(&table, &ids, &[2, 3]))[0], 1e-6);
    assert!(ops::add_rows(&sum, &[0, 3, 6], small.get(&few).unwrap()).is_err(), "a row past the table");
}

#[test]
fn dropout_leaves_out_the_same_numbers_forward_and_back() {
    let x = random(&[2, 5, 8], 1);
    let dropout = Dropout::new(0.4, vec![3, 4]);
    let kept = ops::dropout(&x.ones_like().unwrap(), &dropout).unwrap(); // 0 or 1 / 0.6
    let share = numbers(&kept).iter().filter(|x| **x == 0.0).count();
    assert!((20..45).contains(&share), "{share} of 80 are left out");
    check("dropout", &[&x], &|| ops::dropout(&x, &dropout), &|| x.as_tensor() * &kept);
    assert!(ops::dropout(&x, &Dropout::new(0.4, vec![3])).is_err(), "a text without a seed");
}

#[test]
fn rms_norm_divides_by_the_root_mean_square() {
    let (x, w) = (random(&[70, 20], 1), random(&[20], 2));
    let composite = || {
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        x.broadcast_div(&(mean + 1e-5)?.sqrt()?)?.broadcast_mul(&w)
    };
    check("rms_norm", &[&x, &w], &|| ops::rms_norm(&x, &w, 1e-5), &composite);
}

#[test]
fn swiglu_gates_with_silu() {
    let (g, u) = (random(&[3, 37], 1), random(&[3, 37], 2));
    check("swiglu", &[&g, &u], &|| ops::swiglu(&g, &u), &|| g.silu()? * u.as_tensor());
}

#[test]
fn rope_turns_pairs_by_their_positions_angle() {
    let x = random(&[2, 5, 3, 8], 1);
    let table = RopeTable::new(16, 8, 100.0);
    let composite = || {
        let angle = |p: usize, i: usize| (p + 2) as f32 / 100f32.powf(2.0 * i as f32 / 8.0);
        let angles: Vec<f32> = (0..5).flat_map(|p| (0..4).map(move |i| angle(p, i))).collect();
        let angles = Tensor::from_vec(angles, (1, 5, 1, 4), &Device::Cpu)?;
        let (cos, sin) = (angles.cos()?, angles.sin()?);
        let (a, b) = (x.narrow(3, 0, 4)?, x.narrow(3, 4, 4)?);
        let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        Tensor::cat(&[first, second], 3)
    };
    check("rope", &[&x], &|| ops::rope(&x, &table, 2), &composite);
    assert!(ops::rope(&x, &table, 12).is_err(), "positions past the table");
}

/// Attention with the whole matrix of weights. Shapes as in `ops::attention`.
fn composite_attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let (time, keys) = (q.dim(1)?, k.dim(1)?);
    composite(q, k, v, &|_, i, j| j <= i + keys - time)
}

/// As [`composite_attention`]; `sees(text, query, key)` tells which keys count.
fn composite(q: &Tensor, k: &Tensor, v: &Tensor, sees: &dyn Fn(usize, usize, usize) -> bool) -> Result<Tensor> {
    let (batch, time, heads, d) = q.dims4()?;
    let (_, keys, kv_heads, _) = k.dims4()?;
    let repeat = |x: &Tensor| {
        let x = x.unsqueeze(3)?.broadcast_as((batch, keys, kv_heads, heads / kv_heads, d))?;
        x.reshape((batch, keys, heads, d))?.transpose(1, 2)?.contiguous()
    };
    let (q, k, v) = (q.transpose(1, 2)?.contiguous()?, repeat(k)?, repeat(v)?);
    let scores = (q.matmul(&k.t()?)? / (d as f64).sqrt())?;
    let see = |b: usize, i: usize, j: usize| if sees(b, i, j) { 0f32 } else { -1e9 };
    let places = (0..batch).flat_map(|b| (0..time).flat_map(move |i| (0..keys).map(move |j| (b, i, j))));
    let mask: Vec<f32> = places.map(|(b, i, j)| see(b, i, j)).collect();
    let scores = scores.broadcast_add(&Tensor::from_vec(mask, (batch, 1, time, keys), &Device::Cpu)?)?;
    let weights = (scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach()))?.exp()?;
    let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
    weights.matmul(&v)?.transpose(1, 2)?.contiguous()
}

#[test]
fn attention_equals_softmax_of_scores_times_values() {
    let (q, k, v) = (random(&[2, 5, 4, 6], 1), random(&[2, 5, 2, 6], 2), random(&[2, 5, 2, 6], 3));
    check("attention", &[&q, &k, &v], &|| ops::attention(&q, &k, &v), &|| composite_attention(&q, &k, &v));
}

#[test]
fn attention_within_a_text_sees_all_of_it_and_no_padding() {
    let shapes = [[2, 5, 4, 6], [2, 5, 2, 6], [2, 5, 2, 6]];
    let [q, k, v] = [0, 1, 2].map(|i| random(&shapes[i], i as u64));
    let lengths = [5, 3];
    let fused = || ops::attention_within(&q, &k, &v, &lengths, None);
    // What a padded query says is zero here; nothing looks at it.
    let real: Vec<f32> = (0..2).flat_map(|b| (0..5).map(move |i| if i < lengths[b] { 1.0 } else { 0.0 })).collect();
    let real = Tensor::from_vec(real, (2, 5, 1, 1), &Device::Cpu).unwrap();
    let composite = || composite(&q, &k, &v, &|b, _, j| j < lengths[b])?.broadcast_mul(&real);
    check("attention within", &[&q, &k, &v], &fused, &composite);
    let [q, k, v] = [1, 2, 3].map(|i| random(&[2, 150, 2, 8], i));
    let (vars, lengths) = ([&q, &k, &v], [150, 70]);
    let blocks = gradients(&vars, &|| ops::attention_within(&q, &k, &v, &lengths, None)?.narrow(1, 0, 70));
    let whole = gradients(&vars, &|| crate::composite(&q, &k, &v, &|b, _, j| j < lengths[b])?.narrow(1, 0, 70));
    for (mine, theirs) in blocks.iter().zip(whole) {
        close("attention within, over blocks", mine, &theirs, 1e-4);
    }
    assert!(ops::attention_within(&q, &k, &v, &[151, 3], None).is_err(), "a text longer than the batch");
}

#[test]
fn attention_on_queries_keys_and_values_side_by_side_equals_that_on_three() {
    let qkv = random(&[2, 70, 3 * 4 * 6], 1);
    let parts = |i: usize| qkv.narrow(2, i * 24, 24)?.contiguous()?.reshape((2, 70, 4, 6));
    let fused = || ops::attention_fused(&qkv, 4, None);
    let three = || ops::attention(&parts(0)?, &parts(1)?, &parts(2)?);
    close("value", &numbers(&fused().unwrap()), &numbers(&three().unwrap()), 1e-6);
    close("gradient", &gradients(&[&qkv], &fused)[0], &gradients(&[&qkv], &three)[0], 1e-5);
}

#[test]
fn attention_with_dropout_is_right_against_finite_differences() {
    let [q, k, v] = [1, 2, 3].map(|i| random(&[2, 4, 2, 3], i));
    let dropout = || Some(Dropout::new(0.3, vec![5, 6]));
    let fused = || ops::attention_within(&q, &k, &v, &[4, 3], dropout());
    let mine = gradients(&[&q, &k, &v], &fused);
    for (var, mine) in [&q, &k, &v].into_iter().zip(&mine) {
        close("attention with dropout", mine, &differences(var, &fused), 2e-2);
    }
    let without = ops::attention_within(&q, &k, &v, &[4, 3], None).unwrap();
    assert_ne!(numbers(&fused().unwrap()), numbers(&without));
}

#[test]
fn attention_with_a_past_and_over_several_blocks() {
    let (q, k, v) = (random(&[1, 3, 2, 4], 1), random(&[1, 7, 1, 4], 2), random(&[1, 7, 1, 4], 3));
    check("attention after a past", &[&q, &k, &v], &|| ops::attention(&q, &k, &v), &|| composite_attention(&q, &k, &v));
    let (q, k, v) = (random(&[2, 256, 4, 32], 1), random(&[2, 256, 2, 32], 2), random(&[2, 256, 2, 32], 3));
    let vars = [&q, &k, &v];
    let mine = gradients(&vars, &|| ops::attention(&q, &k, &v));
    for (mine, theirs) in mine.iter().zip(gradients(&vars, &|| composite_attention(&q, &k, &v))) {
        close("attention over blocks", mine, &theirs, 1e-4);
    }
}

#[test]
fn linear_cross_entropy_is_the_mean_over_labelled_positions() {
    let (h, w) = (random(&[6, 5], 1), random(&[9, 5], 2));
    let labels = [3, IGNORE, 0, 8, IGNORE, 3];
    let wanted = Wanted { hidden: true, weight: true };
    let composite = || {
        let kept = Tensor::new(&[0u32, 2, 3, 5], &Device::Cpu)?;
        let logits = h.index_select(&kept, 0)?.matmul(&w.t()?)?;
        candle_nn::loss::cross_entropy(&logits, &Tensor::new(&[3u32, 0, 8, 3], &Device::Cpu)?)
    };
    check(
        "linear_cross_entropy",
        &[&h, &w],
        &|| ops::linear_cross_entropy(&h, &w, None, &labels, 0.0, wanted),
        &composite,
    );
    let none = ops::linear_cross_entropy(&h, &w, None, &[IGNORE; 6], 0.0, wanted).unwrap();
    assert_eq!(numbers(&none), [0.0], "no label, no loss");
    assert!(ops::linear_cross_entropy(&h, &w, None, &[9; 6], 0.0, wanted).is_err(), "a label past the vocabulary");
}

#[test]
fn linear_bias_cross_entropy_adds_the_bias_to_each_logit() {
    let (h, w, b) = (random(&[6, 5], 1), random(&[9, 5], 2), random(&[9], 3));
    let labels = [3, IGNORE, 0, 8, IGNORE, 3];
    let wanted = Wanted { hidden: true, weight: true };
    let composite = || {
        let kept = Tensor::new(&[0u32, 2, 3, 5], &Device::Cpu)?;
        let logits = h.index_select(&kept, 0)?.matmul(&w.t()?)?.broadcast_add(&b)?;
        candle_nn::loss::cross_entropy(&logits, &Tensor::new(&[3u32, 0, 8, 3], &Device::Cpu)?)
    };
    let fused = || ops::linear_cross_entropy(&h, &w, Some(&b), &labels, 0.0, wanted);
    check("linear_cross_entropy with a bias", &[&h, &w, &b], &fused, &composite);
}

#[test]
fn smoothing_gives_a_share_of_each_label_to_all_alike() {
    let (h, w, b) = (random(&[6, 5], 1), random(&[9, 5], 2), random(&[9], 3));
    let labels = [3, IGNORE, 0, 8, IGNORE, 3];
    let wanted = Wanted { hidden: true, weight: true };
    let composite = || {
        let kept = Tensor::new(&[0u32, 2, 3, 5], &Device::Cpu)?;
        let logits = h.index_select(&kept, 0)?.matmul(&w.t()?)?.broadcast_add(&b)?;
        let hard = candle_nn::loss::cross_entropy(&logits, &Tensor::new(&[3u32, 0, 8, 3], &Device::Cpu)?)?;
        let soft = candle_nn::ops::log_softmax(&logits, 1)?.neg()?.mean_all()?;
        (hard * 0.8)? + (soft * 0.2)?
    };
    let fused = || ops::linear_cross_entropy(&h, &w, Some(&b), &labels, 0.2, wanted);
    check("linear_cross_entropy, smoothed", &[&h, &w, &b], &fused, &composite);
}

#[test]
fn linear_cross_entropy_over_many_chunks_equals_one() {
    // 3,000 rows of 1,000 logits pass the chunk of a million.
    let (h, w) = (random(&[3000, 4], 1), random(&[1000, 4], 2));
    let labels: Vec<u32> = (0..3000).map(|i| if i % 7 == 0 { IGNORE } else { (i * 31 % 1000) as u32 }).collect();
    let kept: Vec<u32> = (0..3000).filter(|i| i % 7 != 0).collect();
    let targets: Vec<u32> = kept.iter().map(|i| labels[*i as usize]).collect();
    let mine = || ops::linear_cross_entropy(&h, &w, None, &labels, 0.0, Wanted { hidden: true, weight: true });
    let theirs = || {
        let kept = Tensor::from_slice(&kept, kept.len(), &Device::Cpu)?;
        let logits = h.index_select(&kept, 0)?.matmul(&w.t()?)?;
        candle_nn::loss::cross_entropy(&logits, &Tensor::from_slice(&targets, targets.len(), &Device::Cpu)?)
    };
    close("loss", &numbers(&mine().unwrap()), &numbers(&theirs().unwrap()), 1e-5);
    for (mine, theirs) in gradients(&[&h, &w], &mine).iter().zip(gradients(&[&h, &w], &theirs)) {
        close("gradient", mine, &theirs, 1e-3);
    }
}

/// Adds a large negative number to every score that is not seen, and takes candle's basic softmax.
fn plain_weights(scores: &Tensor, keys: &[usize], past_only: bool) -> Result<Tensor> {
    let (texts, _, time, all) = scores.dims4()?;
    let hidden = |text: usize, query: usize, key: usize| key >= keys[text] || past_only && key > all - time + query;
    let mask: Vec<f32> = (0..texts * time * all)
        .map(|i| if hidden(i / all / time, i / all % time, i % all) { -1e9 } else { 0.0 })
        .collect();
    let mask = Tensor::from_vec(mask, (texts, 1, time, all), &Device::Cpu)?;
    candle_nn::ops::softmax(&scores.broadcast_add(&mask)?, D::Minus1)
}

#[test]
fn attention_weights_are_a_softmax_over_what_is_seen() {
    for (keys, past_only, time) in [(vec![5, 3], false, 5), (vec![5, 5], true, 5), (vec![5, 4], true, 2)] {
        let scores = random(&[2, 3, time, 5], 1);
        let seen = || Seen { keys: keys.clone(), past_only };
        let composite = || plain_weights(&scores, &keys, past_only);
        check("attention_weights", &[&scores], &|| ops::attention_weights(&scores, seen(), None), &composite);
    }
    let scores = random(&[2, 3, 5, 5], 1);
    let seen = || Seen { keys: vec![5, 3], past_only: false };
    let dropout = || Some(Dropout::new(0.4, vec![1, 2]));
    let kept = ops::attention_weights(&scores, seen(), dropout()).unwrap().detach();
    let composite = || {
        // What is left of each weight: 0 or 1 / 0.6.
        let left = (&kept / ops::attention_weights(&scores.as_detached_tensor(), seen(), None)?.clamp(1e-9, 1.0)?)?;
        plain_weights(&scores, &[5, 3], false)? * left
    };
    check("attention_weights, dropout", &[&scores], &|| ops::attention_weights(&scores, seen(), dropout()), &composite);
    assert!(ops::attention_weights(&scores, Seen { keys: vec![5, 6], past_only: false }, None).is_err());
}

#[test]
fn scores_by_distance_are_gathered_for_each_pair() {
    let places: Vec<u32> = vec![2, 1, 0, 3, 2, 1, 3, 3, 2]; // 3 queries, 3 keys, 4 distances
    for of in [Of::Query, Of::Key] {
        let x = random(&[2, 2, 3, 4], 1); // heads, texts, time, distances
        let composite = || {
            let x = x.transpose(0, 1)?.contiguous()?; // texts, heads, ...
            let index = Tensor::from_slice(&places, (1, 1, 3, 3), &Device::Cpu)?;
            let index = if of == Of::Key { index.t()?.contiguous()? } else { index };
            let y = x.gather(&index.repeat((2, 2, 1, 1))?.contiguous()?, 3)?;
            if of == Of::Key {
                y.transpose(2, 3)?.contiguous()
            } else {
                Ok(y)
            }
        };
        check("by_distance", &[&x], &|| ops::by_distance(&x, &places, of), &composite);
        assert!(ops::by_distance(&x, &places[1..], of).is_err());
    }
}
