//! Which part each row goes to.

use crate::rng::Rng;

/// Rows that must stay together, and the labels they have among them.
#[derive(Default)]
pub(super) struct Unit {
    pub(super) rows: Vec<usize>,
    pub(super) labels: Vec<u32>,
}

/// The part (0, 1, 2) of each row.
pub(super) fn assign(units: &[Unit], labels: &[String], shares: [f64; 3], seed: u64) -> Vec<u8> {
    let mut order: Vec<usize> = (0..units.len()).collect();
    Rng::new(seed).shuffle(&mut order);
    let simple = units.iter().all(|unit| unit.rows.len() == 1 && unit.labels.len() <= 1);
    let parts = match simple {
        true => by_class(units, order, shares),
        false => iterative(units, order, labels.len(), shares),
    };
    let mut rows = vec![0; units.iter().map(|unit| unit.rows.len()).sum()];
    for (unit, part) in units.iter().zip(parts) {
        unit.rows.iter().for_each(|row| rows[*row] = part);
    }
    rows
}

/// Walks through the rows class by class and gives each to the part that lacks most; so each class and the whole are
/// parted as asked, to one row. The first row of a class goes to train: what was never seen cannot be learned.
fn by_class(units: &[Unit], mut order: Vec<usize>, shares: [f64; 3]) -> Vec<u8> {
    order.sort_by_key(|unit| units[*unit].labels.first().copied());
    let mut parts = vec![0; units.len()];
    let mut given = [0.0; 3];
    let mut before = None;
    for (walked, unit) in order.into_iter().enumerate() {
        let label = units[unit].labels.first();
        let lacks = |part: usize| shares[part] * (walked + 1) as f64 - given[part];
        let first = label.is_some() && label != before;
        let part = if first { 0 } else { most(lacks, shares) };
        given[part] += 1.0;
        parts[unit] = part as u8;
        before = label;
    }
    parts
}

/// Iterative stratification: the rarest label first, each unit that has it to the part that lacks that label most
/// (Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-label Data", 2011).
fn iterative(units: &[Unit], order: Vec<usize>, labels: usize, shares: [f64; 3]) -> Vec<u8> {
    let mut left = vec![0.0f64; labels];
    units.iter().flat_map(|unit| &unit.labels).for_each(|label| left[*label as usize] += 1.0);
    let rows: f64 = units.iter().map(|unit| unit.rows.len() as f64).sum();
    let mut lacks: Vec<[f64; 3]> = left.iter().map(|count| shares.map(|share| share * count)).collect();
    let mut lacks_rows = shares.map(|share| share * rows);
    // Large units first: the small ones then fill what is left.
    let mut waiting = order;
    waiting.sort_by_key(|unit| std::cmp::Reverse(units[*unit].rows.len()));
    let mut parts = vec![0; units.len()];
    loop {
        let rarest = (0..labels).filter(|label| left[*label] > 0.5).min_by(|a, b| left[*a].total_cmp(&left[*b]));
        let has = |unit: &usize| rarest.is_none_or(|label| units[*unit].labels.contains(&(label as u32)));
        let (now, later): (Vec<usize>, Vec<usize>) = waiting.into_iter().partition(has);
        for unit in now {
            let lack = |part: usize| match rarest {
                // Between equals the part that lacks rows.
                Some(label) => lacks[label][part] + lacks_rows[part] / (2.0 * rows),
                None => lacks_rows[part],
            };
            let part = most(lack, shares);
            parts[unit] = part as u8;
            lacks_rows[part] -= units[unit].rows.len() as f64;
            for label in &units[unit].labels {
                lacks[*label as usize][part] -= 1.0;
                left[*label as usize] -= 1.0;
            }
        }
        waiting = later;
        if waiting.is_empty() {
            return parts;
        }
    }
}

/// The part that lacks most, of those that are asked for.
fn most(lacks: impl Fn(usize) -> f64, shares: [f64; 3]) -> usize {
    (0..3).filter(|part| shares[*part] > 0.0).max_by(|a, b| lacks(*a).total_cmp(&lacks(*b)).then(b.cmp(a))).unwrap_or(0)
}
