//! Softmax attention in all its forms against finite differences, and against the whole matrix of weights written with
//! candle's basic ops.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

mod differences;

use aula::ops::{self, Dropout, Span};
use candle_core::{Device, Result, Tensor, Var, D};
use differences::{alike, check, close, differences, gradients, numbers, random, Compare};

/// Attention with the whole matrix of weights (batch, heads, time, keys). Shapes as in `ops::attention`.
struct Whole<'a> {
    /// Which keys count: `sees(text, query, key)`.
    sees: &'a dyn Fn(usize, usize, usize) -> bool,
    /// True where scores are divided by the root of d.
    divided: bool,
    /// Biases by distance (heads, time + keys - 1).
    bias: Option<&'a Tensor>,
    /// What dropout does to each weight.
    left: Option<Tensor>,
}

impl Whole<'_> {
    fn run(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let (batch, time, heads, d) = q.dims4()?;
        let (_, keys, kv_heads, _) = k.dims4()?;
        let repeat = |x: &Tensor| {
            let x = x.unsqueeze(3)?.broadcast_as((batch, keys, kv_heads, heads / kv_heads, d))?;
            x.reshape((batch, keys, heads, d))?.transpose(1, 2)?.contiguous()
        };
        let (q, k, v) = (q.transpose(1, 2)?.contiguous()?, repeat(k)?, repeat(v)?);
        let mut scores = q.matmul(&k.t()?)?;
        if self.divided {
            scores = (scores / (d as f64).sqrt())?;
        }
        if let Some(bias) = self.bias {
            let places: Vec<u32> = (0..time).flat_map(|i| (0..keys).map(move |j| (j + time - 1 - i) as u32)).collect();
            let places = Tensor::from_vec(places, time * keys, &Device::Cpu)?;
            scores = scores.broadcast_add(&bias.index_select(&places, 1)?.reshape((1, heads, time, keys))?)?;
        }
        let see = |b: usize, i: usize, j: usize| if (self.sees)(b, i, j) { 0f32 } else { -1e9 };
        let places = (0..batch).flat_map(|b| (0..time).flat_map(move |i| (0..keys).map(move |j| (b, i, j))));
        let mask: Vec<f32> = places.map(|(b, i, j)| see(b, i, j)).collect();
        let scores = scores.broadcast_add(&Tensor::from_vec(mask, (batch, 1, time, keys), &Device::Cpu)?)?;
        let weights = (scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach()))?.exp()?;
        let mut weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
        if let Some(left) = &self.left {
            weights = (weights * left)?;
        }
        weights.matmul(&v)?.transpose(1, 2)?.contiguous()
    }
}

/// As `ops::attention`.
fn plain(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let (time, keys) = (q.dim(1)?, k.dim(1)?);
    Whole { sees: &|_, i, j| j <= i + keys - time, divided: true, bias: None, left: None }.run(q, k, v)
}

/// What `dropout` does to the weights of a `shape` (texts, heads, time, keys): 0, or 1 / (1 - rate).
///
/// Weights that are all alike, from the other op that knows dropout: both leave out the same places.
fn left(shape: [usize; 4], dropout: Dropout) -> Tensor {
    let alike = Tensor::zeros(&shape, candle_core::DType::F32, &Device::Cpu).unwrap();
    let weights = ops::attention_weights(&alike, &vec![shape[3]; shape[0]], Some(dropout)).unwrap();
    (weights * shape[3] as f64).unwrap()
}

/// One for each position (texts, time, 1, 1) that `is` real, else zero.
fn real(texts: usize, time: usize, is: &dyn Fn(usize, usize) -> bool) -> Tensor {
    let places = (0..texts).flat_map(|b| (0..time).map(move |i| (b, i)));
    let ones: Vec<f32> = places.map(|(b, i)| f32::from(is(b, i))).collect();
    Tensor::from_vec(ones, (texts, time, 1, 1), &Device::Cpu).unwrap()
}

#[test]
fn attention_equals_softmax_of_scores_times_values() {
    let (q, k, v) = (random(&[2, 5, 4, 6], 1), random(&[2, 5, 2, 6], 2), random(&[2, 5, 2, 6], 3));
    check("attention", &[&q, &k, &v], &|| ops::attention(&q, &k, &v), &|| plain(&q, &k, &v));
}

#[test]
fn attention_with_a_past_and_over_several_blocks() {
    let (q, k, v) = (random(&[1, 3, 2, 4], 1), random(&[1, 7, 1, 4], 2), random(&[1, 7, 1, 4], 3));
    check("attention after a past", &[&q, &k, &v], &|| ops::attention(&q, &k, &v), &|| plain(&q, &k, &v));
    let (q, k, v) = (random(&[2, 256, 4, 32], 1), random(&[2, 256, 2, 32], 2), random(&[2, 256, 2, 32], 3));
    alike("attention over blocks", &[&q, &k, &v], &|| ops::attention(&q, &k, &v), &|| plain(&q, &k, &v));
    assert!(ops::attention(&k, &q.narrow(1, 0, 3).unwrap(), &v).is_err(), "more queries than keys");
}

#[test]
fn attention_within_a_text_sees_all_of_it_and_no_padding() {
    let shapes = [[2, 5, 4, 6], [2, 5, 2, 6], [2, 5, 2, 6]];
    let [q, k, v] = [0, 1, 2].map(|i| random(&shapes[i], i as u64));
    let lengths = [5, 3];
    let fused = || ops::attention_within(&q, &k, &v, &lengths, None);
    let whole = |q: &Var, k: &Var, v: &Var, lengths: [usize; 2]| {
        Whole { sees: &|b, _, j| j < lengths[b], divided: true, bias: None, left: None }.run(q, k, v)
    };
    // What a padded query says is zero here; nothing looks at it.
    let composite = || whole(&q, &k, &v, lengths)?.broadcast_mul(&real(2, 5, &|b, i| i < lengths[b]));
    check("attention within", &[&q, &k, &v], &fused, &composite);
    let [q, k, v] = [1, 2, 3].map(|i| random(&[2, 150, 2, 8], i));
    let lengths = [150, 70];
    let fused = || ops::attention_within(&q, &k, &v, &lengths, None);
    let composite = || whole(&q, &k, &v, lengths)?.broadcast_mul(&real(2, 150, &|b, i| i < lengths[b]));
    alike("attention within, over blocks", &[&q, &k, &v], &fused, &composite);
    assert!(ops::attention_within(&q, &k, &v, &[151, 3], None).is_err(), "a text longer than the batch");
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
fn attention_on_queries_keys_and_values_side_by_side_equals_that_on_three() {
    let qkv = random(&[2, 70, 3 * 4 * 6], 1);
    let parts = |i: usize| qkv.narrow(2, i * 24, 24)?.contiguous()?.reshape((2, 70, 4, 6));
    let fused = || ops::attention_fused(&qkv, 4, None, None);
    let three = || ops::attention(&parts(0)?, &parts(1)?, &parts(2)?);
    alike("side by side", &[&qkv], &fused, &three);
    // Texts in a row: with positions that belong to none, and without.
    for spans in [&[(0, 40), (40, 25), (70, 70)][..], &[(0, 40), (40, 30), (70, 70)]] {
        let fused = || ops::attention_fused(&qkv, 4, Some(spans), None);
        let three = || ops::attention_packed(&parts(0)?, &parts(1)?, &parts(2)?, spans, false, None);
        alike("texts in a row, side by side", &[&qkv], &fused, &three);
    }
    for wrong in [&[(0, 71)][..], &[(0, 10), (9, 4)], &[(5, 0)], &[(100, 41)]] {
        assert!(ops::attention_fused(&qkv, 4, Some(wrong), None).is_err(), "{wrong:?}");
    }
}

/// `ops::attention_fused` with dropout on `time` positions, and the whole matrix with the same left out.
fn fused_with_dropout(time: usize, compare: Compare) {
    let qkv = random(&[2, time, 3 * 2 * 4], 1);
    let dropout = || Dropout::new(0.3, vec![5, 6]);
    let fused = || ops::attention_fused(&qkv, 2, None, Some(dropout()));
    let left = left([2, 2, time, time], dropout());
    let part = |i: usize| qkv.narrow(2, i * 8, 8)?.contiguous()?.reshape((2, time, 2, 4));
    let composite = || {
        let whole = Whole { sees: &|_, i, j| j <= i, divided: true, bias: None, left: Some(left.clone()) };
        whole.run(&part(0)?, &part(1)?, &part(2)?)
    };
    compare("side by side, dropout", &[&qkv], &fused, &composite);
    let without = ops::attention_fused(&qkv, 2, None, None).unwrap();
    assert_ne!(numbers(&fused().unwrap()), numbers(&without));
}

#[test]
fn side_by_side_with_dropout_it_leaves_out_the_same_weights_forward_and_back() {
    fused_with_dropout(5, check);
    fused_with_dropout(150, alike);
}

/// The number of the span that holds a position, counted over the rows.
fn span_of(spans: &[Span], place: usize) -> Option<usize> {
    spans.iter().position(|(first, length)| (*first..first + length).contains(&place))
}

/// `ops::attention_packed`, and the whole matrix of each row in which texts do not see each other.
fn packed(shapes: [[usize; 4]; 2], spans: &[Span], compare: Compare) {
    let (q, k, v) = (random(&shapes[0], 1), random(&shapes[1], 2), random(&shapes[1], 3));
    let [rows, time, ..] = shapes[0];
    let of = |b: usize, i: usize| span_of(spans, b * time + i);
    for both_ways in [false, true] {
        let fused = || ops::attention_packed(&q, &k, &v, spans, both_ways, None);
        let sees = |b: usize, i: usize, j: usize| of(b, i) == of(b, j) && (both_ways || j <= i);
        let composite = || {
            let whole = Whole { sees: &sees, divided: true, bias: None, left: None };
            whole.run(&q, &k, &v)?.broadcast_mul(&real(rows, time, &|b, i| of(b, i).is_some()))
        };
        compare("packed", &[&q, &k, &v], &fused, &composite);
    }
}

#[test]
fn texts_packed_into_rows_do_not_see_each_other() {
    // Two texts and a gap in the first row, one text and padding in the second.
    packed([[2, 6, 4, 3], [2, 6, 2, 3]], &[(0, 2), (2, 3), (6, 4)], check);
    packed([[2, 150, 2, 8], [2, 150, 2, 8]], &[(0, 70), (70, 80), (170, 100)], alike);
    let q = random(&[2, 6, 2, 3], 1);
    for wrong in [[(0, 2), (1, 3)], [(0, 2), (4, 3)], [(0, 2), (9, 4)], [(0, 2), (2, 0)]] {
        assert!(ops::attention_packed(&q, &q, &q, &wrong, true, None).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_packed_text_leaves_out_what_it_leaves_out_alone() {
    let (spans, seeds) = ([(0, 4), (4, 2), (8, 5)], [7, 8, 9]);
    let [q, k, v] = [1, 2, 3].map(|i| random(&[2, 7, 2, 3], i));
    let alone = |x: &Var, span: Span| x.flatten(0, 1)?.narrow(0, span.0, span.1)?.unsqueeze(0);
    for both_ways in [false, true] {
        let fused = || {
            let dropout = Dropout::new(0.4, seeds.to_vec());
            let y = ops::attention_packed(&q, &k, &v, &spans, both_ways, Some(dropout))?.flatten(0, 1)?;
            let parts = spans.iter().map(|span| y.narrow(0, span.0, span.1));
            Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)
        };
        let composite = || {
            let one = |(span, seed): (&Span, &u64)| {
                let left = left([1, 2, span.1, span.1], Dropout::new(0.4, vec![*seed]));
                let sees = |_, i: usize, j: usize| both_ways || j <= i;
                let whole = Whole { sees: &sees, divided: true, bias: None, left: Some(left) };
                whole.run(&alone(&q, *span)?, &alone(&k, *span)?, &alone(&v, *span)?)?.squeeze(0)
            };
            Tensor::cat(&spans.iter().zip(&seeds).map(one).collect::<Result<Vec<_>>>()?, 0)
        };
        check("packed, dropout", &[&q, &k, &v], &fused, &composite);
    }
}

/// Queries, keys, values and biases by distance.
fn with_bias(q: [usize; 4], k: [usize; 4]) -> [Var; 4] {
    [random(&q, 1), random(&k, 2), random(&k, 3), random(&[q[2], q[1] + k[1] - 1], 4)]
}

#[test]
fn a_bias_goes_by_the_distance_from_query_to_key() {
    // Without a past and with one; keys and values of as many heads as the queries, and of half as many.
    for (q, k) in [([2, 5, 2, 4], [2, 5, 2, 4]), ([2, 3, 4, 4], [2, 7, 2, 4]), ([1, 150, 2, 8], [1, 200, 2, 8])] {
        let [q, k, v, bias] = with_bias(q, k);
        let (time, keys) = (q.dims()[1], k.dims()[1]);
        let fused = || ops::attention_by_distance(&q, &k, &v, &bias, None, None);
        let sees = |_, i: usize, j: usize| j <= i + keys - time;
        let whole = Whole { sees: &sees, divided: false, bias: Some(&bias), left: None };
        let compare: Compare = if time < 100 { check } else { alike };
        compare("a bias, the past", &[&q, &k, &v, &bias], &fused, &|| whole.run(&q, &k, &v));
    }
    for (shape, lengths) in [([2, 5, 2, 4], [5, 3]), ([2, 150, 2, 8], [150, 70]), ([2, 4, 2, 4], [4, 0])] {
        let [q, k, v, bias] = with_bias(shape, shape);
        let time = shape[1];
        let fused = || ops::attention_by_distance(&q, &k, &v, &bias, Some(&lengths), None);
        let whole = Whole { sees: &|b, _, j| j < lengths[b], divided: false, bias: Some(&bias), left: None };
        let composite = || whole.run(&q, &k, &v)?.broadcast_mul(&real(2, time, &|b, i| i < lengths[b]));
        let compare: Compare = if time < 100 { check } else { alike };
        compare("a bias, the whole text", &[&q, &k, &v, &bias], &fused, &composite);
    }
}

#[test]
fn a_bias_with_dropout_leaves_out_the_same_weights_forward_and_back() {
    let dropout = || Dropout::new(0.3, vec![5, 6]);
    for past in [false, true] {
        let [q, k, v, bias] = with_bias([2, 5, 2, 4], [2, 5, 2, 4]);
        let lengths = if past { [5, 5] } else { [5, 3] };
        let own = (!past).then_some(&lengths[..]);
        let fused = || ops::attention_by_distance(&q, &k, &v, &bias, own, Some(dropout()));
        let left = Some(left([2, 2, 5, 5], dropout()));
        let sees = |b: usize, i: usize, j: usize| j < lengths[b] && (!past || j <= i);
        let whole = Whole { sees: &sees, divided: false, bias: Some(&bias), left };
        let composite = || whole.run(&q, &k, &v)?.broadcast_mul(&real(2, 5, &|b, i| i < lengths[b]));
        check("a bias, dropout", &[&q, &k, &v, &bias], &fused, &composite);
    }
}

#[test]
fn a_text_reads_another_with_more_tokens_or_fewer() {
    for (time, keys, lengths) in [(5, 3, [3, 2]), (2, 6, [4, 6]), (3, 4, [0, 4]), (150, 90, [90, 31])] {
        let (q, k, v) = (random(&[2, time, 4, 4], 1), random(&[2, keys, 2, 4], 2), random(&[2, keys, 2, 4], 3));
        for dropout in [None, Some(Dropout::new(0.3, vec![5, 6]))] {
            let fused = || ops::attention_across(&q, &k, &v, &lengths, dropout.clone());
            let left = dropout.clone().map(|dropout| left([2, 4, time, keys], dropout));
            let whole = Whole { sees: &|b, _, j| j < lengths[b], divided: false, bias: None, left };
            // From a text without tokens there is nothing to read.
            let composite = || whole.run(&q, &k, &v)?.broadcast_mul(&real(2, time, &|b, _| lengths[b] > 0));
            let compare: Compare = if time < 100 { check } else { alike };
            compare("another text", &[&q, &k, &v], &fused, &composite);
        }
    }
}

#[test]
fn sums_repeat_to_the_bit_whatever_the_threads_do() {
    let [q, k, v, bias] = with_bias([5, 130, 2, 8], [5, 130, 2, 8]);
    let lengths = [130, 64, 65, 1, 100];
    let all = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let dropout = || Some(Dropout::new(0.2, vec![1, 2, 3, 4, 5]));
        let fused = || {
            let within = ops::attention_by_distance(&q, &k, &v, &bias, Some(&lengths), dropout())?;
            within + ops::attention_by_distance(&q, &k, &v, &bias, None, dropout())?
        };
        pool.install(|| gradients(&[&q, &k, &v, &bias], &fused))
    };
    let one = all(1);
    for threads in [1, 2, 3, 5] {
        assert_eq!(all(threads), one, "{threads} threads");
    }
}

#[test]
fn what_does_not_fit_together_is_told() {
    let [q, k, v, bias] = with_bias([2, 5, 2, 4], [2, 5, 2, 4]);
    let distance = |bias: &Tensor, lengths: Option<&[usize]>| {
        ops::attention_by_distance(&q, &k, &v, bias, lengths, None).map(|_| ()).map_err(|error| error.to_string())
    };
    let error = distance(&bias.narrow(1, 0, 8).unwrap(), None).unwrap_err();
    assert!(error.contains("[2, 8]") && error.contains("5 keys"), "{error}");
    assert!(distance(&random(&[1, 9], 1), None).is_err(), "biases of another number of heads");
    assert!(distance(&bias, Some(&[5, 6])).unwrap_err().contains("[5, 6]"), "a text longer than the batch");
    assert!(distance(&bias, Some(&[5])).is_err(), "a text without a length");
    for lengths in [&[5, 6][..], &[5]] {
        assert!(ops::attention_across(&q, &k, &v, lengths, None).is_err(), "{lengths:?}");
    }
}

/// Adds a large negative number to every score of padding, and takes candle's basic softmax.
fn plain_weights(scores: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let (texts, _, time, keys) = scores.dims4()?;
    let places = (0..texts).flat_map(|b| (0..time * keys).map(move |i| (b, i % keys)));
    let mask: Vec<f32> = places.map(|(b, key)| if key < lengths[b] { 0.0 } else { -1e9 }).collect();
    let mask = Tensor::from_vec(mask, (texts, 1, time, keys), &Device::Cpu)?;
    candle_nn::ops::softmax(&scores.broadcast_add(&mask)?, D::Minus1)
}

#[test]
fn attention_weights_are_a_softmax_over_what_is_real() {
    let (scores, lengths) = (random(&[2, 3, 4, 5], 1), [5, 3]);
    let composite = || plain_weights(&scores, &lengths);
    check("attention_weights", &[&scores], &|| ops::attention_weights(&scores, &lengths, None), &composite);
    let dropout = || Some(Dropout::new(0.4, vec![1, 2]));
    let fused = || ops::attention_weights(&scores, &lengths, dropout());
    let kept = fused().unwrap().detach();
    let composite = || {
        // What is left of each weight: 0 or 1 / 0.6.
        let all = ops::attention_weights(&scores.as_detached_tensor(), &lengths, None)?;
        plain_weights(&scores, &lengths)? * (&kept / all.clamp(1e-9, 1.0)?)?
    };
    check("attention_weights, dropout", &[&scores], &fused, &composite);
    assert!(ops::attention_weights(&scores, &[5, 6], None).is_err());
}
