//! The lowest point of a smooth convex function: L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4).

use std::collections::VecDeque;

/// Where the search ended.
pub(super) struct Found {
    pub(super) point: Vec<f64>,
    /// False where it was stopped, or ran out of steps, before the slope was nearly nothing.
    pub(super) converged: bool,
}

/// Steps that are remembered, where memory allows.
const MEMORY: usize = 10;
/// Numbers that may be remembered: 8 bytes each.
const NUMBERS: usize = 30_000_000;

/// Searches from `start`. `value` writes the slope into its second argument and gives the value; `go_on` hears each
/// step's number and the steepest slope, and ends the search with false.
pub(super) fn lowest(
    start: Vec<f64>,
    value: &dyn Fn(&[f64], &mut [f64]) -> f64,
    (steps, slope): (usize, f64),
    go_on: &mut dyn FnMut(usize, f64) -> bool,
) -> Found {
    let n = start.len();
    let memory = (NUMBERS / (2 * n.max(1))).clamp(3, MEMORY);
    let mut point = start;
    let mut gradient = vec![0.0; n];
    let mut here = value(&point, &mut gradient);
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
    for step in 0..steps {
        let steepest = gradient.iter().fold(0.0f64, |most, slope| most.max(slope.abs()));
        if steepest <= slope {
            return Found { point, converged: true };
        }
        if !go_on(step, steepest) {
            break;
        }
        let direction = direction(&gradient, &pairs);
        let along: f64 = product(&direction, &gradient);
        let mut length = if pairs.is_empty() { 1.0 / product(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let mut next_gradient = vec![0.0; n];
        // Half as far until the function falls enough (Armijo).
        let moved = (0..60).find_map(|_| {
            let next: Vec<f64> = point.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            let there = value(&next, &mut next_gradient);
            if there <= here + 1e-4 * length * along {
                return Some((next, there));
            }
            length /= 2.0;
            None
        });
        // No step falls any more: this is as near as numbers of 64 bits come.
        let Some((next, there)) = moved else { return Found { point, converged: true } };
        let s: Vec<f64> = next.iter().zip(&point).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curve = product(&s, &y);
        if curve > 1e-14 * product(&y, &y) {
            pairs.push_back((s, y, 1.0 / curve));
            if pairs.len() > memory {
                pairs.pop_front();
            }
        }
        (point, here, gradient) = (next, there, next_gradient);
    }
    Found { point, converged: false }
}

/// Downwards, bent by what the last steps told of the curvature.
fn direction(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for (s, y, inverse) in pairs.iter().rev() {
        let share = inverse * product(s, &q);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= share * y);
        shares.push(share);
    }
    if let Some((_, y, inverse)) = pairs.back() {
        let scale = 1.0 / (inverse * product(y, y));
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y, inverse), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let back = share - inverse * product(y, &q);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += back * s);
    }
    q
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_point_of_a_long_valley_is_found() {
        // (x - 3)² + 100 (y + 1)²
        let value = |p: &[f64], slope: &mut [f64]| {
            slope.copy_from_slice(&[2.0 * (p[0] - 3.0), 200.0 * (p[1] + 1.0)]);
            (p[0] - 3.0).powi(2) + 100.0 * (p[1] + 1.0).powi(2)
        };
        let found = lowest(vec![0.0, 0.0], &value, (100, 1e-9), &mut |_, _| true);
        assert!(found.converged && (found.point[0] - 3.0).abs() < 1e-8 && (found.point[1] + 1.0).abs() < 1e-8);
        assert!(!lowest(vec![0.0, 0.0], &value, (100, 1e-9), &mut |_, _| false).converged);
    }
}
