//! Softmax attention that never holds the whole matrix of weights (after Dao et al., arXiv 2205.14135).
//!
//! For the queries q (time, d) of a head, with its keys k and values v (keys, d), and a bias b (time, keys) where there is
//! one:
//!
//! ```text
//! p = softmax(scale · q kᵀ + b)      over the keys that a query sees, (time, keys)
//! y = dropout(p) v                   (time, d)
//! ```
//!
//! The matrix p grows with the square of a text's length, in each head, text and layer: kept for the backward, it would be
//! most of what training holds. So a block of queries at a time is weighed and used while its weights are in the
//! processor's cache, and the backward weighs it again. With dp = dropout(dy vᵀ) and ∘ number by number:
//!
//! ```text
//! ds = p ∘ (dp - sum(p ∘ dp, over the keys))
//! dq = scale · ds k,   dk = scale · dsᵀ q,   dv = dropout(p)ᵀ dy,   db = ds, over all texts
//! ```
//!
//! A job on one thread has the queries of one head (those that share their keys) of one text, and whatever jobs have a share
//! of is added up in the order of the texts. So a result is the same, to the bit, whatever the threads do.

mod backward;
mod forward;
mod op;
mod place;

use candle_core::{bail, Result, Tensor};

use super::Dropout;

/// Where a text lies in a batch whose rows hold several: its first position, counted over the rows, and how many.
pub type Span = (usize, usize);

/// Queries that one job scores at a time: their weights (ROWS, keys) stay in the processor's cache.
const ROWS: usize = 64;

/// `softmax(q kᵀ / sqrt(d)) v`, each query seeing the keys up to its own position.
///
/// Shapes: q (batch, time, heads, d), k and v (batch, keys, kv_heads, d), result as q. `heads` is a multiple of
/// `kv_heads` (grouped-query attention); with more keys than queries the queries are the last positions, as in
/// generation with a cache. Text padded on the right needs no mask: no earlier position sees the padding.
/// The backward computes the weights again instead of keeping them.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    attend([q, k, v], Sight::of(Seen::Past, None), Scores::Divided)
}

/// As [`attention`], each query seeing all keys of its own text, before and after: what an encoder does.
///
/// `lengths` holds the real length of each text; padding to their right is neither seen nor computed, and the result
/// there is zero. `dropout` leaves out some of the weights, as BERT is trained.
pub fn attention_within(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    lengths: &[usize],
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    attend([q, k, v], Sight::of(Seen::Text(lengths.to_vec()), dropout), Scores::Divided)
}

/// As [`attention`] in rows of several texts each, none of which sees another; positions in no span are zero.
///
/// A query sees the keys of its span up to its own position, or with `both_ways` all of them. `dropout` has a seed for
/// each span.
pub fn attention_packed(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    spans: &[Span],
    both_ways: bool,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    let (batch, time, ..) = q.dims4()?;
    if !fit(spans, batch, time) || k.dim(1)? != time {
        bail!("attention: texts {spans:?} in rows {:?}", q.dims());
    }
    let seen = if both_ways { Seen::Text(spans.iter().map(|span| span.1).collect()) } else { Seen::Past };
    attend([q, k, v], Sight { seen, spans: Some(spans.to_vec()), dropout }, Scores::Divided)
}

/// True where each span lies in one row, none is empty, and none touches the one before.
fn fit(spans: &[Span], batch: usize, time: usize) -> bool {
    let mut end = 0;
    spans.iter().all(|(first, length)| {
        let whole = *length > 0 && *first >= end && first / time == (first + length - 1) / time;
        end = first + length;
        whole && end <= batch * time
    })
}

/// As [`attention`], or as [`attention_packed`] where there are spans, with queries, keys and values side by side as GPT-2's one projection gives them, so that nothing
/// is cut apart and put together again. Shapes: qkv (batch, time, 3 · heads · d), result (batch, time, heads, d).
pub fn attention_fused(qkv: &Tensor, heads: usize, spans: Option<&[Span]>, dropout: Option<Dropout>) -> Result<Tensor> {
    let (batch, time, width) = qkv.dims3()?;
    if heads == 0 || width % (3 * heads) != 0 {
        bail!("attention: {width} numbers a position, {heads} heads");
    }
    if !spans.is_none_or(|spans| fit(spans, batch, time)) {
        bail!("attention: texts {spans:?} in rows {:?}", qkv.dims());
    }
    let (d, row) = (width / 3 / heads, width);
    let side = |part: usize| Side { row, offset: part * heads * d };
    let op = Attention {
        batch,
        time,
        keys: time,
        heads,
        kv_heads: heads,
        d,
        q: side(0),
        k: side(1),
        v: side(2),
        sight: Sight { seen: Seen::Past, spans: spans.map(<[Span]>::to_vec), dropout },
        scale: root(d),
        biased: false,
    };
    qkv.contiguous()?.apply_op1(op)
}

/// `softmax(q kᵀ + b) v`, where `b[head, i, j]` goes by the distance from the query i to the key j alone, and scores are not
/// divided by `sqrt(d)`: T5's attention (Raffel et al., arXiv 1910.10683), whose weights begin that much smaller instead.
///
/// Shapes: q, k, v and result as in [`attention`]; bias (heads, time + keys - 1), from the distance of the last query to the
/// first key, `-(keys - 1)`, to that of the first query to the last key, `time - 1`. It stands for the whole b (heads, time,
/// keys) without its memory, and so does its gradient, which adds up all pairs of one distance in all texts.
///
/// A query sees all keys of its text where `lengths` says how long each is, as in [`attention_within`]; without them, those
/// up to its own position, the queries being the last ones.
pub fn attention_by_distance(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    bias: &Tensor,
    lengths: Option<&[usize]>,
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    let seen = lengths.map_or(Seen::Past, |lengths| Seen::Text(lengths.to_vec()));
    attend([q, k, v], Sight::of(seen, dropout), Scores::Whole(Some(bias)))
}

/// `softmax(q kᵀ) v`, the keys and values being those of another text: how T5's decoder reads what its encoder made, with
/// scores that are not divided and no bias.
///
/// Shapes: q and result (batch, time, heads, d), k and v (batch, keys, kv_heads, d), more or fewer keys than queries.
/// `lengths` says how many keys of each text are real; a query sees all of these, and where there is none the result is zero.
pub fn attention_across(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    lengths: &[usize],
    dropout: Option<Dropout>,
) -> Result<Tensor> {
    attend([q, k, v], Sight::of(Seen::Other(lengths.to_vec()), dropout), Scores::Whole(None))
}

/// What is made of the products of queries and keys before the softmax.
enum Scores<'a> {
    /// They are divided by the root of d.
    Divided,
    /// They stay as they are, but for a bias (heads, time + keys - 1) by distance where there is one.
    Whole(Option<&'a Tensor>),
}

fn attend([q, k, v]: [&Tensor; 3], sight: Sight, scores: Scores) -> Result<Tensor> {
    let ((batch, time, heads, d), (b, keys, kv_heads, kd)) = (q.dims4()?, k.dims4()?);
    if b != batch || kd != d || kv_heads == 0 || heads % kv_heads != 0 || v.dims() != k.dims() {
        bail!("attention: q {:?}, k {:?}, v {:?} do not fit together", q.dims(), k.dims(), v.dims());
    }
    let texts = sight.spans.as_ref().map_or(batch, Vec::len);
    let fits = |lengths: &[usize]| lengths.len() == texts && lengths.iter().all(|length| *length <= keys);
    match &sight.seen {
        Seen::Past if keys >= time => {}
        Seen::Text(lengths) if keys == time && fits(lengths) => {}
        Seen::Other(lengths) if fits(lengths) => {}
        seen => bail!("attention: q {:?} and {keys} keys, of which {seen:?} are seen", q.dims()),
    }
    let (scale, bias) = match scores {
        Scores::Divided => (root(d), None),
        Scores::Whole(bias) => (1.0, bias),
    };
    let side = |heads: usize| Side { row: heads * d, offset: 0 };
    let (at_q, at_k, biased) = (side(heads), side(kv_heads), bias.is_some());
    let op = Attention { batch, time, keys, heads, kv_heads, d, q: at_q, k: at_k, v: at_k, sight, scale, biased };
    let q = match bias {
        None => q.contiguous()?,
        Some(bias) if bias.dims() != [heads, op.distances()] => {
            bail!("attention: q {:?} and {keys} keys with biases {:?}", q.dims(), bias.dims())
        }
        // candle's ops take three tensors at most. So the biases lie behind the queries in one row of numbers, and their
        // gradient behind that of the queries. What this copies is small beside what keys and values side by side would
        // take: the queries, and a bias for each distance.
        Some(bias) => Tensor::cat(&[q.flatten_all()?, bias.flatten_all()?], 0)?,
    };
    q.apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

/// What scores of `d` products are multiplied with.
fn root(d: usize) -> f32 {
    (d as f32).sqrt().recip()
}

/// Which keys a query sees.
#[derive(Debug)]
enum Seen {
    /// Those up to its own position.
    Past,
    /// Those of its text, whose lengths these are.
    Text(Vec<usize>),
    /// Those of another text, of which so many are real.
    Other(Vec<usize>),
}

/// What is seen of which text, and what is left out of it.
struct Sight {
    seen: Seen,
    /// Where each text lies; none: one in each row, from its start.
    spans: Option<Vec<Span>>,
    dropout: Option<Dropout>,
}

impl Sight {
    fn of(seen: Seen, dropout: Option<Dropout>) -> Self {
        Self { seen, spans: None, dropout }
    }
}

/// Where queries, keys or values lie: numbers from one position to the next, and before the first head.
#[derive(Clone, Copy)]
struct Side {
    row: usize,
    offset: usize,
}

struct Attention {
    batch: usize,
    time: usize,
    keys: usize,
    heads: usize,
    kv_heads: usize,
    d: usize,
    q: Side,
    k: Side,
    v: Side,
    sight: Sight,
    /// What scores are multiplied with; 1 where there are biases.
    scale: f32,
    /// True where biases by distance (heads, time + keys - 1) lie behind the queries.
    biased: bool,
}
