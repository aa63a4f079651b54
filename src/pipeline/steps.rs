//! The last step by hand: what makes probabilities of a model's logits.

/// Makes shares that add up to 1 of any numbers: each is `e^x`, divided by the sum of all.
///
/// ```
/// use aula::pipeline::softmax;
/// assert_eq!(softmax(&[0.0, 0.0]), [0.5, 0.5]);
/// ```
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raised: Vec<f64> = logits.iter().map(|x| (x - largest).exp()).collect();
    let sum: f64 = raised.iter().sum();
    raised.iter().map(|x| x / sum).collect()
}

/// Makes a share between 0 and 1 of one number: `1 / (1 + e^-x)`.
///
/// ```
/// assert_eq!(aula::pipeline::sigmoid(0.0), 0.5);
/// ```
pub fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_one_and_large_logits_do_not_overflow() {
        let shares = softmax(&[1000.0, 1000.0 + 3f64.ln()]);
        assert!((shares[0] - 0.25).abs() < 1e-12 && (shares[1] - 0.75).abs() < 1e-12);
        assert!(softmax(&[]).is_empty());
        assert!((sigmoid(3f64.ln()) - 0.75).abs() < 1e-12);
        assert_eq!((sigmoid(-1e9), sigmoid(1e9)), (0.0, 1.0));
    }
}
