//! Every op of `src/ops` against finite differences and against the same formula written with candle's basic ops; attention
//! has `tests/ops_attention.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod differences;

use aula::ops::{self, Activation, Affine, Dropout, Of, RopeTable, Wanted, IGNORE};
use candle_core::{DType, Device, Tensor, Var, D};
use differences::{check, close, gradients, numbers, random, weigh};

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
    let r = random(&[70, 20], 9);
    let composite = || {
        let x = (x.as_tensor() + r.as_tensor())?;
        ops::layer_norm(&x, &w, &b, 1e-5)
    };
    check("layer_norm_add", &[&x, &r, &w, &b], &|| ops::layer_norm_add(&x, &r, &w, &b, 1e-5), &composite);
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
    // At 0 there is a corner that differences would see: no number is nearer to it than ten of their steps.
    let far = x.as_detached_tensor().to_vec2::<f32>().unwrap();
    let far: Vec<f32> = far.concat().into_iter().map(|x| x + 0.1f32.copysign(x)).collect();
    let far = Var::from_tensor(&Tensor::from_vec(far, (3, 37), &Device::Cpu).unwrap()).unwrap();
    check("relu", &[&far], &|| by(Activation::Relu)(&far), &|| far.relu());
}

#[test]
fn a_linear_layer_on_an_activation_is_both_one_after_the_other() {
    let (x, b) = (random(&[2, 3, 5], 1), random(&[4], 3));
    for (fan_in_fan_out, shape) in [(false, [4, 5]), (true, [5, 4])] {
        let w = random(&shape, 2);
        let how = Affine { train_weight: true, fan_in_fan_out };
        let composite = || how.run(&ops::activate(&x, Activation::Gelu)?, &w, Some(&b), (2, 3, 4));
        let fused = || ops::linear_activated(how, Activation::Gelu, &x, &w, &b, (2, 3, 4));
        check("linear_activated", &[&x, &w, &b], &fused, &composite);
        assert_eq!(numbers(&fused().unwrap()), numbers(&composite().unwrap()), "to the bit");
    }
    let how = Affine { train_weight: true, fan_in_fan_out: false };
    assert!(ops::linear_activated(how, Activation::Gelu, &x, &random(&[4, 6], 2), &b, (2, 3, 4)).is_err());
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
