//! Claims of a lesson that check themselves.

use crate::error::{Error, ErrorKind, Result};
use crate::sys::short_preset;

/// Prints `✓ claim` when it holds; when it does not, the cell fails and says so.
pub fn claim(claim: &str, holds: bool) -> Result<()> {
    if !holds {
        return Err(Error::new(ErrorKind::Training, tr!("No se cumple: {claim}", "This does not hold: {claim}")).next(tr!(
            "Si cambiaste algo más arriba, es un resultado: mira qué cambió. Si no, ejecuta el cuaderno desde el principio.",
            "If you changed something above, that is a result: see what changed. If not, run the notebook from the start."
        )));
    }
    println!("✓ {claim}");
    Ok(())
}

/// As [`claim`], for a claim that only the full run supports: the short preset says that it did not look.
pub fn claim_full(claim: &str, holds: bool) -> Result<()> {
    if short_preset() {
        println!("{}", tr!("(modo corto: no se comprueba) {claim}", "(short preset: not checked) {claim}"));
        return Ok(());
    }
    self::claim(claim, holds)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_claim_that_does_not_hold_fails_with_its_text() {
        assert!(super::claim("one is one", true).is_ok());
        assert!(super::claim("one is two", false).unwrap_err().to_string().contains("one is two"));
    }
}
