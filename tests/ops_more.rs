//! More ops of `src/ops` against finite differences and the composite form: positions given one by one, weights that are
//! held in bf16, and what becomes of gradients before a step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod differences;

use aula::ops::{self, RopeTable, Wanted, IGNORE};
use candle_core::{DType, Device, Tensor};
use differences::{check, numbers, random};

/// A frozen matrix in bf16.
fn rounded(shape: &[usize], seed: u64) -> Tensor {
    random(shape, seed).as_detached_tensor().to_dtype(DType::BF16).unwrap()
}

#[test]
fn rope_at_turns_each_row_by_the_position_that_it_is_given() {
    // Two rows of packed texts: of 3 and 2 positions, and of 1 and 4.
    let (x, positions) = (random(&[2, 5, 3, 8], 1), [0u32, 1, 2, 0, 1, 0, 0, 1, 2, 3]);
    let table = RopeTable::new(4, 8, 100.0);
    let composite = || {
        let angle = |p: u32, i: usize| p as f32 / 100f32.powf(2.0 * i as f32 / 8.0);
        let angles: Vec<f32> = positions.iter().flat_map(|p| (0..4).map(move |i| angle(*p, i))).collect();
        let angles = Tensor::from_vec(angles, (2, 5, 1, 4), &Device::Cpu)?;
        let (cos, sin) = (angles.cos()?, angles.sin()?);
        let (a, b) = (x.narrow(3, 0, 4)?, x.narrow(3, 4, 4)?);
        let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        Tensor::cat(&[first, second], 3)
    };
    check("rope_at", &[&x], &|| ops::rope_at(&x, &table, &positions), &composite);
    let counted: Vec<u32> = (0..2).flat_map(|_| 0..4).collect();
    let x = random(&[2, 4, 3, 8], 2);
    let (given, from) = (ops::rope_at(&x, &table, &counted).unwrap(), ops::rope(&x, &table, 0).unwrap());
    assert_eq!(numbers(&given), numbers(&from), "positions that only count on are rope's own");
    assert!(ops::rope_at(&x, &table, &[4; 8]).is_err(), "a position past the table");
    assert!(ops::rope_at(&x, &table, &counted[1..]).is_err(), "a row without a position");
}

#[test]
fn a_linear_layer_in_bf16_is_that_with_its_rounded_weight() {
    let (x, r, bias) = (random(&[2, 3, 5], 1), random(&[2, 3, 4], 2), random(&[4], 3));
    for fan_in_fan_out in [false, true] {
        let shape = if fan_in_fan_out { [5, 4] } else { [4, 5] };
        let half = rounded(&shape, 4);
        let product = || {
            let wide = half.to_dtype(DType::F32)?;
            let wide = if fan_in_fan_out { wide } else { wide.t()?.contiguous()? }; // (in, out)
            x.flatten(0, 1)?.matmul(&wide)?.reshape((2, 3, 4))
        };
        let fused = || ops::linear_half(&x, &half, fan_in_fan_out, Some(&bias), None, (2, 3, 4));
        check("linear_half with a bias", &[&x], &fused, &|| product()?.broadcast_add(&bias.as_detached_tensor()));
        let fused = || ops::linear_half(&x, &half, fan_in_fan_out, None, Some(&r), (2, 3, 4));
        check("linear_half with a residual", &[&x, &r], &fused, &|| product()? + r.as_tensor());
    }
    let half = rounded(&[4, 5], 4);
    let composite = || x.flatten(0, 1)?.matmul(&half.to_dtype(DType::F32)?.t()?)?.reshape((2, 3, 4));
    check("linear with a weight in bf16", &[&x], &|| ops::linear(&x, &half, false), &composite);
}

#[test]
fn a_table_in_bf16_gives_its_rows_in_f32() {
    let half = rounded(&[6, 5], 1);
    let ids = [3u32, 0, 3, 5];
    let rows = ops::embedding(&half, &ids, &[2, 2]).unwrap();
    let theirs = half.to_dtype(DType::F32).unwrap().index_select(&Tensor::new(&ids, &Device::Cpu).unwrap(), 0).unwrap();
    assert_eq!((rows.dtype(), rows.dims()), (DType::F32, &[2, 2, 5][..]));
    assert_eq!(numbers(&rows), numbers(&theirs));
}

#[test]
fn the_norm_of_gradients_is_that_of_one_long_vector() {
    // One that is longer than a block, one whose rows do not lie side by side, and one number.
    let (long, turned, one) = (random(&[300, 130], 1), random(&[7, 5], 2), random(&[1], 3));
    let turned = turned.t().unwrap();
    let all = [long.as_tensor(), &turned, one.as_tensor()];
    let flat: Vec<Tensor> = all.iter().map(|part| part.flatten_all().unwrap()).collect();
    let theirs = Tensor::cat(&flat, 0).unwrap().sqr().unwrap().sum_all().unwrap().sqrt().unwrap();
    let (mine, theirs) = (ops::gradient_norm(&all).unwrap(), numbers(&theirs)[0]);
    assert!((mine / theirs - 1.0).abs() < 1e-4, "{mine} against {theirs}");
    assert_eq!(ops::gradient_norm(&[]).unwrap(), 0.0, "nothing has no length");
    let by_hand = Tensor::new(&[3f32, -4.0], &Device::Cpu).unwrap();
    assert_eq!(ops::gradient_norm(&[&by_hand]).unwrap(), 5.0);
    let nan = Tensor::new(&[1f32, f32::NAN], &Device::Cpu).unwrap();
    assert!(ops::gradient_norm(&[&by_hand, &nan]).unwrap().is_nan(), "what is no number is not hidden");
}

#[test]
fn a_step_by_the_rows_in_use_is_the_step_by_a_gradient_of_all_rows() {
    // More rows than a block holds, of which three have a gradient in each of two steps.
    let (one, other) = (random(&[5000, 24], 1), random(&[5000, 24], 1));
    let state = || (vec![0f32; 5000 * 24], vec![0f32; 5000 * 24]);
    let (mut dense, mut sparse, mut seen) = (state(), state(), vec![false; 5000]);
    for (step, rows) in [(1, [4999u32, 0, 17]), (2, [17, 3, 2000])] {
        let values = random(&[3, 24], 10 + step as u64);
        let whole = Tensor::zeros((5000, 24), DType::F32, &Device::Cpu).unwrap();
        ops::add_rows(&whole, &rows, &values).unwrap();
        let config = ops::AdamWStep {
            learning_rate: 1e-2,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.1,
            step,
            gradient_scale: 0.5,
        };
        ops::adamw_step(&one, &whole, &mut dense.0, &mut dense.1, &config).unwrap();
        let gradient = (&rows[..], values.as_tensor());
        ops::adamw_step_of_rows(&other, gradient, (&mut sparse.0, &mut sparse.1, &mut seen), &config).unwrap();
        assert_eq!(numbers(&one), numbers(&other), "step {step}");
        let past = ops::adamw_step_of_rows(
            &other,
            (&[0, 1, 5000], &values),
            (&mut sparse.0, &mut sparse.1, &mut seen),
            &config,
        );
        assert!(past.is_err(), "a row that is not there");
    }
    assert!(dense == sparse);
    assert_eq!(seen.iter().filter(|seen| **seen).count(), 5, "0, 3, 17, 2000, 4999");
}

#[test]
fn a_gradient_is_added_to_a_sum_in_place() {
    let (start, gradient) = (random(&[300, 130], 1), random(&[130, 300], 2));
    let gradient = gradient.t().unwrap(); // rows that do not lie side by side
    let sum = start.as_detached_tensor().copy().unwrap();
    ops::add_gradient(&sum, &gradient).unwrap();
    let theirs = (start.as_tensor() + gradient.contiguous().unwrap()).unwrap();
    assert_eq!(numbers(&sum), numbers(&theirs));
    ops::add_gradient(&sum, &gradient).unwrap();
    let theirs = (theirs + gradient.contiguous().unwrap()).unwrap();
    assert_eq!(numbers(&sum), numbers(&theirs), "a second one is added to the first");
    assert!(ops::add_gradient(&sum, &random(&[130, 300], 2)).is_err(), "another shape");
}

#[test]
fn a_frozen_head_in_bf16_gives_the_loss_of_its_rounded_weight() {
    let (h, bias, labels) = (random(&[6, 5], 1), random(&[9], 3), [3, IGNORE, 0, 8, IGNORE, 3]);
    let half = rounded(&[9, 5], 2);
    let wide = half.to_dtype(DType::F32).unwrap();
    let wanted = Wanted { hidden: true, weight: false };
    let loss = |weight, bias, smoothing| ops::linear_cross_entropy(&h, weight, bias, &labels, smoothing, wanted);
    check("a head in bf16", &[&h], &|| loss(&half, None, 0.0), &|| loss(&wide, None, 0.0));
    let bias = Some(bias.as_tensor());
    check("a head in bf16 with a bias", &[&h], &|| loss(&half, bias, 0.1), &|| loss(&wide, bias, 0.1));
    let wanted = Wanted { hidden: true, weight: true };
    assert!(ops::linear_cross_entropy(&h, &half, None, &labels, 0.0, wanted).is_err(), "nothing in bf16 is trained");
    // 300 labelled rows of 4,000 logits pass the chunk of a million, and 4,000 · 70 numbers the part that is f32 at a time.
    let (h, half) = (random(&[300, 70], 1), rounded(&[4000, 70], 2));
    let labels: Vec<u32> = (0..300).map(|i| i * 31 % 4000).collect();
    let wanted = Wanted { hidden: true, weight: false };
    let loss = |weight: &Tensor| ops::linear_cross_entropy(&h, weight, None, &labels, 0.0, wanted);
    differences::alike("over chunks", &[&h], &|| loss(&half), &|| loss(&half.to_dtype(DType::F32)?));
}
